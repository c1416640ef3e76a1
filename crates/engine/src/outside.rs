//! What is known of an engine without its lock.
//!
//! A script that runs too long keeps the lock; who connects meanwhile has still to be let in, asked for the password
//! and told that the engine is busy. Everything here is a copy that `Core::configure` keeps true.
//! Next: `aside.rs` (who uses it), `scripts.rs` (`Running`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::blocked::WaiterId;
use crate::client::Seat;
use crate::config::Config;
use crate::engine::Usage;
use crate::scripts::Running;

/// The part of an engine that anybody may look at at any time.
#[derive(Debug, Default)]
pub(crate) struct Outside {
    pub(crate) running: Running,
    password: Mutex<Arc<[u8]>>,
    max_clients: AtomicUsize,
    last_client: AtomicU64,
    /// What the engine held when that was last asked.
    usage: Mutex<Usage>,
    departures: Mutex<Vec<Departure>>,
    has_departures: AtomicBool,
}

/// Who has left while a script kept the engine.
#[derive(Debug)]
pub(crate) enum Departure {
    Client(Seat),
    Waiter(WaiterId),
}

impl Outside {
    /// The settings have changed.
    pub(crate) fn adopt(&self, config: &Config) {
        self.running.set_limit(config.slow_after());
        self.max_clients.store(config.max_clients, Ordering::Relaxed);
        let mut password = self.password.lock();
        if **password != *config.password {
            *password = config.password.as_slice().into();
        }
    }

    /// What AUTH asks for; empty is no password.
    pub(crate) fn password(&self) -> Arc<[u8]> {
        Arc::clone(&self.password.lock())
    }

    pub(crate) fn max_clients(&self) -> usize {
        self.max_clients.load(Ordering::Relaxed)
    }

    pub(crate) fn usage(&self) -> Usage {
        *self.usage.lock()
    }

    pub(crate) fn set_usage(&self, usage: Usage) {
        *self.usage.lock() = usage;
    }

    /// Notes who has left, for whoever has the lock next.
    pub(crate) fn leave(&self, who: Departure) {
        self.departures.lock().push(who);
        self.has_departures.store(true, Ordering::Release);
    }

    /// Who has left and is still known to the engine.
    pub(crate) fn take_departures(&self) -> Vec<Departure> {
        if self.has_departures.load(Ordering::Relaxed) && self.has_departures.swap(false, Ordering::Acquire) {
            return std::mem::take(&mut self.departures.lock());
        }
        Vec::new()
    }

    /// The id of a new client.
    pub(crate) fn next_client(&self) -> u64 {
        self.last_client.fetch_add(1, Ordering::Relaxed) + 1
    }
}
