//! Signs of life: what a worker's parts note down, and what health checks read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::queue::QueueName;

/// How a worker is.
#[derive(Clone, Debug)]
pub struct WorkerHealth {
    /// The queue it works on.
    pub queue: QueueName,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Jobs it may run at once.
    pub concurrency: usize,
    /// Jobs it runs.
    pub running: usize,
    /// Whether it takes jobs: not once it was told to stop.
    pub is_taking: bool,
    /// How long ago the queue last answered it.
    pub last_exchange: Option<Duration>,
    /// Whether its blocking read, by which an idle worker hears of jobs, works.
    pub is_listening: bool,
    /// What keeps it from working.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Signs(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    last_exchange: Option<Instant>,
    trouble: Option<String>,
    deaf: Option<String>,
    stopping: bool,
}

impl Signs {
    /// The queue answered; `true` when it had not before.
    pub(super) fn exchanged(&self) -> bool {
        let mut noted = self.locked();
        noted.last_exchange = Some(Instant::now());
        noted.trouble.take().is_some()
    }

    /// The queue did not answer; `true` when this is new.
    pub(super) fn trouble(&self, reason: String) -> bool {
        self.locked().trouble.replace(reason).is_none()
    }

    /// The blocking read works, or why it does not; `true` when this is new.
    pub(super) fn hears(&self, problem: Option<String>) -> bool {
        let mut noted = self.locked();
        let is_new = noted.deaf.is_some() != problem.is_some();
        noted.deaf = problem;
        is_new
    }

    pub(super) fn stopping(&self) {
        self.locked().stopping = true;
    }

    pub(super) fn read(
        &self,
        queue: &QueueName,
        name: Option<&str>,
        concurrency: usize,
        running: usize,
    ) -> WorkerHealth {
        let noted = self.locked();
        WorkerHealth {
            queue: queue.clone(),
            name: name.map(ToOwned::to_owned),
            concurrency,
            running,
            is_taking: !noted.stopping,
            last_exchange: noted.last_exchange.map(|at| at.elapsed()),
            is_listening: noted.deaf.is_none(),
            trouble: noted.trouble.clone().or_else(|| noted.deaf.clone()),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
