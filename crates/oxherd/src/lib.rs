//! Background jobs for backends, on Redis or Valkey, in BullMQ's wire format.
//!
//! [`Oxherd`] opens a store. A [`Queue`] takes jobs; a [`Worker`] runs them. A Rust type is a job by implementing
//! [`Job`]; jobs of programs in other languages are names and JSON. Node, Python, Elixir and PHP programs that use
//! BullMQ 6 work on the same queues, and its dashboards show them.
//!
//! # What is kept
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
//! [`Stop`] (what a handler can say), [`JobOptions`], [`WorkerBuilder`], and `ARCHITECTURE.md` in the repository.

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
