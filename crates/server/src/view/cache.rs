//! The caches on the store: namespaces, what all processes counted in them, single entries.
//!
//! Numbers come from what each process reports of itself every few seconds. Counts are totals of all processes that ever were, and never
//! fall; times, and what processes hold, are of those that reported within the last minute, and rates are of that minute. Values
//! are masked and cut like payloads of jobs.

use std::time::Duration;

use oxherd::cache::{
    BigKey, BigKeys, Counts, Entry, Fleet, Latency, LocalStats, NamespaceStats, ProcessReport, Tier, TopKey,
    TopKeys,
};
use oxherd::{ServerVersion, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::limits::Limits;
use super::masking::Masking;
use super::shown::Shown;

/// Share of all reads of a namespace from which on a key is called hot.
const HOT: f64 = 0.2;
/// Bytes from which on a value is called big, where the namespace's settings do not say.
const BIG: u64 = 256 * 1024;
/// Keys that a warning names.
const NAMED: usize = 3;

/// What is known of the cache, in few numbers: those of all namespaces and processes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheStatus {
    /// Whether a process that has a cache reported within the last minute, and hears of changes as far as it need.
    pub connected: bool,
    /// Reads that found something, of all processes that ever were.
    pub hits: u64,
    /// Of these, so many found it in their own process.
    pub hits_local: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Hits among the reads of the last minute, from 0 to 1; among all reads when there were none; `null` before the
    /// first.
    pub hit_rate: Option<f64>,
    /// Reads a second, in the last minute.
    pub reads_per_second: f64,
    /// What a miss costs on average, in milliseconds, since the processes started.
    pub miss_penalty_ms: Option<f64>,
    /// Values served past their TTL.
    pub stale_served: u64,
    /// Bytes that processes hold.
    pub local_bytes: u64,
    /// Entries that had to leave the processes for want of room.
    pub evictions: u64,
    /// Processes with a cache.
    pub processes: usize,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// Each namespace, for those who want more.
    #[serde(skip)]
    pub namespaces: Vec<CacheNamespace>,
}

/// All of it: what `GET /api/v1/cache` answers.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheOverview {
    /// All namespaces in one.
    #[serde(flatten)]
    pub status: CacheStatus,
    /// The namespaces by name.
    pub namespaces: Vec<CacheNamespace>,
    /// What the processes hold.
    pub local: LocalStats,
    /// The processes, the one that reported longest ago first.
    pub reports: Vec<CacheProcess>,
}

/// A process that has a cache.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheProcess {
    /// Its name, which nobody else has.
    pub process: String,
    /// Its machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When it reported.
    pub at: Timestamp,
    /// How it hears of changes: `tracking`, `announced`, `lost`, `unused` before its first read, or `none` when it need not.
    pub channel: String,
    /// Whether it asks the store: `closed` when it does.
    pub breaker: String,
}

/// How long something took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheLatency {
    /// How many were counted.
    pub count: u64,
    /// The mean.
    pub mean_ms: Option<f64>,
    /// What half did not exceed.
    pub p50_ms: Option<f64>,
    /// What 95 of 100 did not exceed.
    pub p95_ms: Option<f64>,
    /// What 99 of 100 did not exceed.
    pub p99_ms: Option<f64>,
}

impl From<&Latency> for CacheLatency {
    fn from(latency: &Latency) -> Self {
        let quantile = |share| latency.quantile(share).map(milliseconds);
        Self {
            count: latency.count,
            mean_ms: latency.mean().map(milliseconds),
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
        }
    }
}

/// One namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheNamespace {
    /// `name@version`.
    pub name: String,
    /// Its settings, as the process that opened it last has them.
    pub settings: Value,
    /// Reads that found something, of all processes that ever were.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// As [`CacheStatus::hit_rate`].
    pub hit_rate: Option<f64>,
    /// Reads a second, in the last minute.
    pub reads_per_second: f64,
    /// What a miss costs on average, in milliseconds.
    pub miss_penalty_ms: Option<f64>,
    /// The share of hits that differed from the source, of those that were compared, from 0 to 1.
    pub stale_rate: Option<f64>,
    /// Everything that is counted, of all processes that ever were.
    pub counts: Counts,
    /// Look-ups in either tier; one local hit in 64 is timed and stands for all.
    pub get: CacheLatency,
    /// Hits in the process, of which one in 64 is timed.
    pub get_local: CacheLatency,
    /// Look-ups that asked the store.
    pub get_shared: CacheLatency,
    /// Loads.
    pub load: CacheLatency,
    /// Waiting for somebody else's load.
    pub wait: CacheLatency,
    /// What the processes hold.
    pub local: LocalStats,
    /// What an operator should know.
    pub warnings: Vec<String>,
}

/// The keys that matter in a namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheTop {
    /// `name@version`.
    pub namespace: String,
    /// The time the reads were counted in, in milliseconds: the last one to two minutes.
    pub millis: u64,
    /// Reads of all keys in it, as estimated.
    pub reads: u64,
    /// The keys that are read most, most read first.
    pub keys: Vec<CacheTopKey>,
    /// The largest values that were written.
    pub big: Vec<BigKey>,
    /// The largest entries there are, if the store was looked through.
    pub sample: Option<BigKeys>,
}

/// A key that is read much. Reads are estimates from a sample.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheTopKey {
    /// The tenant; empty when there is none.
    pub tenant: String,
    /// The key as text.
    pub key: String,
    /// Reads.
    pub reads: u64,
    /// So many of `reads` may have been of other keys.
    pub error: u64,
    /// Reads a second.
    pub per_second: f64,
    /// The least share of all reads that it can have had, from 0 to 1.
    pub share: f64,
    /// Of `reads`, those that found nothing.
    pub misses: u64,
    /// Bytes of its entry when last seen; 0 while unknown.
    pub bytes: u64,
    /// Where it was last answered from.
    pub tier: Option<Tier>,
    /// Whether it has a fifth of all reads or more. Where it asks the store that is warned of.
    pub hot: bool,
}

/// One entry as it may be shown.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheEntry {
    /// What it says about itself, and what a reader would make of it.
    #[serde(flatten)]
    pub entry: Entry,
    /// The value, masked and cut; `null` when it cannot be shown.
    pub value: Option<Shown>,
}

impl CacheEntry {
    pub(super) fn new(mut entry: Entry, masking: &Masking) -> Self {
        let value = entry.value.take();
        Self {
            value: value.map(|json| Shown::new(&json, masking, Limits::DETAIL.json_bytes)),
            entry,
        }
    }
}

impl CacheOverview {
    pub(super) fn new(fleet: &Fleet, server: &ServerVersion) -> Self {
        let stats = fleet.stats();
        let namespaces: Vec<CacheNamespace> = stats
            .namespaces
            .iter()
            .map(|(name, stats)| {
                let settings = fleet.namespaces.get(name).cloned().unwrap_or_default();
                let totals = fleet.totals.get(name).cloned().unwrap_or_default();
                CacheNamespace::new(name, settings, totals, stats)
            })
            .collect();
        let (living, last_minute) = stats.total();
        let mut counts = Counts::default();
        fleet.totals.values().for_each(|totals| counts.merge(totals));
        let mut warnings = warnings_of_processes(&fleet.processes);
        warnings.extend(eviction(server).filter(|_| !namespaces.is_empty()));
        for namespace in &namespaces {
            let named = |warning: &String| format!("{}: {warning}", namespace.name);
            warnings.extend(namespace.warnings.iter().map(named));
        }
        let status = CacheStatus {
            connected: fleet.processes.iter().any(|process| process.channel != "lost"),
            hits: counts.hits(),
            hits_local: counts.hits_local,
            misses: counts.misses,
            hit_rate: last_minute.hit_rate().or_else(|| counts.hit_rate()),
            reads_per_second: last_minute.reads_per_second(),
            miss_penalty_ms: living.miss_penalty().map(milliseconds),
            stale_served: counts.stale_served(),
            local_bytes: stats.local.bytes,
            evictions: fleet.evictions,
            processes: fleet.processes.len(),
            warnings,
            namespaces: Vec::new(),
        };
        Self {
            status,
            namespaces,
            local: stats.local,
            reports: fleet.processes.iter().map(CacheProcess::of).collect(),
        }
    }

    /// As a part of the status.
    pub(super) fn into_status(self) -> CacheStatus {
        CacheStatus {
            namespaces: self.namespaces,
            ..self.status
        }
    }
}

impl CacheProcess {
    fn of(report: &ProcessReport) -> Self {
        Self {
            process: report.process.clone(),
            host: report.host.clone(),
            pid: report.pid,
            at: report.at,
            channel: report.channel.clone(),
            breaker: report.breaker.clone(),
        }
    }
}

impl CacheNamespace {
    fn new(name: &str, settings: Value, counts: Counts, stats: &NamespaceStats) -> Self {
        let (living, last_minute) = (&stats.counts, &stats.last_minute);
        Self {
            name: name.to_owned(),
            hits: counts.hits(),
            misses: counts.misses,
            hit_rate: last_minute.hit_rate().or_else(|| counts.hit_rate()),
            reads_per_second: last_minute.reads_per_second(),
            miss_penalty_ms: living.miss_penalty().map(milliseconds),
            stale_rate: living.stale_rate(),
            counts,
            get: (&stats.latency.gets()).into(),
            get_local: (&stats.latency.local_gets).into(),
            get_shared: (&stats.latency.shared_gets).into(),
            load: (&stats.latency.loads).into(),
            wait: (&stats.latency.waits).into(),
            local: stats.local,
            warnings: warnings(&settings, stats),
            settings,
        }
    }
}

impl CacheTop {
    pub(super) fn new(
        namespace: &str,
        stats: &NamespaceStats,
        sample: Option<BigKeys>,
        limit: usize,
    ) -> Self {
        let top = &stats.top;
        let hot = hot(top);
        let keys = top.keys.iter().take(limit).map(|key| CacheTopKey {
            tenant: key.tenant.clone(),
            key: key.key.clone(),
            reads: key.reads,
            error: key.error,
            per_second: top.per_second(key),
            share: top.share(key),
            misses: key.misses,
            bytes: key.bytes,
            tier: key.tier,
            hot: hot.contains(&(&key.tenant, &key.key)),
        });
        Self {
            namespace: namespace.to_owned(),
            millis: top.millis,
            reads: top.reads,
            keys: keys.collect(),
            big: stats.big.clone(),
            sample,
        }
    }
}

fn hot(top: &TopKeys) -> Vec<(&String, &String)> {
    top.hot(HOT).map(|key| (&key.tenant, &key.key)).collect()
}

fn warnings(settings: &Value, stats: &NamespaceStats) -> Vec<String> {
    let mut warnings = Vec::new();
    // What a process answers by itself is a burden to nobody.
    let asks_the_store = |key: &&TopKey| key.tier != Some(Tier::Local);
    for key in stats.top.hot(HOT).filter(asks_the_store).take(NAMED) {
        let percent = stats.top.share(key) * 100.0;
        warnings.push(format!(
            "key {:?} has {percent:.0} % of all reads, and asks the store; keep it in the processes, and for long",
            full(&key.tenant, &key.key)
        ));
    }
    let big = settings.get("bigValue").and_then(Value::as_u64).unwrap_or(BIG);
    for key in stats.big.iter().filter(|key| key.bytes > big).take(NAMED) {
        warnings.push(format!(
            "key {:?} has {} bytes; large values hold up everybody: cache less of it",
            full(&key.tenant, &key.key),
            key.bytes
        ));
    }
    let counts = &stats.counts;
    if counts.foreign_entries + counts.garbage_entries > 0 {
        warnings.push(format!(
            "{} entries could not be read: another program uses the prefix, or processes have different versions or keys",
            counts.foreign_entries + counts.garbage_entries
        ));
    }
    if counts.verified_stale > 0 {
        warnings.push(format!(
            "{} of {} hits that were compared differed from the source",
            counts.verified_stale, counts.verified
        ));
    }
    warnings
}

fn warnings_of_processes(processes: &[ProcessReport]) -> Vec<String> {
    let mut warnings = Vec::new();
    for process in processes {
        let name = format!("process {} on {}", process.pid, process.host);
        if process.channel == "lost" {
            warnings.push(format!("{name} hears of no changes: it trusts nothing it holds"));
        }
        if matches!(process.breaker.as_str(), "open" | "forced_open") {
            warnings.push(format!("{name} leaves the store alone, for it failed too often"));
        }
    }
    warnings
}

/// Entries and jobs often share a server, and have opposite wishes.
fn eviction(server: &ServerVersion) -> Option<String> {
    let policy = server.eviction_policy.as_str();
    (!matches!(policy, "" | "noeviction")).then(|| {
        format!("maxmemory-policy is {policy}: full memory costs the cache misses only, but jobs on the same server would be lost")
    })
}

fn full(tenant: &str, key: &str) -> String {
    if tenant.is_empty() {
        key.to_owned()
    } else {
        format!("{tenant}:{key}")
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
