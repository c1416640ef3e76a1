//! A small double of Redis that lives in the test's own process.
//!
//! It answers the commands that Oxherd uses, runs the same Lua scripts and words its errors as Redis 7.0 does, so that
//! code written against `redis::aio::ConnectionLike` cannot tell the two apart. Everything happens under one mutex:
//! a command, a script and a transaction are atomic, as on the server. It is not a Redis: commands outside its
//! table answer `ERR unknown command`, there is one database, no pub/sub and no persistence, hashes and sets are kept in
//! the order of their names, and nothing stops an endless script.
//! Next: `double/connection.rs` (how a command gets in), `double/machine.rs` (one command at a time),
//! `double/keyspace.rs` (the data), `double/commands.rs` (the table), `double/scripting.rs` (Lua).

mod arguments;
mod blocking;
mod clients;
mod commands;
mod connection;
mod glob;
mod keyspace;
mod machine;
mod number;
mod reply;
mod scripting;
mod sorted_set;
mod stream;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

pub use connection::DoubleConnection;
use machine::Machine;

/// Milliseconds since the Unix epoch.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// An empty in-memory Redis; clones share its data.
#[derive(Clone)]
pub struct Double {
    shared: Arc<Shared>,
}

struct Shared {
    machine: Mutex<Machine>,
    /// Rung when data arrives that a blocked reader may wait for, and when a blocked reader leaves.
    arrivals: Notify,
    /// Clients asleep in a blocking command.
    blocked: AtomicUsize,
}

impl Shared {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().expect("a command panicked inside the double")
    }
}

impl Double {
    /// A double on the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(|| {
            let since_epoch = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("the clock is before 1970");
            i64::try_from(since_epoch.as_millis()).expect("the clock is beyond the year 292 million")
        })
    }

    /// A double that takes its time (expiry, stream ids, TIME) from `now_ms`, in milliseconds since the Unix epoch.
    ///
    /// Time-outs of blocking commands stay on tokio's clock.
    #[must_use]
    pub fn with_clock(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let machine = Mutex::new(Machine::new(Arc::new(now_ms)));
        Self {
            shared: Arc::new(Shared {
                machine,
                arrivals: Notify::new(),
                blocked: AtomicUsize::new(0),
            }),
        }
    }

    /// A new connection, with a client id of its own; its clones share that id.
    #[must_use]
    pub fn connect(&self) -> DoubleConnection {
        DoubleConnection::open(Arc::clone(&self.shared))
    }

    /// How many clients wait in a blocking command right now; a test can wait for this instead of sleeping.
    #[must_use]
    pub fn blocked_clients(&self) -> usize {
        self.shared.blocked.load(Ordering::SeqCst)
    }
}

impl Default for Double {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Double").finish_non_exhaustive()
    }
}
