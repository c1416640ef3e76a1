//! What a namespace tells of: one method for each thing that happens in it.
//!
//! The cheap path is a local hit: [`Recorder::sample`] (a draw in a thread-local), then [`Recorder::local_hit`] (one
//! relaxed addition in the thread's stripe). Only when the draw says so the caller looks at the time and tells key, bytes and
//! duration besides, with [`Recorder::local_hit_in_detail`]. Keys are told as `TENANT:KEY:`.
//! Next: `snapshot.rs` (what comes out).

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use super::big::Big;
use super::counts::{Count, Counts};
use super::histogram::Histogram;
use super::snapshot::{LastMinute, Latencies, LocalStats, NamespaceStats};
use super::stripes::{SAMPLED, Striped, sample};
use super::top::{Seen, Top};
use super::{FillRefusal, LoadEnd, LoadReason, StaleReason, Tier};
use crate::clock::{Clock, Timestamp};

/// How far back the last minute goes.
const MINUTE: Duration = Duration::from_secs(60);
/// Readings are kept at this distance; those who look more often share one.
const BETWEEN: Duration = Duration::from_secs(4);

/// Counts what happens in one namespace of one process.
#[derive(Debug)]
pub(crate) struct Recorder {
    clock: Clock,
    counts: Striped<{ Count::ALL }>,
    local_gets: Histogram,
    shared_gets: Histogram,
    loads: Histogram,
    waits: Histogram,
    top: Top,
    big: Big,
    readings: Mutex<VecDeque<Reading>>,
}

/// The totals at a moment: the last minute is the difference of two.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Timestamp,
    hits: u64,
    misses: u64,
    loads: u64,
}

impl Recorder {
    pub(crate) fn new(clock: Clock) -> Self {
        let first = Reading {
            at: clock.now(),
            ..Reading::default()
        };
        Self {
            top: Top::new(clock.clone()),
            clock,
            counts: Striped::new(),
            local_gets: Histogram::default(),
            shared_gets: Histogram::default(),
            loads: Histogram::default(),
            waits: Histogram::default(),
            big: Big::default(),
            readings: Mutex::new(VecDeque::from([first])),
        }
    }

    #[inline]
    fn count(&self, what: Count) {
        self.counts.add(what as usize, 1);
    }

    /// Whether this read is one that is looked at closely: true once in 64 calls, by chance.
    #[inline]
    #[expect(clippy::unused_self, reason = "who samples how is the recorder's business")]
    pub(crate) fn sample(&self) -> bool {
        sample()
    }

    /// A read was answered from this process.
    #[inline]
    pub(crate) fn local_hit(&self) {
        self.count(Count::HitLocal);
    }

    /// Such a read again, when [`Recorder::sample`] had said so before it.
    pub(crate) fn local_hit_in_detail(&self, key: &str, bytes: usize, took: Duration) {
        self.local_gets.record(took);
        self.saw(key, SAMPLED, Some(Tier::Local), bytes);
    }

    /// A read was answered from the store.
    pub(crate) fn shared_hit(&self, key: &str, bytes: usize, took: Duration) {
        self.count(Count::HitShared);
        self.shared_gets.record(took);
        if sample() {
            self.saw(key, SAMPLED, Some(Tier::Shared), bytes);
        }
    }

    /// A read found nothing usable. `asked` is what asking the store took, where it was asked.
    pub(crate) fn missed(&self, key: &str, asked: Option<Duration>) {
        self.count(Count::Miss);
        if let Some(took) = asked {
            self.shared_gets.record(took);
        }
        self.saw(key, 1, None, 0);
    }

    fn saw(&self, key: &str, weight: u64, tier: Option<Tier>, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.top.saw(Seen {
            key: key.as_bytes(),
            weight,
            tier,
            bytes,
        });
    }

    /// A hit said that there is none; it is counted as a hit besides.
    #[inline]
    pub(crate) fn hit_was_absent(&self) {
        self.count(Count::HitAbsent);
    }

    /// A value past its TTL was served; the read is counted as hit or miss besides (see `counts.rs`).
    pub(crate) fn served_stale(&self, reason: StaleReason) {
        self.count(match reason {
            StaleReason::Revalidating => Count::StaleRevalidating,
            StaleReason::Error => Count::StaleOnError,
            StaleReason::Timeout => Count::StaleOnTimeout,
        });
    }

    /// A loader ended.
    pub(crate) fn load_ended(&self, reason: LoadReason, end: LoadEnd, took: Duration) {
        self.count(match end {
            LoadEnd::Ok => Count::LoadOk,
            LoadEnd::Failed => Count::LoadFailed,
            LoadEnd::TimedOut => Count::LoadTimedOut,
        });
        self.loads.record(took);
        if reason == LoadReason::Miss {
            let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.count(Count::MissLoad);
            self.counts.add(Count::MissLoadMicros as usize, micros);
        }
    }

    /// A reader waited for a load of its own process.
    pub(crate) fn waited_here(&self, took: Duration) {
        self.count(Count::WaitHere);
        self.waits.record(took);
    }

    /// A load waited for another process's.
    pub(crate) fn waited_elsewhere(&self, took: Duration) {
        self.count(Count::WaitElsewhere);
        self.waits.record(took);
    }

    /// The store took a value, be it by a fill or a write.
    pub(crate) fn fill_taken(&self, key: &str, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.count(Count::FillTaken);
        self.counts.add(Count::BytesWritten as usize, bytes);
        self.big.wrote(key.as_bytes(), bytes);
    }

    /// The store refused a value, or it was not offered.
    pub(crate) fn fill_refused(&self, reason: FillRefusal) {
        self.count(match reason {
            FillRefusal::Voided => Count::FillVoided,
            FillRefusal::Cleared => Count::FillCleared,
            FillRefusal::Fenced => Count::FillFenced,
            FillRefusal::Tagged => Count::FillTagged,
            FillRefusal::Marked => Count::FillMarked,
            FillRefusal::TooLarge => Count::FillTooLarge,
        });
    }

    /// Keys were invalidated.
    pub(crate) fn invalidated_keys(&self, count: u64) {
        self.counts.add(Count::InvalidatedKey as usize, count);
    }

    /// Tags were invalidated.
    pub(crate) fn invalidated_tags(&self, count: u64) {
        self.counts.add(Count::InvalidatedTag as usize, count);
    }

    /// A tenant was cleared.
    pub(crate) fn invalidated_tenant(&self) {
        self.count(Count::InvalidatedTenant);
    }

    /// The namespace was cleared.
    pub(crate) fn invalidated_namespace(&self) {
        self.count(Count::InvalidatedNamespace);
    }

    /// Keys were removed by pattern.
    pub(crate) fn invalidated_by_pattern(&self, count: u64) {
        self.counts.add(Count::InvalidatedPattern as usize, count);
    }

    /// An entry is another program's, or of a newer format.
    pub(crate) fn found_foreign(&self) {
        self.count(Count::Foreign);
    }

    /// An entry is damaged or cannot be decoded.
    pub(crate) fn found_garbage(&self) {
        self.count(Count::Garbage);
    }

    /// A call of the store failed.
    pub(crate) fn store_failed(&self) {
        self.count(Count::StoreError);
    }

    /// A call was not made, for the store's breaker was open.
    pub(crate) fn skipped_by_breaker(&self) {
        self.count(Count::SkippedByBreaker);
    }

    /// So many bytes of envelopes came from the store.
    pub(crate) fn read_bytes(&self, bytes: usize) {
        self.counts.add(
            Count::BytesRead as usize,
            u64::try_from(bytes).unwrap_or(u64::MAX),
        );
    }

    /// The sampler compared a hit with the source.
    pub(crate) fn verified(&self, is_stale: bool) {
        self.count(Count::Verified);
        if is_stale {
            self.count(Count::VerifiedStale);
        }
    }

    /// What was counted so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts::of(self.counts.sums())
    }

    /// A picture of everything. What the tier in the process holds is known to that tier alone.
    pub(crate) fn snapshot(&self, local: LocalStats) -> NamespaceStats {
        let counts = self.counts();
        NamespaceStats {
            last_minute: self.last_minute(&counts),
            counts,
            latency: Latencies {
                local_gets: self.local_gets.snapshot(),
                shared_gets: self.shared_gets.snapshot(),
                loads: self.loads.snapshot(),
                waits: self.waits.snapshot(),
            },
            top: self.top.snapshot(),
            big: self.big.snapshot(),
            local,
        }
    }

    /// The difference to the oldest reading of the last minute. Who looks leaves a reading: when nobody did for longer than a
    /// minute, the newest one there is serves, and the time told is that much longer.
    fn last_minute(&self, counts: &Counts) -> LastMinute {
        let reading = Reading {
            at: self.clock.now(),
            hits: counts.hits(),
            misses: counts.misses,
            loads: counts
                .loads_ok
                .saturating_add(counts.loads_failed)
                .saturating_add(counts.loads_timed_out),
        };
        let mut readings = self.readings.lock();
        while readings.len() > 1
            && readings
                .front()
                .is_some_and(|oldest| reading.at.since(oldest.at) > MINUTE)
        {
            readings.pop_front();
        }
        let oldest = readings.front().copied().unwrap_or_default();
        if readings
            .back()
            .is_none_or(|newest| reading.at.since(newest.at) >= BETWEEN)
        {
            readings.push_back(reading);
        }
        LastMinute {
            millis: crate::clock::millis(reading.at.since(oldest.at)),
            hits: reading.hits.saturating_sub(oldest.hits),
            misses: reading.misses.saturating_sub(oldest.misses),
            loads: reading.loads.saturating_sub(oldest.loads),
        }
    }
}
