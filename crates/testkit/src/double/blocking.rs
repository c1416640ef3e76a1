//! Waiting for data: BZPOPMIN and XREAD with BLOCK.
//!
//! A reader looks, and when there is nothing it sleeps until data arrives anywhere, and looks again. It takes an element
//! only in the moment in which it returns it, so dropping its future loses nothing. Pops are served in the order in
//! which the readers came; streams are read by all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::arguments::{float, is};
use super::commands::{self, StreamRead};
use super::connection::Session;
use super::keyspace::Keyspace;
use super::machine::Machine;
use super::reply::{Outcome, Reply};

/// A command that may have to wait.
pub(super) enum Blocking {
    Pop {
        arguments: Vec<Vec<u8>>,
        timeout: Option<Duration>,
    },
    Read {
        read: StreamRead,
        timeout: Option<Duration>,
    },
}

impl Blocking {
    /// Recognises a blocking command; a malformed one is left to the command itself, which words the error.
    pub(super) fn of(arguments: &[Vec<u8>]) -> Option<Self> {
        let name = arguments.first()?;
        if is(name, "BZPOPMIN") && arguments.len() >= 3 {
            let seconds = float(arguments.last()?, "")
                .ok()
                .filter(|seconds| *seconds >= 0.0)?;
            let timeout = Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|timeout| !timeout.is_zero());
            return Some(Self::Pop {
                arguments: arguments.to_vec(),
                timeout,
            });
        }
        if is(name, "XREAD") && arguments.len() >= 4 {
            let read = StreamRead::parse(arguments).ok()?;
            let milliseconds = read.block_ms?;
            let timeout = (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
            return Some(Self::Read { read, timeout });
        }
        None
    }

    pub(super) async fn run(self, session: &Session) -> Reply {
        match self {
            Self::Pop { arguments, timeout } => {
                let keys = &arguments[1..arguments.len() - 1];
                let place = Place::take(session, keys);
                let pop = |machine: &mut Machine| {
                    let mut turn = vec![arguments[0].clone()];
                    turn.extend(machine.queue.open_to(place.ticket, keys));
                    turn.push(b"0".to_vec());
                    run_now(&mut machine.keyspace, &turn)
                };
                wait(session, timeout, pop).await
            }
            Self::Read { mut read, timeout } => {
                let look = |machine: &mut Machine| {
                    read.settle(&mut machine.keyspace)?;
                    read.answer(&mut machine.keyspace)
                };
                wait(session, timeout, look).await
            }
        }
    }
}

fn run_now(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    commands::find(&arguments[0])
        .expect("blocking commands are in the table")
        .run(keyspace, arguments)
}

/// Repeats `attempt` whenever data has arrived, until it has an answer or the time is up.
async fn wait(
    session: &Session,
    timeout: Option<Duration>,
    mut attempt: impl FnMut(&mut Machine) -> Outcome,
) -> Reply {
    let end = timeout.map(|timeout| Instant::now() + timeout);
    loop {
        let mut arrival = std::pin::pin!(session.shared.arrivals.notified());
        // Listening before looking: what arrives in between is not missed.
        arrival.as_mut().enable();
        {
            let mut machine = session.shared.machine();
            machine.keyspace.begin();
            let reply = Reply::from_outcome(attempt(&mut machine));
            if reply != Reply::Nil {
                return reply;
            }
        }
        let _asleep = Asleep::count(&session.shared.blocked);
        match end {
            None => arrival.await,
            Some(end) => {
                tokio::select! {
                    () = arrival => {}
                    () = sleep_until(end) => return Reply::Nil,
                }
            }
        }
    }
}

/// Counts a client as blocked while it sleeps, however its sleep ends.
struct Asleep<'a>(&'a AtomicUsize);

impl<'a> Asleep<'a> {
    fn count(blocked: &'a AtomicUsize) -> Self {
        blocked.fetch_add(1, Ordering::SeqCst);
        Self(blocked)
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who waits for which keys, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    last_ticket: u64,
    waiting: Vec<(u64, Vec<Vec<u8>>)>,
}

impl Queue {
    fn join(&mut self, keys: &[Vec<u8>]) -> u64 {
        self.last_ticket += 1;
        self.waiting.push((self.last_ticket, keys.to_vec()));
        self.last_ticket
    }

    fn leave(&mut self, ticket: u64) {
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
    }

    /// Those keys for which nobody came earlier.
    fn open_to<'a>(&'a self, ticket: u64, keys: &'a [Vec<u8>]) -> impl Iterator<Item = Vec<u8>> + 'a {
        let is_taken = move |key: &Vec<u8>| {
            self.waiting
                .iter()
                .any(|(earlier, theirs)| *earlier < ticket && theirs.contains(key))
        };
        keys.iter().filter(move |key| !is_taken(key)).cloned()
    }
}

/// A place in the queue, given up when dropped.
struct Place<'a> {
    session: &'a Session,
    ticket: u64,
}

impl<'a> Place<'a> {
    fn take(session: &'a Session, keys: &[Vec<u8>]) -> Self {
        let ticket = session.shared.machine().queue.join(keys);
        Self { session, ticket }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.session.shared.machine().queue.leave(self.ticket);
        // Those behind may now take what the one in front left.
        self.session.shared.arrivals.notify_waiters();
    }
}
