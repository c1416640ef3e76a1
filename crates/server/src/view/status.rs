//! The whole system at a glance: what `GET /api/v1/status` answers and the overview shows.

use std::time::Duration;

use oxherd::{Health, Persistence, Timestamp};
use serde::Serialize;

use super::cache::CacheStatus;
use super::queue::QueueStatus;
use super::whole_ms;
use super::workers::WorkerStatus;

/// Everything at a glance.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Oxherd's version.
    pub version: &'static str,
    /// How long the server has run; `null` when a program looks that is no server.
    pub uptime_ms: Option<u64>,
    /// Whether the store answers.
    pub store: StoreStatus,
    /// The cache.
    pub cache: CacheStatus,
    /// All queues by name.
    pub queues: Vec<QueueStatus>,
    /// Scheduled jobs.
    pub scheduler: SchedulerStatus,
    /// The workers of this process.
    pub workers: Vec<WorkerStatus>,
}

/// Whether the store answers, and what it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreStatus {
    /// Whether it answered just now.
    pub connected: bool,
    /// Its URL without secrets.
    pub url: String,
    /// The first part of every key.
    pub prefix: String,
    /// `redis`, `valkey`, `dragonfly`, or `oxherd-engine` for a store in this process.
    pub product: String,
    /// The version as the server writes it.
    pub version: String,
    /// What the server does when its memory is full; anything but `noeviction` loses jobs. Empty when it did not say.
    pub eviction_policy: String,
    /// How long a round trip took.
    pub round_trip_ms: Option<f64>,
    /// For how long requests have failed.
    pub trouble_for_ms: Option<u64>,
    /// What the last failure said.
    pub problem: Option<String>,
    /// Why a store that answers refuses all writes: its journal or snapshot failed; `null` when it takes them.
    pub writes_refused: Option<String>,
    /// How it keeps its data on disk, where it does and says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<PersistenceStatus>,
    /// Bytes of all keys and values of a store in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<usize>,
    /// Bytes beyond which such a store refuses what would add to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory_bytes: Option<usize>,
}

/// How a store keeps its data on disk: a directory, or a Redis with an append-only file.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistenceStatus {
    /// `always`, `everysec` or `never`; `null` for a Redis.
    pub fsync: Option<String>,
    /// Bytes of the log, which the next start reads.
    pub log_bytes: Option<u64>,
    /// Bytes of the image that the log goes on from.
    pub image_bytes: Option<u64>,
    /// Whether an image is being taken.
    pub taking_image: bool,
    /// Whether the last image could not be written, so that the log goes on growing.
    pub image_failed: bool,
    /// What half of all syncs did not exceed.
    pub sync_p50_ms: Option<f64>,
    /// What 99 of 100 syncs did not exceed.
    pub sync_p99_ms: Option<f64>,
}

impl From<Persistence> for PersistenceStatus {
    fn from(said: Persistence) -> Self {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        Self {
            fsync: said.fsync,
            log_bytes: said.log_bytes,
            image_bytes: said.image_bytes,
            taking_image: said.is_taking_image,
            image_failed: said.has_image_failed,
            sync_p50_ms: said.sync_p50.map(milliseconds),
            sync_p99_ms: said.sync_p99.map(milliseconds),
        }
    }
}

impl StoreStatus {
    pub(super) fn new(health: Health, prefix: &str) -> Self {
        Self {
            connected: health.round_trip.is_some(),
            url: health.store,
            prefix: prefix.to_owned(),
            product: health.server.product,
            version: health.server.version,
            eviction_policy: health.server.eviction_policy,
            round_trip_ms: health.round_trip.map(|took| took.as_secs_f64() * 1000.0),
            trouble_for_ms: health.trouble_for.map(whole_ms),
            problem: health.problem,
            writes_refused: health.writes_refused,
            persistence: health.persistence.map(Into::into),
            memory_bytes: health.memory.map(|memory| memory.used),
            max_memory_bytes: health.memory.and_then(|memory| memory.limit),
        }
    }
}

/// Job schedulers, as BullMQ programs registered them; this version registers and continues none itself.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SchedulerStatus {
    /// How many schedules there are; `null` when that is not known.
    pub registered_jobs: Option<u64>,
    /// When the next one is due, ms since 1970; `null` when none is or that is not known.
    pub next_run: Option<Timestamp>,
}

impl SchedulerStatus {
    /// Over all queues; unknown as long as one of them could not be read.
    pub(super) fn of(queues: &[QueueStatus]) -> Self {
        let counts: Option<Vec<_>> = queues.iter().map(|queue| queue.counts.as_ref()).collect();
        let Some(counts) = counts else {
            return Self::default();
        };
        Self {
            registered_jobs: Some(counts.iter().map(|counts| counts.schedulers).sum()),
            next_run: counts.iter().filter_map(|counts| counts.next_scheduled).min(),
        }
    }
}
