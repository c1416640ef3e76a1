//! A warning in the log that says a thing once, and again when it was over and has come back.
//!
//! What goes on is counted and not repeated; after ten minutes without it, the next time is news.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, millis};

/// What has not happened for so long is over.
const OVER: Duration = Duration::from_secs(600);

/// When something that is complained of happened last.
#[derive(Debug)]
pub(crate) struct Complaint {
    clock: Clock,
    /// In ticks, and one more: zero is never.
    last: AtomicU64,
}

impl Complaint {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self {
            clock,
            last: AtomicU64::new(0),
        }
    }

    /// It has happened: whether that is worth a word.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.clock.ticks().saturating_add(1);
        let last = self.last.swap(now, Ordering::Relaxed);
        last == 0 || now.saturating_sub(last) >= millis(OVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn what_goes_on_is_said_once_and_what_comes_back_again() {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(0));
        let complaint = Complaint::new(clock);
        assert!(complaint.is_due());
        for _ in 0..20 {
            assert!(!complaint.is_due());
            hand.advance(OVER / 2);
        }
        hand.advance(OVER / 2);
        assert!(complaint.is_due());
        assert!(!complaint.is_due());
    }
}
