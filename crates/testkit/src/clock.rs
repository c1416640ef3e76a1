//! Time that a test holds in its hand.
//!
//! A `ManualClock` stands still until it is advanced. Clones show the same time, so that one stays with the test
//! while another drives a [`Double`](crate::Double).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock in milliseconds since the Unix epoch that moves only when told.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows `now_ms` (milliseconds since the Unix epoch).
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self {
            now_ms: Arc::new(AtomicI64::new(now_ms)),
        }
    }

    /// What the clock shows, in milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    /// Moves the clock forward (whole milliseconds).
    pub fn advance(&self, by: Duration) {
        let milliseconds = i64::try_from(by.as_millis()).expect("a step of that length overflows the clock");
        self.now_ms.fetch_add(milliseconds, Ordering::SeqCst);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }
}
