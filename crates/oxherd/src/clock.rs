//! Time as the queue sees it.
//!
//! Timestamps, delays and back-offs are decided by the clock of the process that asks, as in every BullMQ client,
//! so a test can drive them with [`Clock::manual`]. Locks and the stall interval live on the server's own clock.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// How long after `earlier`; zero when it is not.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

/// Whole milliseconds of a duration, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where queues and workers read the time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(ManualClock),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is told to move, and the handle that moves it.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let clock = ManualClock {
            now: Arc::new(AtomicU64::new(start.0)),
            ticks: Arc::new(AtomicU64::new(start.0)),
            moved: Arc::default(),
        };
        (Self(Source::Manual(clock.clone())), clock)
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => SystemTime::now().into(),
            Source::Manual(clock) => clock.now(),
        }
    }

    /// Milliseconds from an arbitrary start that never go back, to within a few: for hot paths, where reading the
    /// exact time costs more than the rest (5 ns instead of 25 on Linux).
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        match &self.0 {
            Source::System => ticks(),
            Source::Manual(clock) => clock.ticks.load(Ordering::SeqCst),
        }
    }

    /// The present of the machine, where this clock shows these: another one only when a test moves it.
    #[inline]
    pub(crate) fn machine(&self, now: Timestamp, ticks: u64) -> Present {
        match &self.0 {
            Source::System => Present { now, ticks },
            Source::Manual(_) => Present::of_machine(),
        }
    }

    /// The time now or up to one tick of the kernel (1 to 10 ms) ago, for a tenth of the cost of [`Self::now`].
    #[inline]
    pub(crate) fn now_coarse(&self) -> Timestamp {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Source::System => {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
                let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
                let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
                Timestamp(seconds * 1_000 + nanos / 1_000_000)
            }
            #[cfg(not(target_os = "linux"))]
            Source::System => self.now(),
            Source::Manual(clock) => clock.now(),
        }
    }

    /// Waits until the clock shows `due`.
    pub async fn sleep_until(&self, due: Timestamp) {
        match &self.0 {
            Source::System => tokio::time::sleep(due.since(self.now())).await,
            Source::Manual(clock) => loop {
                let mut moved = pin!(clock.moved.notified());
                moved.as_mut().enable();
                if clock.now() >= due {
                    return;
                }
                moved.await;
            },
        }
    }
}

#[cfg(target_os = "linux")]
fn ticks() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    u64::try_from(
        time.tv_sec
            .saturating_mul(1000)
            .saturating_add(time.tv_nsec / 1_000_000),
    )
    .unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn ticks() -> u64 {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    millis(START.elapsed())
}

/// The present by the clock that is set, which goes on while the machine sleeps, and by the one that nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) now: Timestamp,
    /// As [`Clock::ticks`].
    pub(crate) ticks: u64,
}

impl Present {
    /// To within a few milliseconds.
    pub(crate) fn of_machine() -> Self {
        let clock = Clock::system();
        Self {
            now: clock.now_coarse(),
            ticks: clock.ticks(),
        }
    }
}

/// Moves a [`Clock::manual`].
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
    /// What it would show had nobody set it.
    ticks: Arc<AtomicU64>,
    /// Wakes those who wait in the order in which they came.
    moved: Arc<Notify>,
}

impl ManualClock {
    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    /// Moves the clock on and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        self.ticks.fetch_add(millis(by), Ordering::SeqCst);
        self.now.fetch_add(millis(by), Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Sets what the clock shows, back or forward, while no time passes: what an administrator, or a server of the time, does.
    pub fn set(&self, to: Timestamp) {
        self.now.store(to.0, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Timestamp};
    use std::time::Duration;

    #[test]
    fn the_coarse_clock_is_never_ahead_and_at_most_a_tick_behind() {
        let clock = Clock::system();
        for _ in 0..1_000 {
            let before = clock.now();
            let coarse = clock.now_coarse();
            let after = clock.now();
            assert!(coarse <= after, "{coarse:?} {after:?}");
            assert!(
                before.since(coarse) <= Duration::from_millis(20),
                "{before:?} {coarse:?}"
            );
        }
    }

    #[test]
    fn a_manual_clock_shows_the_same_to_everybody() {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(5));
        hand.advance(Duration::from_millis(2));
        assert_eq!(clock.now_coarse(), Timestamp::from_millis(7));
        assert_eq!(clock.now(), clock.now_coarse());
    }

    #[test]
    fn time_goes_on_as_before_when_a_manual_clock_is_set() {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(5_000));
        let began = clock.ticks();
        hand.set(Timestamp::from_millis(1_000));
        assert_eq!((clock.now().as_millis(), clock.ticks() - began), (1_000, 0));
        hand.advance(Duration::from_millis(20));
        assert_eq!((clock.now().as_millis(), clock.ticks() - began), (1_020, 20));
    }
}
