//! What the cache of this process did, told to the store.
//!
//! Each process keeps a picture of what it counted in a key of its own, every five seconds when something changed, and every
//! twenty when nothing did, so that it is seen to live; a minute after the last one it is gone. What is counted is also added to
//! totals of its namespace, which outlive processes: the store keeps how far it has counted each, so a report that comes
//! twice is counted once. What it costs depends on the namespaces that the process has open, and not on other processes.
//! Next: `stats/` (what is counted), `fleet.rs` (who reads this), `lua/cache/report.lua`, `lua/cache/count.lua`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::Cmd;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::complaint::Complaint;
use super::stats::{CacheStats, Counts, LocalStats};
use crate::clock::{Clock, Timestamp, millis};
use crate::error::{Error, Result};
use crate::store::{CACHE_COUNT, CACHE_REPORT, CacheKeys, FleetKeys, Store, decode, refused};

/// Between two reports.
const EVERY: Duration = Duration::from_secs(5);
/// A process of which nothing is new says so after this long.
const ALIVE: Duration = Duration::from_secs(20);
/// A report that is older is of a process that has ended.
const LIFE: Duration = Duration::from_secs(60);
/// How long the store keeps how far it counted a process: longer than an answer is waited for, and than a copy of the store lags.
const COUNTED: Duration = Duration::from_secs(3600);
/// A namespace that no process has open for so long is forgotten, or for twice the life of its entries if that is longer.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 3600);
/// Keys of each namespace's list that are reported.
const TOP_REPORTED: usize = 32;
/// The total that belongs to no namespace.
pub(super) const EVICTIONS: &str = "evictions";

/// What one process reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ProcessReport {
    /// The process, by a name nobody else has.
    pub process: String,
    /// When it reported, by its own clock.
    pub at: Timestamp,
    /// The machine it runs on.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// How it hears of changes: `tracking`, `announced`, `lost` while it does not, `unused` before it reads anything, `none` when it
    /// need not.
    pub channel: String,
    /// The state of its breaker, as [`crate::breaker::State::as_str`] names it: `closed` when it asks the store.
    pub breaker: String,
    /// What it counted.
    pub stats: CacheStats,
}

/// What a process reports of itself, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// As [`ProcessReport::channel`].
    pub(crate) channel: &'static str,
    /// As [`ProcessReport::breaker`].
    pub(crate) breaker: &'static str,
    pub(crate) stats: CacheStats,
    /// The namespaces it has open.
    pub(crate) open: BTreeMap<String, Opened>,
}

/// A namespace as a process has it open.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    /// Its settings, for those who look.
    pub(crate) settings: Value,
    /// How long its entries live unless one is told otherwise.
    pub(crate) entry_life: Duration,
}

impl Opened {
    /// How long the namespace is remembered when nobody has it open any more.
    fn life(&self) -> u64 {
        millis(self.entry_life.saturating_mul(2).max(FORGOTTEN))
    }
}

/// What makes a report worth writing: everything but what changes with time alone.
#[derive(Debug, PartialEq)]
struct Essence {
    channel: &'static str,
    breaker: &'static str,
    namespaces: BTreeMap<String, (Counts, LocalStats)>,
    local: LocalStats,
    open: BTreeMap<String, Opened>,
}

impl Essence {
    fn of(present: &Present) -> Self {
        let namespaces = present.stats.namespaces.iter();
        Self {
            channel: present.channel,
            breaker: present.breaker,
            namespaces: namespaces
                .map(|(name, stats)| (name.clone(), (stats.counts.clone(), stats.local)))
                .collect(),
            local: present.stats.local,
            open: present.open.clone(),
        }
    }
}

/// Writes the reports of one process.
#[derive(Debug)]
pub(crate) struct Reporter {
    store: Store,
    clock: Clock,
    process: String,
    host: String,
    written: Option<(Timestamp, Essence)>,
    /// What the store has confirmed to have counted, by namespace; the nameless one is the process itself.
    confirmed: BTreeMap<String, Numbers>,
    /// Of a store that answers, and does not take it.
    refusals: Complaint,
}

/// Numbers by their names.
type Numbers = BTreeMap<&'static str, u64>;

/// A task that reports; it ends with this.
pub(crate) struct Reporting {
    task: parking_lot::Mutex<Option<JoinHandle<()>>>,
    /// Set when the task has ended, perhaps with its runtime.
    is_over: Arc<AtomicBool>,
    reporter: Arc<Mutex<Reporter>>,
    clock: Clock,
    look: Look,
}

/// What a process sees of itself; nothing once its cache is gone.
type Look = Arc<dyn Fn() -> Option<Present> + Send + Sync>;

/// Says when it is dropped that a task has ended.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Reporting {
    /// Within a runtime: goes on reporting there, when the runtime that did has ended.
    #[inline]
    pub(crate) fn go_on(&self) {
        if self.is_over.load(Ordering::Relaxed) {
            self.begin_again();
        }
    }

    fn begin_again(&self) {
        let mut task = self.task.lock();
        if self.is_over.swap(false, Ordering::AcqRel) {
            *task = Some(self.begin());
        }
    }

    fn begin(&self) -> JoinHandle<()> {
        let (reporter, look, clock) = (
            Arc::clone(&self.reporter),
            Arc::clone(&self.look),
            self.clock.clone(),
        );
        let over = Over(Arc::clone(&self.is_over));
        tokio::spawn(async move {
            let _over = over;
            loop {
                let mut reporter = reporter.lock().await;
                let Some(present) = look() else { return };
                if let Err(error) = reporter.tell(present).await {
                    reporter.complain(&error);
                }
                drop(reporter);
                clock.sleep_until(clock.now().after(EVERY)).await;
            }
        })
    }

    /// Reports now what `look` sees.
    ///
    /// # Errors
    /// As [`Reporter::tell`].
    pub(crate) async fn tell(&self, look: impl FnOnce() -> Present) -> Result<()> {
        let mut reporter = self.reporter.lock().await;
        // Within the lock, so that nothing older is told after something newer.
        reporter.tell(look()).await?;
        Ok(())
    }
}

impl std::fmt::Debug for Reporting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporting")
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut() {
            task.abort();
        }
    }
}

impl Reporter {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            process: uuid::Uuid::new_v4().simple().to_string(),
            host: host(),
            written: None,
            confirmed: BTreeMap::new(),
            refusals: Complaint::new(clock.clone()),
            clock,
        }
    }

    /// Reports at once and then every five seconds what `look` sees, until it sees nothing any more.
    pub(crate) fn start(self, look: impl Fn() -> Option<Present> + Send + Sync + 'static) -> Reporting {
        let reporting = Reporting {
            clock: self.clock.clone(),
            task: parking_lot::Mutex::default(),
            is_over: Arc::new(AtomicBool::new(true)),
            reporter: Arc::new(Mutex::new(self)),
            look: Arc::new(look),
        };
        reporting.begin_again();
        reporting
    }

    /// Writes a report, if there is something to say; whether it did.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], [`Error::Store`]; [`Error::WrongKeyType`] or [`Error::Reply`] when something foreign is where totals
    /// belong: the process is listed all the same, and its next report tries again.
    pub(crate) async fn tell(&mut self, present: Present) -> Result<bool> {
        let now = self.clock.now();
        let essence = Essence::of(&present);
        if let Some((at, last)) = &self.written
            && *last == essence
            && now.since(*at) < ALIVE
        {
            return Ok(false);
        }
        self.written = None;
        let counted = match self.count(&present).await {
            Err(error) if error.is_store_unavailable() => return Err(error),
            counted => counted,
        };
        // Whatever became of the totals: this key is the process's own.
        self.write(present, now).await?;
        counted?;
        self.written = Some((now, essence));
        Ok(true)
    }

    /// A store that is away is told of by those who need it; numbers can wait for the next time.
    fn complain(&self, error: &Error) {
        if error.is_store_unavailable() || !self.refusals.is_due() {
            tracing::debug!(%error, "what the cache counted was not reported");
        } else {
            tracing::warn!(%error, "what the cache counted was not reported, or not all of it; it is tried again and again");
        }
    }

    /// Has the totals of each namespace counted on.
    async fn count(&mut self, present: &Present) -> Result<()> {
        let (mut calls, mut told) = (Vec::new(), Vec::new());
        for (name, opened) in &present.open {
            let counts = present
                .stats
                .namespaces
                .get(name)
                .map(|stats| stats.counts.named());
            let numbers: Numbers = counts.unwrap_or_default().into_iter().collect();
            let keys = CacheKeys::new(self.store.prefix(), name);
            calls.push(self.counting(keys.prefix(), name, Some(opened), &numbers));
            told.push((name.clone(), numbers));
        }
        let own = Numbers::from([(EVICTIONS, present.stats.local.evictions)]);
        let keys = FleetKeys::new(self.store.prefix());
        calls.push(self.counting(keys.prefix(), "", None, &own));
        told.push((String::new(), own));

        let replies = CACHE_COUNT.run_all(&mut self.store.shared(), &calls).await;
        let replies = replies.map_err(|error| refused(COUNTING, error))?;
        let mut outcome = Ok(());
        for ((name, numbers), reply) in told.into_iter().zip(replies) {
            let counted = reply.map_err(|error| refused(COUNTING, error));
            let counted = counted.and_then(|reply| self.counted(name, numbers, reply));
            outcome = outcome.and(counted);
        }
        outcome
    }

    /// Remembers what the store has confirmed.
    fn counted(&mut self, name: String, mut numbers: Numbers, reply: redis::Value) -> Result<()> {
        let (key, found, garbage) = read_counted(decode(COUNTING, reply)?);
        if !key.is_empty() {
            return Err(Error::WrongKeyType {
                operation: COUNTING.to_owned(),
                key,
                expected: "hash",
                found,
            });
        }
        numbers.retain(|number, _| garbage.iter().all(|garbage| garbage != number));
        let outcome = match garbage.first() {
            None => Ok(()),
            Some(number) => Err(Error::Reply {
                operation: COUNTING.to_owned(),
                reason: format!(
                    "the total {number:?} of {} is no number; remove that field",
                    totals_of(&name)
                ),
            }),
        };
        self.confirmed.entry(name).or_default().extend(numbers);
        outcome
    }

    fn counting(&self, prefix: &str, name: &str, opened: Option<&Opened>, numbers: &Numbers) -> Cmd {
        let settings = opened.map(|opened| opened.settings.to_string());
        let mut call = CACHE_COUNT.call(prefix);
        call.arg(&self.process)
            .arg(millis(COUNTED))
            .arg(settings.unwrap_or_default())
            .arg(opened.map_or(millis(FORGOTTEN), Opened::life));
        let confirmed = self.confirmed.get(name);
        for (number, count) in numbers.iter().filter(|(_, count)| **count > 0) {
            let confirmed = confirmed.and_then(|numbers| numbers.get(number));
            call.arg(number).arg(count).arg(confirmed.copied().unwrap_or(0));
        }
        call
    }

    async fn write(&self, present: Present, now: Timestamp) -> Result<()> {
        let mut stats = present.stats;
        for namespace in stats.namespaces.values_mut() {
            namespace.top.shorten(TOP_REPORTED);
        }
        let report = ProcessReport {
            process: self.process.clone(),
            at: now,
            host: self.host.clone(),
            pid: std::process::id(),
            channel: present.channel.to_owned(),
            breaker: present.breaker.to_owned(),
            stats,
        };
        let mut call = CACHE_REPORT.call(FleetKeys::new(self.store.prefix()).prefix());
        call.arg(&self.process).arg(to_json(&report)?).arg(millis(LIFE));
        for (name, opened) in &present.open {
            call.arg(name).arg(opened.life());
        }
        let written = CACHE_REPORT.run(&mut self.store.shared(), &call).await;
        written.map_err(|error| refused(WRITING, error))?;
        Ok(())
    }
}

const WRITING: &str = "report what the cache counted";
const COUNTING: &str = "add up what the cache counted";

/// A key that is no hash, its type, and the numbers whose total is none.
fn read_counted(reply: Vec<String>) -> (String, String, Vec<String>) {
    let mut parts = reply.into_iter();
    let (key, found) = (parts.next(), parts.next());
    (
        key.unwrap_or_default(),
        found.unwrap_or_default(),
        parts.collect(),
    )
}

/// The total that nobody can add to, in words.
fn totals_of(name: &str) -> String {
    match name {
        "" => "all namespaces".to_owned(),
        name => format!("namespace {name:?}"),
    }
}

fn to_json(report: &ProcessReport) -> Result<String> {
    serde_json::to_string(report).map_err(|error| Error::Reply {
        operation: WRITING.to_owned(),
        reason: error.to_string(),
    })
}

/// The machine's name, where it can be had.
fn host() -> String {
    let said = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let said = said.or_else(|| std::env::var("HOSTNAME").ok());
    said.map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
