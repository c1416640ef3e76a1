//! What a worker tells the process it runs in.
//!
//! These events are local and immediate; the queue's own stream (`Queue::events`) is what all programs see.

use std::time::Duration;

use tokio::sync::broadcast;

use crate::job::JobId;

/// Events kept for a listener that is behind; older ones are skipped.
const KEPT: usize = 4096;

/// Something that happened in this worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// A handler begins.
    Active {
        /// The job.
        id: JobId,
        /// Its name.
        name: String,
        /// From 1.
        attempt: u32,
    },
    /// A job is done, and the store knows it.
    Completed {
        /// The job.
        id: JobId,
        /// Its name.
        name: String,
        /// How long it was in line; `None` for later attempts.
        waited: Option<Duration>,
        /// How long the handler ran.
        ran: Duration,
    },
    /// An attempt failed, and the store knows it.
    Failed {
        /// The job.
        id: JobId,
        /// Its name.
        name: String,
        /// The error's message.
        reason: String,
        /// How long it was in line; `None` for later attempts.
        waited: Option<Duration>,
        /// How long the handler ran.
        ran: Duration,
        /// No further attempt follows.
        is_final: bool,
    },
    /// A job went back without an outcome: delayed by its handler, rate limited, or given back on stopping.
    Returned {
        /// The job.
        id: JobId,
        /// Its name.
        name: String,
    },
    /// A job whose worker went away is in line again.
    Stalled {
        /// The job.
        id: JobId,
    },
    /// A job's lock was lost; its handler was told to stop and its outcome does not count.
    LockLost {
        /// The job.
        id: JobId,
    },
    /// An id in line named no job, and was dropped.
    Dropped {
        /// The id.
        id: JobId,
    },
    /// The queue has nothing for this worker at the moment.
    Idle,
    /// The store does not answer, or refuses; the worker goes on trying.
    Trouble {
        /// What it said.
        reason: String,
    },
    /// The store answers again.
    Recovered,
}

/// Sends to whoever listens; costs nothing when nobody does.
#[derive(Clone, Debug)]
pub(super) struct Announcer(broadcast::Sender<WorkerEvent>);

impl Announcer {
    pub(super) fn new() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    pub(super) fn tell(&self, event: impl FnOnce() -> WorkerEvent) {
        if self.0.receiver_count() > 0 {
            // Every listener may have gone in between.
            let _ = self.0.send(event());
        }
    }

    pub(super) fn listen(&self) -> WorkerEvents {
        WorkerEvents(self.0.subscribe())
    }
}

/// Receives a worker's events from the moment it was asked for.
#[derive(Debug)]
pub struct WorkerEvents(broadcast::Receiver<WorkerEvent>);

impl WorkerEvents {
    /// The next event; `None` once the worker has stopped. A listener too far behind misses the oldest.
    pub async fn next(&mut self) -> Option<WorkerEvent> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "a listener to worker events was too slow");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
