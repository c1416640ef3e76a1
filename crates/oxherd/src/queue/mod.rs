//! Queues: adding jobs, looking at them, and hearing what happens to them.
//!
//! A [`Queue`] is a cheap handle. What it acknowledges is stored: an `add` that returned `Ok` is as durable as the
//! store's own settings make a write.
//! Next: `add.rs` (how jobs gather), `inspect.rs` (single jobs and counts), `events.rs`, `crate::worker`.

mod add;
mod events;
mod inspect;
mod name;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{OnceCell, mpsc, oneshot};

pub use add::Added;
pub use events::{QueueEvent, QueueEvents};
pub use inspect::{Counts, JobPage, JobView};
pub use name::QueueName;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::job::{Backoff, Job, JobId, JobOptions, NewJob, Retention};
use crate::store::{QUEUE_OPEN, QueueKeys, Store};

/// The layout we write, as other programs on the queue read it in the queue's settings.
pub(crate) const LAYOUT_VERSION: &str = "bullmq:6.7.0";
/// Entries kept in a queue's event stream unless the queue says otherwise.
const EVENTS_KEPT: u32 = 10_000;
/// Jobs that may wait to be sent; then `add` waits.
const GATHERED: usize = 10_000;

/// What everything on one queue needs.
#[derive(Clone, Debug)]
pub(crate) struct QueueCore {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) name: QueueName,
    pub(crate) keys: QueueKeys,
    pub(crate) max_waiting: Option<u64>,
    introduced: Arc<OnceCell<()>>,
}

impl QueueCore {
    pub(crate) fn new(store: Store, clock: Clock, name: QueueName) -> Self {
        let keys = store.keys(&name);
        Self {
            store,
            clock,
            name,
            keys,
            max_waiting: None,
            introduced: Arc::default(),
        }
    }

    /// Writes the queue's settings once, so that dashboards find the queue and know its layout.
    pub(crate) async fn introduce(&self) -> Result<()> {
        let write = async {
            let mut call = QUEUE_OPEN.call(self.keys.prefix());
            call.arg(LAYOUT_VERSION)
                .arg(concat!("oxherd:", env!("CARGO_PKG_VERSION")))
                .arg(EVENTS_KEPT);
            self.explained(self.store.run_safe::<i64>(&QUEUE_OPEN, &call).await)
                .await
                .map(drop)
        };
        self.introduced.get_or_try_init(|| write).await.copied()
    }
}

/// A handle to one queue.
#[derive(Clone, Debug)]
pub struct Queue {
    pub(crate) core: QueueCore,
    gathering: Arc<Mutex<Option<mpsc::Sender<add::Pending>>>>,
}

impl Queue {
    /// A queue on this store.
    ///
    /// # Errors
    /// [`Error::QueueName`].
    pub fn new(store: &Store, name: &str) -> Result<Self> {
        Ok(Self::on(store.clone(), Clock::system(), name.parse()?))
    }

    pub(crate) fn on(store: Store, clock: Clock, name: QueueName) -> Self {
        Self {
            core: QueueCore::new(store, clock, name),
            gathering: Arc::default(),
        }
    }

    /// The same queue with a limit on waiting, prioritized and delayed jobs together: adding beyond it is
    /// [`Error::QueueFull`]. Every producer brings its own limit; the store keeps none.
    #[must_use]
    pub fn with_max_waiting(mut self, limit: u64) -> Self {
        self.core.max_waiting = Some(limit);
        // Jobs already gathering were promised the old limit.
        self.gathering = Arc::default();
        self
    }

    /// The queue's name.
    #[must_use]
    pub fn name(&self) -> &QueueName {
        &self.core.name
    }

    /// The store it is on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.core.store
    }

    /// Adds a job by name, with anything serde can turn into JSON. Set options, then `.await`.
    ///
    /// ```no_run
    /// # async fn example(queue: oxherd::Queue) -> oxherd::Result<()> {
    /// use std::time::Duration;
    ///
    /// let added = queue
    ///     .add("welcome", serde_json::json!({"user": 7}))
    ///     .attempts(3)
    ///     .delay(Duration::from_secs(60))
    ///     .await?;
    /// println!("job {}", added.id);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nothing is added until it is awaited"]
    pub fn add(&self, name: impl Into<String>, data: impl Serialize) -> Add {
        Add {
            queue: self.clone(),
            job: NewJob::new(name, &data),
        }
    }

    /// Adds a job that was put together elsewhere.
    #[must_use = "nothing is added until it is awaited"]
    pub fn add_job(&self, job: NewJob) -> Add {
        Add {
            queue: self.clone(),
            job: Ok(job),
        }
    }

    /// Adds a job of a Rust type with that type's options. The job goes to this queue, whatever `J::QUEUE` says.
    #[must_use = "nothing is added until it is awaited"]
    pub fn enqueue<J: Job>(&self, job: &J) -> Add {
        Add {
            queue: self.clone(),
            job: NewJob::of(job),
        }
    }

    /// Adds many jobs in order, 50 a script call and 1000 a round trip. Each job is added or not on its own.
    ///
    /// # Errors
    /// An invalid job is found before anything is sent, and nothing is added. After that each job has its own result:
    /// [`Error::QueueFull`], [`Error::OutcomeUnknown`] when a reply was lost, [`Error::StoreUnavailable`].
    pub async fn add_many(&self, jobs: Vec<NewJob>) -> Result<Vec<Result<Added>>> {
        for job in &jobs {
            job.validate()?;
        }
        self.core.introduce().await?;
        Ok(add::store(&self.core, &jobs).await)
    }

    /// Follows the queue's events, from now on or after the entry `after` (its id in the stream).
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`] when the stream's end cannot be read.
    pub async fn events(&self, after: Option<&str>) -> Result<QueueEvents> {
        events::follow(self.core.clone(), after.map(ToOwned::to_owned)).await
    }

    /// The way to the sending task; a new task when the runtime of the last one is gone.
    fn sender(&self) -> mpsc::Sender<add::Pending> {
        let mut gathering = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = gathering.as_ref().filter(|sender| !sender.is_closed()) {
            return sender.clone();
        }
        let (sender, receiver) = mpsc::channel(GATHERED);
        tokio::spawn(add::send_gathered(self.core.clone(), receiver));
        *gathering = Some(sender.clone());
        sender
    }

    async fn gather(&self, job: NewJob) -> Result<Added> {
        job.validate()?;
        self.core.introduce().await?;
        let (reply, added) = oneshot::channel();
        let gone = || Error::OutcomeUnknown {
            operation: format!("adding to queue {:?}", self.name().as_str()),
            remedy: add::REMEDY,
            source: "the runtime that sends jobs was shut down".into(),
        };
        let pending = add::Pending {
            job,
            reply,
            since: Instant::now(),
        };
        match tokio::time::timeout(add::LONGEST_QUEUEING, self.sender().send(pending)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(gone()),
            Err(_elapsed) => return Err(add::not_sent(&self.core)),
        }
        added.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// A job about to be added: set options, then `.await`.
#[derive(Debug)]
#[must_use = "nothing is added until it is awaited"]
pub struct Add {
    queue: Queue,
    job: Result<NewJob>,
}

impl Add {
    fn set(mut self, set: impl FnOnce(&mut JobOptions)) -> Self {
        if let Ok(job) = &mut self.job {
            set(&mut job.options);
        }
        self
    }

    /// The job's own id: adding it again changes nothing. Default: the queue counts.
    pub fn id(mut self, id: &str) -> Self {
        match id.parse::<JobId>() {
            Ok(id) => self.set(|options| options.job_id = Some(id)),
            Err(error) => {
                self.job = self.job.and(Err(error));
                self
            }
        }
    }

    /// How often it may be tried in all. Default: once.
    pub fn attempts(self, attempts: u32) -> Self {
        self.set(|options| options.attempts = attempts)
    }

    /// The wait between attempts. Default: none.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|options| options.backoff = Some(backoff))
    }

    /// Not before this long from now. Default: at once.
    pub fn delay(self, delay: Duration) -> Self {
        self.set(|options| options.delay = Some(delay))
    }

    /// From 1 (first) to 2,097,151 (last), after all jobs without one. Default: none.
    pub fn priority(self, priority: u32) -> Self {
        self.set(|options| options.priority = Some(priority))
    }

    /// Ahead of the jobs that wait. Default: behind them.
    pub fn lifo(self) -> Self {
        self.set(|options| options.lifo = Some(true))
    }

    /// What is kept when it completes. Default: the worker's setting.
    pub fn remove_on_complete(self, retention: Retention) -> Self {
        self.set(|options| options.remove_on_complete = Some(retention))
    }

    /// What is kept when it fails for good. Default: the worker's setting.
    pub fn remove_on_fail(self, retention: Retention) -> Self {
        self.set(|options| options.remove_on_fail = Some(retention))
    }

    /// Log rows kept. Default: all.
    pub fn keep_logs(self, rows: u32) -> Self {
        self.set(|options| options.keep_logs = Some(rows))
    }

    /// Attempts whose error chains are kept, the latest. Default: all.
    pub fn stack_trace_limit(self, attempts: u32) -> Self {
        self.set(|options| options.stack_trace_limit = Some(attempts))
    }

    /// Bytes of JSON the data may have. Default: no limit of the job's own.
    pub fn size_limit(self, bytes: usize) -> Self {
        self.set(|options| options.size_limit = Some(bytes))
    }

    /// When the job was created. Default: now.
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        self.set(|options| options.timestamp = Some(timestamp))
    }

    /// All options at once, in place of those set before.
    pub fn options(self, all: JobOptions) -> Self {
        self.set(|options| *options = all)
    }
}

impl IntoFuture for Add {
    type Output = Result<Added>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Added>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.queue.gather(self.job?).await })
    }
}
