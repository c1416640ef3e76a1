//! One client's way in: commands go in, outcomes come out.
//!
//! Commands run on the caller's thread, under the engine's lock. A blocking command that has to wait returns a
//! [`Waiting`], a future; dropping it takes the command out of its queues before it can take anything.
//! Next: `execute.rs` (a unit of work), `connection.rs` and `resp/` (who uses sessions).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::arguments::is;
use crate::blocked::WaiterId;
use crate::client::{Arrival, Client, Protocol, Seat};
use crate::core::Core;
use crate::engine::{Busy, Shared};
use crate::execute::Outcome;
use crate::reply::{Fault, Reply};

/// A client of the engine. Dropping it is leaving: its waits end, its subscriptions and watches go.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    seat: Seat,
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
    receiver: oneshot::Receiver<Reply>,
    is_answered: bool,
}

/// The engine's lock, held for several commands of one client.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    session: &'a Session,
    core: parking_lot::MutexGuard<'a, Core>,
}

impl Session {
    pub(crate) fn open(shared: &Arc<Shared>, arrival: Arrival) -> Self {
        let mut core = shared.lock();
        core.begin();
        core.stats.connections += 1;
        let now = core.now();
        let seat = core.clients.connect(arrival, now);
        core.settle();
        drop(core);
        Self {
            shared: Arc::clone(shared),
            seat,
        }
    }

    /// The client's id, as CLIENT ID says it.
    pub(crate) fn id(&self) -> u64 {
        self.seat.id
    }

    /// The number of the selected database.
    pub(crate) fn db(&self) -> i64 {
        let core = self.shared.lock();
        let db = core.clients.get(self.seat).map_or(0, |client| client.db);
        i64::try_from(db).unwrap_or(i64::MAX)
    }

    /// Runs one command (its name first).
    pub(crate) fn run(&self, arguments: &[&[u8]]) -> Served {
        match self.shared.enter() {
            Ok(core) => Batch { session: self, core }.run(arguments),
            Err(Busy) => Served::Reply(self.while_busy(arguments)),
        }
    }

    /// Takes the engine's lock for several commands; `Err` while a script runs too long (then use `run` for each).
    pub(crate) fn batch(&self) -> Result<Batch<'_>, Busy> {
        let core = self.shared.enter()?;
        Ok(Batch { session: self, core })
    }

    /// The only commands that work while a script runs too long.
    fn while_busy(&self, arguments: &[&[u8]]) -> Reply {
        if let [name, verb] = arguments
            && is(name, "script")
            && is(verb, "kill")
        {
            self.shared.running().kill();
            return Reply::OK;
        }
        Reply::Error(Fault::of(
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        core.leave(self.seat);
    }
}

impl Batch<'_> {
    /// Runs one command (its name first).
    pub(crate) fn run(&mut self, arguments: &[&[u8]]) -> Served {
        match self.core.run(self.session.seat, arguments) {
            Outcome::Reply(reply) => Served::Reply(reply),
            Outcome::Silent => Served::Silent,
            Outcome::Waiting(id, receiver) => {
                self.session
                    .shared
                    .housekeeper
                    .hurry(self.core.blocked.next_deadline());
                Served::Waiting(Waiting {
                    shared: Arc::clone(&self.session.shared),
                    id,
                    receiver,
                    is_answered: false,
                })
            }
        }
    }

    /// The shape of replies the client has chosen.
    pub(crate) fn protocol(&self) -> Protocol {
        self.client().map_or(Protocol::Resp2, |client| client.protocol)
    }

    /// Whether the connection is to end once everything written so far has left (QUIT, CLIENT KILL).
    pub(crate) fn should_close(&self) -> bool {
        self.client().is_none_or(|client| client.should_close)
    }

    /// Whether the client has shown the password (or needs none).
    pub(crate) fn is_authenticated(&self) -> bool {
        self.client().is_some_and(|client| client.is_authenticated)
    }

    /// Whether the client listens to channels.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.client().is_some_and(Client::is_subscribed)
    }

    fn client(&self) -> Option<&Client> {
        self.core.clients.get(self.session.seat)
    }
}

impl Future for Waiting {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        let polled = Pin::new(&mut self.receiver).poll(context);
        polled.map(|answer| {
            self.is_answered = true;
            answer.unwrap_or_else(|_gone| Reply::Error(Fault::of("ERR the connection is closed")))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.lock().blocked.remove(self.id);
        }
    }
}

impl Core {
    /// A client leaves: nothing of it stays.
    pub(crate) fn leave(&mut self, seat: Seat) {
        for id in self.blocked.of(seat) {
            self.blocked.remove(id);
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
