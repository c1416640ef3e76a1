//! Until when what is held may be trusted, as the channel was known to be alive.
//!
//! By both clocks of the machine: the one that nobody sets stands still while the machine sleeps, the other one may be set back.
//! Next: `store/tracked/channel.rs` (where the signs of life come from).

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock::Present;

/// For so many ms: there is a sign of life a second, which may take another one, and a third one is for a machine that has much to do.
const TRUSTED: u64 = 3_000;
/// Nobody listens, so there are no signs of life to wait for.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Trust {
    ticks: AtomicU64,
    now: AtomicU64,
    /// Held by the one that changes both.
    turn: Mutex<()>,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            ticks: AtomicU64::new(NEVER),
            now: AtomicU64::new(NEVER),
            turn: Mutex::new(()),
        }
    }
}

impl Trust {
    pub(super) fn begin(&self, at: Present) {
        let _turn = self.turn.lock();
        self.set(
            at.ticks.saturating_add(TRUSTED),
            at.now.as_millis().saturating_add(TRUSTED),
        );
    }

    /// One that was slow to come takes nothing back, and one of a connection that is lost begins nothing.
    pub(super) fn prolong(&self, at: Present) {
        let _turn = self.turn.lock();
        let ticks = at.ticks.saturating_add(TRUSTED);
        if self.ticks.load(Ordering::Relaxed) < ticks {
            // Also back, when that clock was set back.
            self.set(ticks, at.now.as_millis().saturating_add(TRUSTED));
        }
    }

    pub(super) fn end(&self) {
        let _turn = self.turn.lock();
        self.set(NEVER, NEVER);
    }

    fn set(&self, ticks: u64, now: u64) {
        self.now.store(now, Ordering::Release);
        self.ticks.store(ticks, Ordering::Release);
    }

    /// To be asked before an entry is looked up: who finds a sign of life then finds what was told before it.
    #[inline]
    pub(super) fn is_after(&self, at: Present) -> bool {
        at.ticks < self.ticks.load(Ordering::Acquire) && at.now.as_millis() < self.now.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn at(now: u64, ticks: u64) -> Present {
        Present {
            now: Timestamp::from_millis(now),
            ticks,
        }
    }

    #[test]
    fn what_is_held_is_trusted_for_three_seconds_after_a_sign_of_life_by_both_clocks() {
        let trust = Trust::default();
        assert!(trust.is_after(at(u64::MAX - 1, u64::MAX - 1)), "nobody listens");
        trust.begin(at(100_000, 5_000));
        assert!(trust.is_after(at(102_999, 7_999)));
        assert!(!trust.is_after(at(103_000, 7_999)), "the machine slept");
        assert!(!trust.is_after(at(50_000, 8_000)), "the clock was set back");
        trust.prolong(at(101_000, 6_000));
        trust.prolong(at(100_500, 5_500));
        assert!(
            trust.is_after(at(103_999, 8_999)),
            "an earlier sign takes nothing back"
        );
        assert!(!trust.is_after(at(104_000, 8_999)));
        trust.prolong(at(50_000, 7_000));
        assert!(trust.is_after(at(52_999, 9_999)), "the clock was set back");
        assert!(!trust.is_after(at(53_000, 9_999)), "and then the machine slept");
    }

    #[test]
    fn a_sign_of_a_connection_that_is_lost_begins_nothing() {
        let trust = Trust::default();
        trust.begin(at(100_000, 5_000));
        trust.end();
        trust.prolong(at(101_000, 6_000));
        assert!(trust.is_after(at(900_000, 900_000)));
        trust.begin(at(200_000, 1_000));
        assert!(!trust.is_after(at(203_000, 1_000)));
    }
}
