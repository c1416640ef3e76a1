//! What became of the calls of the last while, in ten buckets.
//!
//! Counting a call is two loads and an addition. A bucket is emptied, under a lock, by the first call of its next turn; one
//! that was about to be counted in the old turn may then count in the new one, which moves a call by at most a window.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

const BUCKETS: u64 = 10;

/// How many calls ended, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// All that ended in success or failure.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// Those that were slow, failed or not.
    pub slow: u64,
}

impl Calls {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

#[derive(Debug, Default)]
struct Bucket {
    /// The turn whose calls it holds, plus one; 0 before its first.
    turn: AtomicU64,
    calls: AtomicU64,
    failures: AtomicU64,
    slow: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Window {
    bucket_ms: u64,
    buckets: [Bucket; BUCKETS as usize],
    /// What emptied buckets held.
    past: Mutex<Calls>,
}

impl Window {
    pub(super) fn new(window_ms: u64) -> Self {
        Self {
            bucket_ms: (window_ms / BUCKETS).max(1),
            buckets: Default::default(),
            past: Mutex::default(),
        }
    }

    /// Counts a call that ends now.
    pub(super) fn count(&self, now: u64, is_failure: bool, is_slow: bool) {
        let turn = self.turn(now);
        let Some(bucket) = self.buckets.get((turn % BUCKETS) as usize) else {
            return;
        };
        if bucket.turn.load(Ordering::Acquire) != turn {
            self.begin(bucket, turn);
        }
        bucket.calls.fetch_add(1, Ordering::Relaxed);
        if is_failure {
            bucket.failures.fetch_add(1, Ordering::Relaxed);
        }
        if is_slow {
            bucket.slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The calls of the window that ends now.
    pub(super) fn calls(&self, now: u64) -> Calls {
        let turn = self.turn(now);
        let mut sum = Calls::default();
        for bucket in &self.buckets {
            let held = bucket.turn.load(Ordering::Acquire);
            if held + BUCKETS > turn {
                sum.add(bucket.read());
            }
        }
        sum
    }

    /// All calls ever.
    pub(super) fn total(&self) -> Calls {
        let past = self.past.lock();
        let mut sum = *past;
        for bucket in &self.buckets {
            sum.add(bucket.read());
        }
        sum
    }

    /// Forgets the calls of the window; they stay in the total.
    pub(super) fn clear(&self) {
        let mut past = self.past.lock();
        for bucket in &self.buckets {
            past.add(bucket.take());
        }
    }

    fn turn(&self, now: u64) -> u64 {
        now / self.bucket_ms + 1
    }

    #[cold]
    fn begin(&self, bucket: &Bucket, turn: u64) {
        let mut past = self.past.lock();
        // A clock that was set back counts in the turn that is there.
        if bucket.turn.load(Ordering::Relaxed) < turn {
            past.add(bucket.take());
            bucket.turn.store(turn, Ordering::Release);
        }
    }
}

impl Bucket {
    fn read(&self) -> Calls {
        let failures = self.failures.load(Ordering::Relaxed);
        let slow = self.slow.load(Ordering::Relaxed);
        Calls {
            calls: self.calls.load(Ordering::Relaxed),
            failures,
            slow,
        }
    }

    fn take(&self) -> Calls {
        Calls {
            calls: self.calls.swap(0, Ordering::Relaxed),
            failures: self.failures.swap(0, Ordering::Relaxed),
            slow: self.slow.swap(0, Ordering::Relaxed),
        }
    }
}
