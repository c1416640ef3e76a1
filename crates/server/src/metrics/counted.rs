//! What happened in this process, counted as it happens.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oxherd::{Queue, WorkerEvent};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{MOST_QUEUES, PREFIX, QueueLabel};

/// Where queues are counted that come after the first [`MOST_QUEUES`].
const OTHER: &str = "_other";
/// Seconds a job may wait: from at once to an hour.
const WAITS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0, 900.0, 3600.0,
];
/// Seconds a handler may run: from a millisecond to half an hour.
const RUNS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

type Counters = Family<QueueLabel, Counter>;
type Histograms = Family<QueueLabel, Histogram, fn() -> Histogram>;

/// Counts what happens. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    known: Mutex<BTreeSet<String>>,
    added: Counters,
    completed: Counters,
    failed: Counters,
    retried: Counters,
    stalled: Counters,
    waits: Histograms,
    runs: Histograms,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut counters = |name: &str, help: &str| {
            let family = Counters::default();
            registry.register(name, help, family.clone());
            family
        };
        let added = counters("jobs_added", "Jobs added through this process");
        let completed = counters("jobs_completed", "Jobs that workers of this process completed");
        let failed = counters(
            "jobs_failed",
            "Jobs that failed for good in workers of this process",
        );
        let retried = counters(
            "jobs_retried",
            "Failed attempts of workers of this process that will be tried again",
        );
        let stalled = counters(
            "jobs_stalled",
            "Jobs that workers of this process found abandoned and put back in line",
        );
        let mut histograms = |name: &str, help: &str, new: fn() -> Histogram| {
            let family = Histograms::new_with_constructor(new);
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            family
        };
        let waits = histograms(
            "job_wait",
            "How long jobs were in line before their first attempt",
            || Histogram::new(WAITS),
        );
        let runs = histograms("job_run", "How long attempts ran", || Histogram::new(RUNS));
        let inner = Inner {
            registry,
            known: Mutex::default(),
            added,
            completed,
            failed,
            retried,
            stalled,
            waits,
            runs,
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Metrics {
    /// Counts jobs added to a queue through this process.
    pub fn added(&self, queue: &Queue, jobs: u64) {
        if jobs > 0 {
            self.inner
                .added
                .get_or_create(&self.label(queue.name().as_str()))
                .inc_by(jobs);
        }
    }

    /// Counts what a worker of this process says.
    pub fn heard(&self, queue: &str, event: &WorkerEvent) {
        let (waited, ran, ended) = match event {
            WorkerEvent::Completed { waited, ran, .. } => (waited, ran, &self.inner.completed),
            WorkerEvent::Failed {
                waited,
                ran,
                is_final: true,
                ..
            } => (waited, ran, &self.inner.failed),
            WorkerEvent::Failed { waited, ran, .. } => (waited, ran, &self.inner.retried),
            WorkerEvent::Stalled { .. } => {
                self.inner.stalled.get_or_create(&self.label(queue)).inc();
                return;
            }
            _ => return,
        };
        let label = self.label(queue);
        ended.get_or_create(&label).inc();
        self.inner.runs.get_or_create(&label).observe(ran.as_secs_f64());
        if let Some(waited) = waited.as_ref().map(Duration::as_secs_f64) {
            self.inner.waits.get_or_create(&label).observe(waited);
        }
    }

    pub(super) fn encode(&self, text: &mut String) -> fmt::Result {
        encode_registry(text, &self.inner.registry)
    }

    /// Queue names come from requests, so the number of series must have an end.
    fn label(&self, queue: &str) -> QueueLabel {
        let mut known = self.inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = if known.contains(queue) {
            queue
        } else if known.len() < MOST_QUEUES {
            known.insert(queue.to_owned());
            queue
        } else {
            OTHER
        };
        QueueLabel {
            queue: queue.to_owned(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}
