//! The engine's time, injected.
//!
//! Expiry and stream ids read the wall clock; time-outs of waiting clients read the monotonic one. A test moves both.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where the engine's time comes from.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { start: Instant },
    Manual(Arc<Hands>),
}

/// The hands of a clock that a test moves.
#[derive(Clone)]
pub struct ManualClock(Arc<Hands>);

struct Hands {
    wall_nanos: AtomicU64,
    monotonic_nanos: AtomicU64,
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Source::System {
            start: Instant::now(),
        })
    }

    /// A clock that stands still until its hands are moved, and the hands.
    pub fn manual(now: SystemTime) -> (Self, ManualClock) {
        let hands = Arc::new(Hands {
            wall_nanos: AtomicU64::new(nanos_since_epoch(now)),
            monotonic_nanos: AtomicU64::new(0),
        });
        (Self(Source::Manual(Arc::clone(&hands))), ManualClock(hands))
    }

    /// Nanoseconds since 1970 by the wall clock, which may step.
    pub(crate) fn wall_nanos(&self) -> u64 {
        match &self.0 {
            Source::System { .. } => nanos_since_epoch(SystemTime::now()),
            Source::Manual(hands) => hands.wall_nanos.load(Ordering::SeqCst),
        }
    }

    /// Time since the clock was made; never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System { start } => start.elapsed(),
            Source::Manual(hands) => Duration::from_nanos(hands.monotonic_nanos.load(Ordering::SeqCst)),
        }
    }

    /// Whether time passes by itself.
    pub(crate) fn is_manual(&self) -> bool {
        matches!(self.0, Source::Manual(_))
    }
}

impl ManualClock {
    /// Lets time pass: both clocks move.
    pub fn advance(&self, by: Duration) {
        let nanos = saturating_nanos(by);
        self.0.wall_nanos.fetch_add(nanos, Ordering::SeqCst);
        self.0.monotonic_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Sets the wall clock, forwards or back (before 1970 is 1970); the monotonic clock stays.
    pub fn set_wall(&self, now: SystemTime) {
        self.0.wall_nanos.store(nanos_since_epoch(now), Ordering::SeqCst);
    }
}

fn nanos_since_epoch(time: SystemTime) -> u64 {
    // A clock before 1970 reads as 1970.
    saturating_nanos(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn saturating_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_manual() {
            "Clock(manual)"
        } else {
            "Clock(system)"
        })
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ManualClock")
    }
}
