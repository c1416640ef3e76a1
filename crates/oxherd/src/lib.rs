//! Background jobs, a cache, locks and breakers for backends, on Redis, Valkey, a directory, or memory.
//!
//! [`Oxherd`] opens a store. What stands on it can be used alone:
//!
//! | | |
//! |---|---|
//! | jobs | A [`Queue`] takes them; a [`Worker`] runs them. A Rust type is a job by implementing [`Job`]; jobs of programs in other languages are names and JSON. Programs in Node, Python, Elixir and PHP that use BullMQ 6 work on the same queues, and its dashboards show them |
//! | [`cache`] | Values read often, in the process and in the store: loaded once, whoever asks, and gone once invalidated |
//! | [`lock`] | One process at a time, with fencing numbers |
//! | [`breaker`] | Refuses calls to what fails; needs no store |
//!
//! Whatever asks a store is awaited inside a tokio runtime: a cached read that is polled without one panics, unless this process can answer it.
//!
//! # What is kept of jobs
//!
//! * An `add` that returned `Ok` is stored, as durably as the server's own settings make a write: with
//!   `appendonly yes` and `appendfsync always` it survives a power loss, with `everysec` a second may be missing.
//! * A job that a worker took is run at least once. It is run again when its worker dies (after its lock and one or two
//!   stall intervals), so handlers should be idempotent; [`JobId`] is the natural key for that.
//! * A reply lost on the way loses nothing: see [`Error::OutcomeUnknown`] for the one case that asks a decision.
//! * A store that goes away stops no worker. Work goes on within two seconds of its return.
//!
//! # Where to read next
//!
//! [`Stop`] (what a handler can say), [`JobOptions`], [`WorkerBuilder`]; [`cache::Level`] (what a cached read may return),
//! [`cache::Freshness`]; and `ARCHITECTURE.md` in the repository.

pub mod breaker;
pub mod cache;
mod clock;
mod error;
mod job;
pub mod lock;
mod oxherd;
mod queue;
mod store;
mod worker;
mod yielding;

pub use clock::{Clock, ManualClock, Timestamp};
pub use error::{Cause, Error, LoadCause, OpenProblem, Result};
pub use job::{
    Backoff, FieldProblem, Job, JobId, JobOptions, JobRecord, JobState, NewJob, Retention, UnknownState,
};
pub use oxherd::Oxherd;
pub use oxherd_engine as engine;
pub use queue::{Add, Added, Counts, JobPage, JobView, Queue, QueueEvent, QueueEvents, QueueName};
pub use store::{
    BootProgress, DatabaseInfo, DumpFormat, Fault, Health, Held, KeyStats, Opening, Persistence, Progress,
    ServerVersion, Store, StoreInfo, StoreMemory, StoreUrl, Transfer, TransferReport,
};
pub use worker::{
    JobContext, Outcome, Stop, StopReport, Worker, WorkerBuilder, WorkerEvent, WorkerEvents, WorkerHealth,
    WorkerStopper,
};
