//! Background jobs for backends, on Redis or Valkey, in BullMQ's wire format.
mod clock;
mod error;
mod job;
mod oxherd;
mod queue;
mod store;
mod worker;

pub use clock::{Clock, ManualClock, Timestamp};
pub use error::{Cause, Error, OpenProblem, Result};
pub use job::{
    Backoff, FieldProblem, Job, JobId, JobOptions, JobRecord, JobState, NewJob, Retention, UnknownState,
};
pub use oxherd::Oxherd;
pub use queue::{Add, Added, Counts, JobPage, JobView, Queue, QueueEvent, QueueEvents, QueueName};
#[cfg(feature = "testing")]
pub use store::InProcess;
pub use store::{Health, ServerVersion, Store, StoreUrl};
pub use worker::{
    JobContext, Outcome, Stop, StopReport, Worker, WorkerBuilder, WorkerEvent, WorkerEvents, WorkerHealth,
};
