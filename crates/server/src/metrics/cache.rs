//! What the caches of all processes counted, read from one status at the moment of asking.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::MOST_QUEUES;
use crate::view::{CacheLatency, CacheStatus};

type Ratio = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceLabel {
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    namespace: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    namespace: String,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuantileLabel {
    namespace: String,
    quantile: &'static str,
}

/// All families of the cache.
pub(super) fn register(registry: &mut Registry, status: &CacheStatus) {
    let connected = Gauge::<i64>::default();
    connected.set(i64::from(status.connected));
    registry.register(
        "cache_connected",
        "Whether a process with a cache reported and hears of changes",
        connected,
    );
    let processes = Gauge::<i64>::default();
    processes.set(i64::try_from(status.processes).unwrap_or(i64::MAX));
    registry.register(
        "cache_processes",
        "Processes with a cache that reported within a minute",
        processes,
    );
    let evictions = Counter::<u64>::default();
    evictions.inc_by(status.evictions);
    registry.register(
        "cache_evictions",
        "Entries that had to leave the processes for want of room",
        evictions,
    );
    counts(registry, status);
    gauges(registry, status);
    latencies(registry, status);
}

fn counts(registry: &mut Registry, status: &CacheStatus) {
    let reads = Family::<ResultLabel, Counter>::default();
    let events = Family::<EventLabel, Counter>::default();
    for space in status.namespaces.iter().take(MOST_QUEUES) {
        let results = [
            ("hit_local", space.counts.hits_local),
            ("hit_shared", space.counts.hits_shared),
            ("miss", space.counts.misses),
        ];
        for (result, count) in results {
            let label = ResultLabel {
                namespace: space.name.clone(),
                result,
            };
            reads.get_or_create(&label).inc_by(count);
        }
        for (event, count) in space.counts.named() {
            if matches!(event, "hits_local" | "hits_shared" | "misses") {
                continue;
            }
            let label = EventLabel {
                namespace: space.name.clone(),
                event,
            };
            events.get_or_create(&label).inc_by(count);
        }
    }
    registry.register("cache_reads", "Reads of the cache, by where they ended", reads);
    registry.register(
        "cache_events",
        "Whatever else is counted: loads, fills (refused_too_large: whatever cannot be stored), invalidations, bytes, trouble",
        events,
    );
}

fn gauges(registry: &mut Registry, status: &CacheStatus) {
    let rates = Family::<NamespaceLabel, Ratio>::default();
    let entries = Family::<NamespaceLabel, Gauge>::default();
    let bytes = Family::<NamespaceLabel, Gauge>::default();
    for space in status.namespaces.iter().take(MOST_QUEUES) {
        let label = NamespaceLabel {
            namespace: space.name.clone(),
        };
        if let Some(rate) = space.hit_rate {
            rates.get_or_create(&label).set(rate);
        }
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        entries.get_or_create(&label).set(whole(space.local.entries));
        bytes.get_or_create(&label).set(whole(space.local.bytes));
    }
    registry.register(
        "cache_hit_ratio",
        "Hits among the reads of the last minute, 0 to 1",
        rates,
    );
    registry.register("cache_local_entries", "Entries that processes hold", entries);
    registry.register_with_unit("cache_local", "Bytes that processes hold", Unit::Bytes, bytes);
    let left_out = Gauge::<i64>::default();
    let rest = status.namespaces.len().saturating_sub(MOST_QUEUES);
    left_out.set(i64::try_from(rest).unwrap_or(i64::MAX));
    registry.register(
        "cache_namespaces_left_out",
        "Namespaces without series of their own, for there are too many",
        left_out,
    );
}

fn latencies(registry: &mut Registry, status: &CacheStatus) {
    let (gets, loads) = (Family::default(), Family::default());
    for space in status.namespaces.iter().take(MOST_QUEUES) {
        quantiles(&gets, &space.name, &space.get);
        quantiles(&loads, &space.name, &space.load);
    }
    registry.register_with_unit(
        "cache_get",
        "How long look-ups took since the processes started",
        Unit::Seconds,
        gets,
    );
    registry.register_with_unit(
        "cache_load",
        "How long loads took since the processes started",
        Unit::Seconds,
        loads,
    );
}

fn quantiles(family: &Family<QuantileLabel, Ratio>, namespace: &str, latency: &CacheLatency) {
    let known = [
        ("0.5", latency.p50_ms),
        ("0.95", latency.p95_ms),
        ("0.99", latency.p99_ms),
    ];
    for (quantile, milliseconds) in known {
        if let Some(milliseconds) = milliseconds {
            let label = QuantileLabel {
                namespace: namespace.to_owned(),
                quantile,
            };
            family.get_or_create(&label).set(milliseconds / 1000.0);
        }
    }
}
