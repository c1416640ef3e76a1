//! The cache in several processes on one store: herds, and reads judged while processes, store and network fail.
//!
//! `OXHERD_CACHE_CHAOS_SECONDS` sets how long coherence is watched in each test (default 20; the published run uses 600),
//! `OXHERD_CACHE_CHAOS_SEED` repeats the order of what goes wrong.
//! Next: `crew.rs` (the processes), `source.rs` (the rows that are cached), `stampede.rs`, `coherence.rs` (what goes wrong),
//! `judge.rs` (what may be answered).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod coherence;
mod crew;
mod judge;
mod source;
mod stampede;

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Now, by a clock that all processes share, in nanoseconds.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}
