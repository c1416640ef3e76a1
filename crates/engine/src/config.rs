//! What an engine can be told, at the start and by CONFIG SET.

use std::time::Duration;

/// The settings of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) databases: usize,
    /// Bytes of data beyond which commands that need memory are refused; 0 is no limit.
    pub(crate) max_memory: usize,
    /// What AUTH asks for; empty is no password.
    pub(crate) password: Vec<u8>,
    /// How long a script may run before others are told that the engine is busy; zero is no limit.
    pub(crate) busy_after: Duration,
    pub(crate) max_clients: usize,
}

impl Config {
    /// How long a script may run before others are told that the engine is busy.
    pub(crate) fn slow_after(&self) -> Duration {
        if self.busy_after.is_zero() {
            return Duration::MAX;
        }
        self.busy_after
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            databases: 16,
            max_memory: 0,
            password: Vec::new(),
            busy_after: Duration::from_secs(5),
            max_clients: 10_000,
        }
    }
}
