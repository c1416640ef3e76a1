//! One client's way in: commands go in, outcomes come out.
//!
//! Commands run on the caller's thread, under the engine's lock. A blocking command that has to wait returns a
//! [`Waiting`], a future; dropping it takes the command out of its queues, and what it was given unseen is lost.
//! Next: `execute.rs` (a unit of work), `connection.rs` and `resp/` (who uses sessions).

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::arguments::Args;
use crate::aside::{Aside, Standing};
use crate::blocked::WaiterId;
use crate::client::{Arrival, Client, Protocol, Seat};
use crate::core::Core;
use crate::engine::{Busy, Hold, Shared};
use crate::execute::Outcome;
use crate::journal::{Progress, Reached, Sequence};
use crate::outside::Departure;
use crate::reply::{Fault, Reply};

/// Nanoseconds after which a batch is long; a single command may take longer.
const LONG: u64 = 1_000_000;
/// Bytes sent to others after which it is.
const MUCH: usize = 1024 * 1024;

/// A client of the engine. Dropping it is leaving: its waits end, its subscriptions and watches go.
///
/// Whoever arrives while a script keeps the engine gets a seat when the script has ended.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    id: u64,
    seat: OnceLock<Seat>,
    /// What the client was when it last had the lock.
    standing: AtomicU8,
    /// The engine does not know all of `aside`.
    is_behind: AtomicBool,
    aside: Mutex<Aside>,
}

/// What the caller gets for one command.
#[derive(Debug)]
pub(crate) enum Served {
    Reply(Reply),
    /// Nothing is to be answered.
    Silent,
    /// The answer comes later.
    Waiting(Waiting),
}

/// A command that waits for a key.
#[derive(Debug)]
pub(crate) struct Waiting {
    shared: Arc<Shared>,
    id: WaiterId,
    receiver: oneshot::Receiver<(Reply, Sequence)>,
    /// The answer, when the journal has still to keep what it may have seen.
    held: Option<(Reply, Reached)>,
    is_answered: bool,
    /// CLIENT REPLY said that nobody wants to hear the answer; the wait is one all the same.
    is_silent: bool,
}

/// The engine's lock, held for several commands of one client.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    session: &'a Session,
    seat: Seat,
    core: Hold<'a>,
    /// When the first command ran, in nanoseconds.
    began: Option<u64>,
    /// What `Core::delivered` was before.
    delivered: usize,
    /// The last unit that the answers may have to do with.
    seen: Sequence,
}

impl Session {
    /// A new client. Does not wait for a script that runs too long.
    pub(crate) fn open(shared: &Arc<Shared>, arrival: Arrival) -> Self {
        let mut standing = Standing::default();
        standing.set(Standing::AUTHENTICATED, arrival.is_authenticated);
        let session = Self {
            shared: Arc::clone(shared),
            id: shared.outside().next_client(),
            seat: OnceLock::new(),
            standing: AtomicU8::new(standing.bits()),
            is_behind: AtomicBool::new(true),
            aside: Mutex::new(Aside::of(arrival)),
        };
        session.catch_up();
        session
    }

    /// Lets the engine know of the client, and of what it has done meanwhile, unless a script still keeps it.
    pub(crate) fn catch_up(&self) {
        // Entering is what does it.
        drop(self.batch());
    }

    /// Whether the engine does not know yet all that the client has done.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Acquire)
    }

    /// What the client was when it last had the lock, and what it has become since without it.
    pub(crate) fn standing(&self) -> Standing {
        Standing::from_bits(self.standing.load(Ordering::Relaxed))
    }

    /// The client's id, as CLIENT ID says it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The number of the selected database.
    pub(crate) fn db(&self) -> i64 {
        let core = self.shared.lock();
        let client = self.seat.get().and_then(|seat| core.clients.get(*seat));
        let db = client.map_or(0, |client| client.db);
        i64::try_from(db).unwrap_or(i64::MAX)
    }

    /// Runs one command (its name first), with the engine's lock or without.
    #[cfg(test)]
    pub(crate) fn run(&self, arguments: &[&[u8]]) -> Served {
        match self.batch() {
            Ok(mut batch) => batch.run(arguments),
            Err(Busy) => self.run_aside(arguments),
        }
    }

    /// Takes the engine's lock for several commands; `Err` while a script runs too long (then there is `run_aside`).
    pub(crate) fn batch(&self) -> Result<Batch<'_>, Busy> {
        let mut core = self.shared.enter()?;
        if self.is_behind() {
            self.settle_in(&mut core);
        }
        let seat = *self
            .seat
            .get_or_init(|| core.welcome(self.id, Arrival::default()));
        let delivered = core.delivered;
        Ok(Batch {
            session: self,
            seat,
            core,
            began: None,
            delivered,
            seen: Sequence::NONE,
        })
    }

    #[cold]
    fn settle_in(&self, core: &mut Core) {
        let mut aside = {
            let mut aside = self.aside.lock();
            // While it is locked: what is done without the engine after this is to be carried over again.
            self.is_behind.store(false, Ordering::Release);
            std::mem::take(&mut *aside)
        };
        let arrival = aside.arrival.take().unwrap_or_default();
        let seat = self.seat.get_or_init(|| core.welcome(self.id, arrival));
        if let Some(mut client) = core.clients.take(*seat) {
            aside.carry_over(core, &mut client);
            core.clients.put_back(client);
        }
    }

    /// Waits for the journal; `None` when there is nothing to wait for.
    pub(crate) fn reached(&self, horizon: Sequence) -> Option<Reached> {
        self.shared.reached(horizon)
    }

    /// Waits until more may be changed; `None` when there is room.
    pub(crate) fn room(&self) -> Option<Reached> {
        self.shared.room()
    }

    /// How far the journal is, if there is one.
    pub(crate) fn progress(&self) -> Option<&Arc<Progress>> {
        self.shared.progress()
    }

    /// Answers one command while a script keeps the engine.
    pub(crate) fn run_aside(&self, arguments: &[&[u8]]) -> Served {
        let mut aside = self.aside.lock();
        let mut standing = self.standing();
        let outside = self.shared.outside();
        let is_silent = aside.is_silenced(&mut standing);
        let reply = aside.answer(&mut standing, outside, self.id, Args::new(arguments));
        self.standing.store(standing.bits(), Ordering::Relaxed);
        self.is_behind.store(true, Ordering::Release);
        if is_silent {
            return Served::Silent;
        }
        Served::Reply(reply)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(seat) = self.seat.get() else {
            return;
        };
        match self.shared.enter() {
            Ok(mut core) => core.leave(*seat),
            Err(Busy) => self.shared.outside().leave(Departure::Client(*seat)),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.core.has_trash() {
            self.session.shared.housekeeper.hurry(Some(self.core.monotonic()));
        }
        if let Some(client) = self.client() {
            let standing = Standing::of(client);
            self.session.standing.store(standing.bits(), Ordering::Relaxed);
        }
    }
}

impl Batch<'_> {
    /// Runs one command (its name first).
    pub(crate) fn run(&mut self, arguments: &[&[u8]]) -> Served {
        let outcome = self.core.run(self.seat, arguments);
        self.seen = self.seen.max(self.core.seen());
        self.began.get_or_insert(self.core.now_nanos());
        match outcome {
            Outcome::Reply(reply) => Served::Reply(reply),
            Outcome::Silent => Served::Silent,
            Outcome::Waiting(id, receiver, is_silent) => {
                self.session
                    .shared
                    .housekeeper
                    .hurry(self.core.blocked.next_deadline());
                Served::Waiting(Waiting {
                    shared: Arc::clone(&self.session.shared),
                    id,
                    receiver,
                    held: None,
                    is_answered: false,
                    is_silent,
                })
            }
        }
    }

    /// The shape of replies the client has chosen.
    pub(crate) fn protocol(&self) -> Protocol {
        self.client().map_or(Protocol::Resp2, |client| client.protocol)
    }

    /// What leaves with the answers may have to do with any unit up to now: messages of others do.
    pub(crate) fn see_all(&mut self) {
        self.seen = self.core.sequence();
    }

    /// What the journal has to keep before anything these commands have seen may leave the engine.
    pub(crate) fn horizon(&self) -> Sequence {
        self.core.horizon(self.seen)
    }

    /// Whether the connection is to end once everything written so far has left (QUIT, CLIENT KILL).
    pub(crate) fn should_close(&self) -> bool {
        self.client().is_none_or(|client| client.should_close)
    }

    /// Whether it is time to let others work: the commands took long, or others were sent much that they should get
    /// the chance to read.
    pub(crate) fn is_long(&self) -> bool {
        let now = self.core.now_nanos();
        let time = self.began.map_or(0, |began| now.saturating_sub(began));
        time > LONG || self.core.delivered.wrapping_sub(self.delivered) > MUCH
    }

    /// Whether the next command should wait for the journal.
    pub(crate) fn is_full(&self) -> bool {
        self.core.is_full()
    }

    /// Bytes of commands between MULTI and EXEC.
    pub(crate) fn queued_bytes(&self) -> usize {
        let transaction = self.client().and_then(|client| client.transaction.as_ref());
        transaction.map_or(0, |queued| queued.bytes)
    }

    /// Whether the client has shown the password (or needs none).
    pub(crate) fn is_authenticated(&self) -> bool {
        self.client().is_some_and(|client| client.is_authenticated)
    }

    /// Whether the client listens to channels.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.client().is_some_and(Client::is_subscribed)
    }

    #[cfg(test)]
    pub(crate) fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn client(&self) -> Option<&Client> {
        self.core.clients.get(self.seat)
    }
}

impl Waiting {
    /// Takes the command out of its queues, so that it is given nothing any more. True when it has been given its answer,
    /// which is then here or on its way; `Err` while a script keeps the engine, when nobody can say.
    pub(crate) fn withdraw(&mut self) -> Result<bool, Busy> {
        if self.is_answered {
            return Ok(true);
        }
        let mut core = self.shared.enter()?;
        Ok(!core.blocked.forget(self.id))
    }
}

impl Future for Waiting {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        if self.held.is_none() {
            let answer = ready!(Pin::new(&mut self.receiver).poll(context));
            self.is_answered = true;
            let (reply, horizon) = answer.unwrap_or_else(|_gone| {
                (
                    Reply::Error(Fault::of("ERR the connection is closed")),
                    Sequence::NONE,
                )
            });
            let reply = if self.is_silent {
                Reply::Several(Vec::new())
            } else {
                reply
            };
            let Some(reached) = self.shared.reached(horizon) else {
                return Poll::Ready(reply);
            };
            self.held = Some((reply, reached));
        }
        let Some((_, reached)) = &mut self.held else {
            return Poll::Pending;
        };
        let outcome = ready!(Pin::new(reached).poll(context));
        let reply = self.held.take().map(|(reply, _)| reply);
        Poll::Ready(match (outcome, reply) {
            (Ok(()), Some(reply)) => reply,
            _ => Reply::Error(Fault::LOST),
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        // First: while this waits for the lock, nobody shall be served who is not there any more.
        self.receiver.close();
        match self.shared.enter() {
            Ok(mut core) => {
                core.blocked.forget(self.id);
            }
            Err(Busy) => self.shared.outside().leave(Departure::Waiter(self.id)),
        }
    }
}

impl Core {
    /// A client comes.
    fn welcome(&mut self, id: u64, arrival: Arrival) -> Seat {
        self.begin();
        self.stats.connections += 1;
        let now = self.now();
        let seat = self.clients.connect(id, arrival, now);
        self.settle();
        seat
    }

    /// Those leave who could not while a script ran.
    pub(crate) fn see_off(&mut self) {
        for departure in self.outside.take_departures() {
            match departure {
                Departure::Client(seat) => self.leave(seat),
                Departure::Waiter(id) => {
                    self.blocked.forget(id);
                }
            }
        }
    }

    /// A client leaves: nothing of it stays.
    pub(crate) fn leave(&mut self, seat: Seat) {
        for id in self.blocked.of(seat) {
            self.blocked.forget(id);
        }
        let Some(mut client) = self.clients.disconnect(seat) else {
            return;
        };
        self.unwatch(&mut client);
        self.pubsub.forget(&client);
        self.tracking.forget(&client);
        if client.is_monitor {
            self.monitors -= 1;
        }
    }

    /// Ends all watches of a client.
    pub(crate) fn unwatch(&mut self, client: &mut Client) {
        client.is_dirty = false;
        for (db, key) in std::mem::take(&mut client.watched) {
            let Some(keys) = self.watchers.get_mut(&db) else {
                continue;
            };
            if let Some(seats) = keys.get_mut(&key) {
                seats.retain(|seat| *seat != client.seat);
                if seats.is_empty() {
                    keys.remove(&key);
                }
            }
            if keys.is_empty() {
                self.watchers.remove(&db);
            }
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod batch_tests {
    use std::time::{Duration, SystemTime};

    use crate::client::Arrival;
    use crate::clock::Clock;
    use crate::engine::Options;

    #[test]
    fn a_batch_is_long_when_its_commands_took_long() {
        let (clock, hands) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let engine = Options::default().clock(clock).start();
        let session = engine.session(Arrival::default());
        let mut batch = session.batch().unwrap();
        batch.run(&[b"PING"]);
        batch.run(&[b"PING"]);
        assert!(!batch.is_long());
        hands.advance(Duration::from_millis(2));
        batch.run(&[b"PING"]);
        assert!(batch.is_long());
        drop(batch);
        let mut batch = session.batch().unwrap();
        batch.run(&[b"PING"]);
        assert!(!batch.is_long());
    }
}
