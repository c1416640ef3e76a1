//! The workers of this process, for all who show them.
//!
//! A worker is entered as a function that tells how it is, so that the view depends on nothing that runs jobs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use oxherd::QueueName;
use serde::Serialize;

/// How one worker is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    /// The queue it works on.
    pub queue: QueueName,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// How many jobs it runs at most at a time.
    pub concurrency: usize,
    /// How many it runs now.
    pub running: usize,
    /// Whether it takes jobs: not while stopping.
    pub is_taking: bool,
    /// Whether the connection works on which it waits for jobs.
    pub is_listening: bool,
    /// How long ago the store last answered it; `null` before the first time.
    pub last_exchange_ms: Option<u64>,
    /// What is wrong, if anything is.
    pub trouble: Option<String>,
}

type Ask = Box<dyn Fn() -> WorkerStatus + Send + Sync>;

/// All workers of this process. Clones are the same list.
#[derive(Clone, Default)]
pub struct Workers {
    entered: Arc<RwLock<Vec<Ask>>>,
}

impl Workers {
    /// Enters a worker by a function that tells how it is. The function must answer at once.
    pub fn enter(&self, ask: impl Fn() -> WorkerStatus + Send + Sync + 'static) {
        let mut entered = self.entered.write().unwrap_or_else(PoisonError::into_inner);
        entered.push(Box::new(ask));
    }

    /// How all workers are, in the order in which they were entered.
    #[must_use]
    pub fn status(&self) -> Vec<WorkerStatus> {
        let entered = self.entered.read().unwrap_or_else(PoisonError::into_inner);
        entered.iter().map(|ask| ask()).collect()
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.status()).finish()
    }
}
