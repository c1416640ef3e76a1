//! How a journal is doing, for whoever looks after it: INFO's section `persistence`, and [`Engine::journal`].
//!
//! The journal's thread counts as it goes; anybody may look at any time, without the engine's lock.
//! Next: `writer.rs` (who counts), `../commands/info.rs`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{Fsync, Link};
use crate::engine::Engine;

/// How the journal of an engine is doing; see [`Engine::journal`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStatus {
    /// When what was written is made durable.
    pub fsync: Fsync,
    /// Why nothing is written any more; `None` as long as all is well. It does not change any more before the engine is
    /// opened again.
    pub error: Option<String>,
    /// After a failure, what is kept is being read again; reads are answered with `LOADING` meanwhile.
    pub is_loading: bool,
    /// Bytes of the log since the image, all of which the next start reads.
    pub log_bytes: u64,
    /// Bytes of the image, 0 when there is none yet.
    pub image_bytes: u64,
    /// An image is being taken.
    pub is_taking_image: bool,
    /// The last image could not be written, or had no room; the log goes on growing until one can.
    pub has_image_failed: bool,
    /// Groups of changes written since the start.
    pub commits: u64,
    /// Bytes written to log and images since the start.
    pub bytes_written: u64,
    /// Bytes of changes since the start, each as it was at the end of its group; what is written beyond them are
    /// images and headers.
    pub bytes_changed: u64,
    /// Half of the syncs of the log were quicker than this, within a fifth; zero before the first.
    pub sync_p50: Duration,
    /// All but a hundredth of the syncs of the log were quicker than this, within a fifth; zero before the first.
    pub sync_p99: Duration,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(super) log_bytes: AtomicU64,
    pub(super) image_bytes: AtomicU64,
    pub(super) is_taking_image: AtomicBool,
    pub(super) has_image_failed: AtomicBool,
    pub(super) commits: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    pub(super) bytes_changed: AtomicU64,
    is_loading: AtomicBool,
    syncs: Times,
    error: OnceLock<String>,
}

impl Figures {
    /// The journal has failed. The first reason is the one that counts.
    pub(crate) fn fail(&self, reason: &str) {
        // The text stands in a line of INFO.
        let line = reason.replace(['\r', '\n'], " ");
        let _ = self.error.set(line);
    }

    pub(crate) fn set_loading(&self, is_loading: bool) {
        self.is_loading.store(is_loading, Ordering::Relaxed);
    }

    pub(super) fn note_sync(&self, time: Duration) {
        self.syncs.note(time);
    }
}

impl Link {
    /// How the journal is doing.
    pub(crate) fn status(&self) -> JournalStatus {
        let figures = &self.figures;
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JournalStatus {
            fsync: self.fsync,
            error: figures.error.get().cloned(),
            is_loading: figures.is_loading.load(Ordering::Relaxed),
            log_bytes: number(&figures.log_bytes),
            image_bytes: number(&figures.image_bytes),
            is_taking_image: figures.is_taking_image.load(Ordering::Relaxed),
            has_image_failed: figures.has_image_failed.load(Ordering::Relaxed),
            commits: number(&figures.commits),
            bytes_written: number(&figures.bytes_written),
            bytes_changed: number(&figures.bytes_changed),
            sync_p50: figures.syncs.quantile(50),
            sync_p99: figures.syncs.quantile(99),
        }
    }
}

impl Engine {
    /// How the journal is doing; `None` for an engine in memory. Does not wait for commands or scripts.
    pub fn journal(&self) -> Option<JournalStatus> {
        self.shared.link().map(Link::status)
    }
}

/// How long something took, each time: four steps to a doubling, from a microsecond on.
#[derive(Debug)]
struct Times {
    counts: [AtomicU64; STEPS],
}

/// Enough for an hour.
const STEPS: usize = 32 * 4;

impl Default for Times {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; STEPS],
        }
    }
}

impl Times {
    fn note(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let step = (0..STEPS).find(|step| micros <= longest(*step));
        if let Some(count) = self.counts.get(step.unwrap_or(STEPS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What so many in a hundred did not exceed.
    fn quantile(&self, percent: u64) -> Duration {
        let counts: Vec<u64> = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let all: u64 = counts.iter().sum();
        let wanted = (all * percent).div_ceil(100);
        let mut seen = 0;
        let step = counts.iter().position(|count| {
            seen += count;
            wanted > 0 && seen >= wanted
        });
        Duration::from_micros(step.map_or(0, longest))
    }
}

/// The longest time of a step, in microseconds.
fn longest(step: usize) -> u64 {
    let (doublings, quarters) = (step / 4, step % 4);
    let micros = 1_u64 << doublings;
    // The fourth roots of 2, in thousandths.
    let part = [1_000, 1_189, 1_414, 1_682]
        .get(quarters)
        .copied()
        .unwrap_or(1_000);
    (micros * part).div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_within_a_fifth() {
        let times = Times::default();
        assert_eq!(times.quantile(50), Duration::ZERO);
        for millis in 1..=100 {
            times.note(Duration::from_millis(millis));
        }
        for (percent, millis) in [(50, 50.0), (99, 99.0)] {
            let told = times.quantile(percent).as_secs_f64() * 1_000.0;
            assert!((millis..millis * 1.2).contains(&told), "{told} ms");
        }
        times.note(Duration::MAX);
        assert!(times.quantile(100) > Duration::from_secs(3_600));
    }
}
