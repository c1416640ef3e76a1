//! The one way to read the system: HTTP API, dashboard, metrics and command line all look through a [`View`].
//!
//! Counts come from sizes of sets and never from scans; payloads are masked and cut before they leave; concurrent
//! readers of the status share one read of the store, so the store's load does not grow with the number of readers.
//! Nothing here changes anything: that is done on the [`Queue`] handle that [`View::queue`] gives out, and on the [`Inspector`]
//! of [`View::inspector`].
//! Next: `status.rs` (the whole), `queue.rs` (counts), `job.rs` (one job), `cache.rs` (caches), `shown.rs` (what is masked and cut).

mod cache;
mod job;
mod limits;
mod masking;
mod options;
mod queue;
mod queue_list;
mod shared_read;
mod shown;
mod status;
mod workers;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use oxherd::cache::{Bounds, Fleet, Inspector};
use oxherd::{Error, JobId, JobState, JobView, Queue, QueueName, Result, Store};

pub use cache::{
    CacheEntry, CacheLatency, CacheNamespace, CacheOverview, CacheProcess, CacheStatus, CacheTop, CacheTopKey,
};
pub use job::{JobDetail, JobList, JobSummary, LogPage, ProblemField};
pub use limits::Limits;
pub use masking::Masking;
pub use queue::{QueueCounts, QueueStatus};
pub use shown::Shown;
pub use status::{PersistenceStatus, SchedulerStatus, Status, StoreStatus};
pub use workers::{WorkerStatus, Workers};

use queue_list::QueueList;
use shared_read::SharedRead;

/// Queues counted at the same time.
const COUNTED_AT_ONCE: usize = 16;
/// How long counting all queues may take; what is not there by then is reported as a problem of that queue.
const COUNTING_TIME: Duration = Duration::from_secs(3);
/// Queue handles kept. Names come from requests, so there must be an end to them.
const HANDLES_KEPT: usize = 1000;

/// Reads one store. Cheap to clone; clones share what they remember.
#[derive(Clone, Debug)]
pub struct View {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    inspector: Inspector,
    list: QueueList,
    handles: Mutex<HashMap<QueueName, Queue>>,
    max_waiting: BTreeMap<QueueName, u64>,
    masking: Masking,
    workers: Workers,
    serving_since: Option<Instant>,
    status: SharedRead<Status>,
}

/// What a [`View`] can be told beyond its store.
#[derive(Clone, Debug, Default)]
pub struct ViewSettings {
    /// Queues listed even while the store holds nothing of them, each with the most jobs that may wait in it.
    pub queues: BTreeMap<QueueName, Option<u64>>,
    /// Which fields of payloads are hidden.
    pub masking: Masking,
    /// When the server started; `None` for a program that only looks (no uptime is reported).
    pub serving_since: Option<Instant>,
}

impl View {
    /// A view of this store with the default masking and no queues of its own.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_settings(store, ViewSettings::default())
    }

    /// A view of this store.
    #[must_use]
    pub fn with_settings(store: Store, settings: ViewSettings) -> Self {
        let list = QueueList::new(store.clone(), settings.queues.keys().cloned().collect());
        let max_waiting = settings
            .queues
            .into_iter()
            .filter_map(|(name, limit)| Some((name, limit?)))
            .collect();
        Self {
            inner: Arc::new(Inner {
                inspector: Inspector::new(store.clone()),
                store,
                list,
                handles: Mutex::default(),
                max_waiting,
                masking: settings.masking,
                workers: Workers::default(),
                serving_since: settings.serving_since,
                status: SharedRead::default(),
            }),
        }
    }

    /// The store that is looked at.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The workers of this process; whoever starts one enters it here.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.inner.workers
    }

    /// A handle to a queue, with the limit configured for it. The queue need not exist.
    ///
    /// # Errors
    /// [`oxherd::Error::QueueName`] for a name that cannot be one.
    pub fn queue(&self, name: &str) -> Result<Queue> {
        let name: QueueName = name.parse()?;
        let mut handles = self.inner.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = handles.get(&name) {
            return Ok(queue.clone());
        }
        if handles.len() >= HANDLES_KEPT {
            handles.clear();
        }
        let mut queue = Queue::new(&self.inner.store, name.as_str())?;
        if let Some(limit) = self.inner.max_waiting.get(&name) {
            queue = queue.with_max_waiting(*limit);
        }
        handles.insert(name, queue.clone());
        Ok(queue)
    }

    /// Says that a queue exists, because something was just added to it, so that lists show it at once.
    pub fn note_queue(&self, name: &QueueName) {
        self.inner.list.note(name);
    }

    /// The names of all queues: those in the store, as of at most 5 s ago (longer where the keyspace is large), and
    /// those configured.
    ///
    /// # Errors
    /// [`oxherd::Error::StoreUnavailable`] when the store is away and its queues were never read.
    pub async fn queue_names(&self) -> Result<Vec<QueueName>> {
        self.inner.list.names().await
    }

    /// One queue, or `None` when the store holds nothing of it and it is not configured. A queue that another program
    /// made within the last 5 s and that holds no job yet may be missed.
    ///
    /// # Errors
    /// [`oxherd::Error::QueueName`], [`oxherd::Error::StoreUnavailable`], [`oxherd::Error::WrongKeyType`].
    pub async fn queue_status(&self, name: &str) -> Result<Option<QueueStatus>> {
        let queue = self.queue(name)?;
        let counts = QueueCounts::from(queue.counts().await?);
        if !counts.has_any() && !self.queue_names().await?.contains(queue.name()) {
            return Ok(None);
        }
        Ok(Some(QueueStatus::counted(queue.name().clone(), counts)))
    }

    /// All queues with their counts. A queue that could not be counted says why in `problem`.
    ///
    /// # Errors
    /// [`oxherd::Error::StoreUnavailable`] when the store is away and its queues were never read.
    pub async fn queues(&self) -> Result<Vec<QueueStatus>> {
        let names = self.queue_names().await?;
        Ok(self.count_all(names).await)
    }

    /// Everything at a glance. Never fails: while the store is away the answer says so. What it shows was read after
    /// this call began; readers that wait at the same time share one read.
    pub async fn status(&self) -> Arc<Status> {
        self.inner.status.get(|| self.read_status()).await
    }

    /// One job with everything known of it, or `None`. Its payload is masked, and cut at [`Limits::DETAIL`].
    ///
    /// # Errors
    /// [`oxherd::Error::QueueName`], [`oxherd::Error::StoreUnavailable`].
    pub async fn job(&self, queue: &str, id: &str) -> Result<Option<JobDetail>> {
        let queue = self.queue(queue)?;
        let job = self.find(&queue, id).await?;
        Ok(job.map(|job| JobDetail::new(queue.name(), job, &self.inner.masking)))
    }

    /// Whether there is a job with this id. Changes by an id from outside ask this first: the keys of the queue itself
    /// lie beside those of its jobs, and an id such as `meta` or `7:logs` names one of them.
    ///
    /// # Errors
    /// As [`View::job`].
    pub async fn has_job(&self, queue: &Queue, id: &str) -> Result<bool> {
        Ok(self.find(queue, id).await?.is_some())
    }

    /// A page of the jobs in one state: `limit` (at most 1000) of them from `offset` on, next out first, finished ones
    /// newest first. Payloads are masked, and cut at [`Limits::LIST`].
    ///
    /// # Errors
    /// [`oxherd::Error::QueueName`], [`oxherd::Error::StoreUnavailable`], [`oxherd::Error::WrongKeyType`].
    pub async fn jobs(&self, queue: &str, state: JobState, offset: u64, limit: u64) -> Result<JobList> {
        let queue = self.queue(queue)?;
        let page = queue.jobs(state, offset, limit).await?;
        let jobs = page.jobs.into_iter();
        Ok(JobList {
            queue: queue.name().clone(),
            state,
            total: page.total,
            offset,
            limit,
            jobs: jobs
                .map(|record| JobSummary::new(&record, state, &self.inner.masking))
                .collect(),
        })
    }

    /// Rows of a job's log, `limit` of them from `offset` on, oldest first; `None` when there is no such job.
    ///
    /// # Errors
    /// [`oxherd::Error::QueueName`], [`oxherd::Error::StoreUnavailable`].
    pub async fn logs(&self, queue: &str, id: &str, offset: u64, limit: u64) -> Result<Option<LogPage>> {
        let queue = self.queue(queue)?;
        let Some(job) = self.find(&queue, id).await? else {
            return Ok(None);
        };
        let id = JobId::existing(id);
        let rows = match limit {
            0 => Vec::new(),
            limit => queue.logs(&id, offset, limit).await?,
        };
        Ok(Some(LogPage::new(job.log_rows, offset, limit, rows)))
    }

    /// The caches on the store, with what all processes counted.
    ///
    /// # Errors
    /// [`oxherd::Error::StoreUnavailable`].
    pub async fn cache(&self) -> Result<CacheOverview> {
        let fleet = self.inner.inspector.fleet().await?;
        Ok(self.overview(&fleet))
    }

    /// One namespace (`name@version`) of the cache; `None` when no process opened it, or none in the last month.
    ///
    /// # Errors
    /// As [`View::cache`].
    pub async fn cache_namespace(&self, name: &str) -> Result<Option<CacheNamespace>> {
        let namespaces = self.cache().await?.namespaces;
        Ok(namespaces.into_iter().find(|namespace| namespace.name == name))
    }

    /// The keys of a namespace that are read most (`limit` of them), and the largest. With `sample`, the store is looked
    /// through for large entries, at most so many of them. `None` when no process ever opened the namespace.
    ///
    /// # Errors
    /// As [`View::cache`].
    pub async fn cache_top(&self, name: &str, limit: usize, sample: u64) -> Result<Option<CacheTop>> {
        let stats = self.inner.inspector.fleet().await?.stats();
        let Some(stats) = stats.namespaces.get(name) else {
            return Ok(None);
        };
        let sample = match sample {
            0 => None,
            keys => {
                let bounds = Bounds::default().with_keys(keys);
                Some(self.inner.inspector.big_keys(name, bounds).await?)
            }
        };
        Ok(Some(CacheTop::new(name, stats, sample, limit)))
    }

    /// One entry of the cache, or `None`. Its value is masked, and cut at [`Limits::DETAIL`].
    ///
    /// # Errors
    /// [`oxherd::Error::CacheName`], [`oxherd::Error::CacheKey`], [`oxherd::Error::StoreUnavailable`].
    pub async fn cache_entry(&self, namespace: &str, tenant: &str, key: &str) -> Result<Option<CacheEntry>> {
        let entry = self.inner.inspector.entry(namespace, tenant, key).await?;
        Ok(entry.map(|entry| CacheEntry::new(entry, &self.inner.masking)))
    }

    /// Invalidates entries of the cache.
    #[must_use]
    pub fn inspector(&self) -> &Inspector {
        &self.inner.inspector
    }

    fn overview(&self, fleet: &Fleet) -> CacheOverview {
        CacheOverview::new(fleet, self.inner.store.server())
    }

    /// A piece of a job's JSON that came another way, such as an event, masked and cut like the rest.
    #[must_use]
    pub fn show(&self, json: &str) -> Shown {
        Shown::new(json, &self.inner.masking, Limits::DETAIL.json_bytes)
    }

    async fn find(&self, queue: &Queue, id: &str) -> Result<Option<JobView>> {
        match queue.job(&JobId::existing(id)).await {
            Ok(job) => Ok(job.filter(job::is_a_job)),
            // A list or a set under this name is the queue's own.
            Err(Error::Store { source, .. }) if source.to_string().contains("WRONGTYPE") => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn read_status(&self) -> Status {
        let store = StoreStatus::new(self.inner.store.health().await, self.inner.store.prefix());
        let queues = if store.connected {
            let names = self.queue_names().await;
            self.count_all(names.unwrap_or_else(|_| self.inner.list.known()))
                .await
        } else {
            let known = self.inner.list.known().into_iter();
            known
                .map(|name| QueueStatus::uncounted(name, "the store does not answer"))
                .collect()
        };
        // What cannot be read is told as nothing; the store's own part says why.
        let cache = match store.connected {
            true => self
                .cache()
                .await
                .map(CacheOverview::into_status)
                .unwrap_or_default(),
            false => CacheStatus::default(),
        };
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_ms: self.inner.serving_since.map(|since| whole_ms(since.elapsed())),
            store,
            cache,
            scheduler: SchedulerStatus::of(&queues),
            queues,
            workers: self.inner.workers.status(),
        }
    }

    async fn count_all(&self, names: Vec<QueueName>) -> Vec<QueueStatus> {
        let end = tokio::time::Instant::now() + COUNTING_TIME;
        let counting = names.into_iter().map(|name| async move {
            let counts = async { self.queue(name.as_str())?.counts().await };
            match tokio::time::timeout_at(end, counts).await {
                Ok(Ok(counts)) => QueueStatus::counted(name, counts.into()),
                Ok(Err(error)) => QueueStatus::uncounted(name, &error.to_string()),
                Err(_elapsed) => QueueStatus::uncounted(name, "the store did not answer in time"),
            }
        });
        futures_util::stream::iter(counting)
            .buffered(COUNTED_AT_ONCE)
            .collect()
            .await
    }
}

/// Whole milliseconds, saturating.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
