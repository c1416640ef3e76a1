//! Pictures of what was counted: they go over the wire, and those of several processes add up.
//!
//! Names in JSON are stable. A field that an older process does not write reads as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::big::{BigKey, largest};
use super::counts::{Counts, share};
use super::histogram::Latency;
use super::stripes::SAMPLED;
use super::top::TopKeys;

/// How long things took in a namespace. Only one local hit in 64 is timed, and each stands for 64 in
/// [`Latencies::gets`]; everything else is timed always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Latencies {
    /// Hits in this process, of which one in 64 is timed.
    pub local_gets: Latency,
    /// Look-ups that asked the store, whether they found something or not, without the load that followed.
    pub shared_gets: Latency,
    /// Loads, those of refreshes included.
    pub loads: Latency,
    /// Waiting for a load that somebody else had begun.
    pub waits: Latency,
}

impl Latencies {
    /// Look-ups in either tier.
    #[must_use]
    pub fn gets(&self) -> Latency {
        let mut gets = self.shared_gets.clone();
        gets.merge_times(&self.local_gets, SAMPLED);
        gets
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.local_gets.merge(&other.local_gets);
        self.shared_gets.merge(&other.shared_gets);
        self.loads.merge(&other.loads);
        self.waits.merge(&other.waits);
    }
}

/// What happened last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LastMinute {
    /// The time this is about, in milliseconds: a minute, or less in a young process; of several processes, the longest.
    pub millis: u64,
    /// Reads that were hits.
    pub hits: u64,
    /// Reads that were misses.
    pub misses: u64,
    /// Loads that ended, however.
    pub loads: u64,
}

impl LastMinute {
    /// The share of reads that were hits, 0 to 1; `None` when nothing was read.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        share(self.hits, self.hits.saturating_add(self.misses))
    }

    /// Reads a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    pub fn reads_per_second(&self) -> f64 {
        self.hits.saturating_add(self.misses) as f64 * 1000.0 / self.millis.max(1000) as f64
    }

    /// Adds what another counted in the same minute.
    pub fn merge(&mut self, other: &Self) {
        self.millis = self.millis.max(other.millis);
        self.hits = self.hits.saturating_add(other.hits);
        self.misses = self.misses.saturating_add(other.misses);
        self.loads = self.loads.saturating_add(other.loads);
    }
}

/// What one tier holds of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct LocalStats {
    /// Entries in this process.
    pub entries: u64,
    /// Bytes they are counted with.
    pub bytes: u64,
    /// Bytes there may be; 0 where it is the whole cache that has the limit.
    pub capacity_bytes: u64,
    /// Entries that had to leave for want of room, or never fitted; counted for the whole cache alone.
    pub evictions: u64,
}

impl LocalStats {
    /// What a tier in this process holds.
    #[must_use]
    pub const fn new(entries: u64, bytes: u64, capacity_bytes: u64) -> Self {
        Self {
            entries,
            bytes,
            capacity_bytes,
            evictions: 0,
        }
    }

    /// Adds another process's.
    pub const fn merge(&mut self, other: &Self) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.capacity_bytes = self.capacity_bytes.saturating_add(other.capacity_bytes);
        self.evictions = self.evictions.saturating_add(other.evictions);
    }
}

/// What happened in one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct NamespaceStats {
    /// How often each thing happened.
    pub counts: Counts,
    /// How long things took.
    pub latency: Latencies,
    /// What happened last.
    pub last_minute: LastMinute,
    /// The keys that are read most.
    pub top: TopKeys,
    /// The largest values that were written, largest first.
    pub big: Vec<BigKey>,
    /// What the tier in the process holds of the namespace.
    pub local: LocalStats,
}

impl NamespaceStats {
    /// Adds what another process counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.latency.merge(&other.latency);
        self.last_minute.merge(&other.last_minute);
        self.top.merge(&other.top);
        self.big.extend(other.big.iter().cloned());
        self.big = largest(std::mem::take(&mut self.big));
        self.local.merge(&other.local);
    }
}

/// What happened in a cache, by namespace (`name@version`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CacheStats {
    /// By namespace.
    pub namespaces: BTreeMap<String, NamespaceStats>,
    /// What the tier in the process holds of all of them.
    pub local: LocalStats,
}

impl CacheStats {
    /// Adds what another process counted.
    pub fn merge(&mut self, other: &Self) {
        for (name, stats) in &other.namespaces {
            self.namespaces.entry(name.clone()).or_default().merge(stats);
        }
        self.local.merge(&other.local);
    }

    /// All namespaces in one: their counts, and what happened last.
    #[must_use]
    pub fn total(&self) -> (Counts, LastMinute) {
        let (mut counts, mut last_minute) = (Counts::default(), LastMinute::default());
        for stats in self.namespaces.values() {
            counts.merge(&stats.counts);
            last_minute.merge(&stats.last_minute);
        }
        (counts, last_minute)
    }
}
