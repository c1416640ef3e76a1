//! What is, read from one status at the moment of asking.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use oxherd::JobState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{MOST_QUEUES, PREFIX, QueueLabel};
use crate::view::{PersistenceStatus, Status};

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    queue: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuantileLabel {
    quantile: &'static str,
}

/// All of it, in a registry that lives for one answer.
pub(super) fn registry(status: &Status) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    queues(&mut registry, status);
    workers(&mut registry, status);
    super::cache::register(&mut registry, &status.cache);

    let up = Gauge::<i64>::default();
    up.set(i64::from(status.store.connected));
    registry.register("store_up", "Whether the store answered just now", up);
    if let Some(took) = status.store.round_trip_ms {
        let round_trip = Seconds::default();
        round_trip.set(took / 1000.0);
        let help = "How long a round trip to the store took just now";
        registry.register_with_unit("store_roundtrip", help, Unit::Seconds, round_trip);
    }
    let refuses = Gauge::<i64>::default();
    refuses.set(i64::from(status.store.writes_refused.is_some()));
    registry.register(
        "store_writes_refused",
        "Whether the store refuses all writes, for its disk failed",
        refuses,
    );
    if let Some(persistence) = &status.store.persistence {
        disk(&mut registry, persistence);
    }
    let memory = [
        (
            "store_memory",
            "Bytes of all keys and values of a store in this process",
            status.store.memory_bytes,
        ),
        (
            "store_max_memory",
            "Bytes beyond which such a store refuses more",
            status.store.max_memory_bytes,
        ),
    ];
    for (name, help, bytes) in memory {
        if let Some(bytes) = bytes {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
    let build = Info::new(vec![("version", status.version)]);
    registry.register("build", "What is running", build);
    registry
}

/// What the store says of its disk.
fn disk(registry: &mut Registry, persistence: &PersistenceStatus) {
    let sizes = [
        (
            "store_log",
            "Bytes of the store's log, which its next start reads",
            persistence.log_bytes,
        ),
        (
            "store_image",
            "Bytes of the image that the log goes on from",
            persistence.image_bytes,
        ),
    ];
    for (name, help, bytes) in sizes {
        if let Some(bytes) = bytes {
            let gauge = Gauge::<i64>::default();
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
    let has_failed = Gauge::<i64>::default();
    has_failed.set(i64::from(persistence.image_failed));
    registry.register(
        "store_image_failed",
        "Whether the last image could not be written, so that the log goes on growing",
        has_failed,
    );
    let syncs = Family::<QuantileLabel, Seconds>::default();
    let known = [
        ("0.5", persistence.sync_p50_ms),
        ("0.99", persistence.sync_p99_ms),
    ];
    for (quantile, milliseconds) in known {
        if let Some(milliseconds) = milliseconds {
            syncs
                .get_or_create(&QuantileLabel { quantile })
                .set(milliseconds / 1000.0);
        }
    }
    let help = "How long syncs of the store's log took since its start";
    registry.register_with_unit("store_sync", help, Unit::Seconds, syncs);
}

fn queues(registry: &mut Registry, status: &Status) {
    let jobs = Family::<StateLabel, Gauge>::default();
    let ages = Family::<QueueLabel, Seconds>::default();
    let paused = Family::<QueueLabel, Gauge>::default();
    for queue in status.queues.iter().take(MOST_QUEUES) {
        let Some(counts) = &queue.counts else { continue };
        let name = queue.name.as_str();
        for state in JobState::LISTED {
            let label = StateLabel {
                queue: name.to_owned(),
                state: state.as_str(),
            };
            let count = counts.of(state).unwrap_or_default();
            jobs.get_or_create(&label)
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let label = QueueLabel {
            queue: name.to_owned(),
        };
        paused.get_or_create(&label).set(i64::from(counts.paused));
        #[expect(
            clippy::cast_precision_loss,
            reason = "an age in milliseconds is far below 2^53"
        )]
        let age = counts.oldest_waiting_age_ms.unwrap_or_default() as f64 / 1000.0;
        ages.get_or_create(&label).set(age);
    }
    let left_out = Gauge::<i64>::default();
    let rest = status.queues.len().saturating_sub(MOST_QUEUES);
    left_out.set(i64::try_from(rest).unwrap_or(i64::MAX));
    registry.register("queue_jobs", "Jobs in each state", jobs);
    registry.register_with_unit(
        "queue_oldest_waiting_age",
        "How long ago the oldest job in line was created; 0 when none waits",
        Unit::Seconds,
        ages,
    );
    registry.register("queue_paused", "Whether workers leave the queue alone", paused);
    registry.register(
        "queues_left_out",
        "Queues without series of their own, for there are too many",
        left_out,
    );
}

fn workers(registry: &mut Registry, status: &Status) {
    let mut totals = BTreeMap::<&str, (usize, usize)>::new();
    for worker in &status.workers {
        let total = totals.entry(worker.queue.as_str()).or_default();
        total.0 += worker.concurrency;
        total.1 += worker.running;
    }
    let concurrency = Family::<QueueLabel, Gauge>::default();
    let busy = Family::<QueueLabel, Gauge>::default();
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    for (queue, (allowed, running)) in totals {
        let label = QueueLabel {
            queue: queue.to_owned(),
        };
        concurrency.get_or_create(&label).set(whole(allowed));
        busy.get_or_create(&label).set(whole(running));
    }
    registry.register(
        "worker_concurrency",
        "Jobs that workers of this process may run at once",
        concurrency,
    );
    registry.register("worker_busy", "Jobs that workers of this process run now", busy);
}
