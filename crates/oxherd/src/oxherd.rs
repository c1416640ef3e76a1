//! The way in: one handle on a store, from which queues, workers, caches and locks come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::cache::{Cache, CacheBuilder};
use crate::clock::Clock;
use crate::error::Result;
use crate::job::Job;
use crate::lock::{Lock, Turns};
use crate::queue::{Add, Queue};
use crate::store::Store;
use crate::worker::{Worker, WorkerBuilder};

/// A handle on a store; cheap to clone.
///
/// ```no_run
/// # use oxherd::{Job, JobContext, Outcome, Oxherd};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Welcome {
///     user: u64,
/// }
///
/// impl Job for Welcome {
///     const QUEUE: &'static str = "mail";
///     const NAME: &'static str = "welcome";
///     type Output = ();
/// }
///
/// async fn welcome(job: Welcome, context: JobContext) -> Outcome<()> {
///     context.log(format!("welcome to user {}", job.user)).await?;
///     Ok(())
/// }
///
/// # async fn example() -> oxherd::Result<()> {
/// let oxherd = Oxherd::connect("redis://127.0.0.1:6379").await?;
/// oxherd.enqueue(&Welcome { user: 7 })?.attempts(3).await?;
/// let worker = oxherd.worker("mail")?.handle(welcome).concurrency(20).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Oxherd {
    store: Store,
    clock: Clock,
    /// Handles are shared, so that jobs added anywhere in the process gather in one place.
    queues: Arc<Mutex<HashMap<String, Queue>>>,
    cache: Arc<OnceLock<Cache>>,
    turns: Turns,
}

impl Oxherd {
    /// Opens the store of a URL, as [`Store::open`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn connect(url: &str) -> Result<Self> {
        Ok(Self::on(Store::open(url).await?))
    }

    /// On a store that is open.
    #[must_use]
    pub fn on(store: Store) -> Self {
        Self {
            store,
            clock: Clock::system(),
            queues: Arc::default(),
            cache: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// The same store, with time as this clock shows it.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self.queues = Arc::default();
        self.cache = Arc::default();
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A queue by name. Nothing is asked of the store, and nothing written until a job is added.
    ///
    /// # Errors
    /// [`crate::Error::QueueName`].
    pub fn queue(&self, name: &str) -> Result<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            return Ok(queue.clone());
        }
        let queue = Queue::on(self.store.clone(), self.clock.clone(), name.parse()?);
        queues.insert(name.to_owned(), queue.clone());
        Ok(queue)
    }

    /// Adds a job of a Rust type to that type's queue. Set options, then `.await`.
    ///
    /// # Errors
    /// [`crate::Error::QueueName`] when `J::QUEUE` cannot be one.
    pub fn enqueue<J: Job>(&self, job: &J) -> Result<Add> {
        Ok(self.queue(J::QUEUE)?.enqueue(job))
    }

    /// A worker for a queue, to be given handlers and started.
    ///
    /// # Errors
    /// [`crate::Error::QueueName`].
    pub fn worker(&self, queue: &str) -> Result<WorkerBuilder> {
        Ok(Worker::on(&self.queue(queue)?))
    }

    /// The cache on this store, with everything as it is unless told otherwise; all handles share it.
    #[must_use]
    pub fn cache(&self) -> Cache {
        self.cache
            .get_or_init(|| CacheBuilder::new(self.store.clone(), self.clock.clone()).open_unchecked())
            .clone()
    }

    /// A cache on this store, set up in another way; a cache of its own.
    pub fn cache_builder(&self) -> CacheBuilder {
        CacheBuilder::new(self.store.clone(), self.clock.clone())
    }

    /// A lock by its name, to be set up and acquired.
    pub fn lock(&self, name: &str) -> Lock {
        Lock::on(self.store.clone(), self.turns.clone(), name)
    }
}
