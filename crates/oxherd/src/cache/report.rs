//! What the caches of all processes did, gathered in the store.
//!
//! Each process writes a picture of what it counted into a field of its own of one hash, every five seconds when something
//! changed, and every twenty when nothing did, so that it is seen to live. Numbers of a process that ended stay for a minute; then
//! whoever writes next drops them. Times are of the clocks of the processes: one that is a minute off is not seen.
//! Next: `stats/` (what is counted), `inspect/` (who reads this).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::stats::{CacheStats, Counts, LocalStats};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::store::{Store, cache_namespaces, cache_reports, decode, refused};

/// Between two reports.
const EVERY: Duration = Duration::from_secs(5);
/// A process of which nothing is new says so after this long.
const ALIVE: Duration = Duration::from_secs(20);
/// A report that is older is of a process that has ended.
const STALE: Duration = Duration::from_secs(60);
/// One in so many writes looks for reports of processes that ended: reading all of them is the dear part.
const SWEEPS: u64 = 12;
/// Keys of each namespace's list that are reported.
const TOP_REPORTED: usize = 32;

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
    /// How it hears of changes: `tracking`, `announced`, `lost` while it does not, `none` when it need not.
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
    /// The settings of each namespace, for those who look.
    pub(crate) settings: BTreeMap<String, Value>,
}

/// What makes a report worth writing: everything but what changes with time alone.
#[derive(Debug, PartialEq)]
struct Essence {
    channel: &'static str,
    breaker: &'static str,
    namespaces: BTreeMap<String, (Counts, LocalStats)>,
    local: LocalStats,
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
    /// The namespaces that were entered, with what.
    entered: BTreeMap<String, Value>,
    writes: u64,
}

/// A task that reports; it ends with this.
#[derive(Debug)]
pub(crate) struct Reporting(JoinHandle<()>);

impl Drop for Reporting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Reporter {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            process: uuid::Uuid::new_v4().simple().to_string(),
            host: host(),
            written: None,
            entered: BTreeMap::new(),
            writes: 0,
        }
    }

    /// Reports at once and then every five seconds what `look` sees, until it sees nothing any more.
    pub(crate) fn start(mut self, look: impl Fn() -> Option<Present> + Send + 'static) -> Reporting {
        Reporting(tokio::spawn(async move {
            loop {
                let Some(present) = look() else { return };
                // A store that is away is told of by those who need it; numbers can wait for the next time.
                if let Err(error) = self.tell(present).await {
                    tracing::debug!(%error, "what the cache counted was not reported");
                }
                self.clock.sleep_until(self.clock.now().after(EVERY)).await;
            }
        }))
    }

    /// Writes a report, if there is something to say; whether it did.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub(crate) async fn tell(&mut self, present: Present) -> Result<bool> {
        self.enter(&present.settings).await?;
        let now = self.clock.now();
        let essence = Essence::of(&present);
        if let Some((at, last)) = &self.written
            && *last == essence
            && now.since(*at) < ALIVE
        {
            return Ok(false);
        }
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
        let text = to_json(&report)?;
        let mut command = redis::cmd("HSET");
        command
            .arg(cache_reports(self.store.prefix()))
            .arg(&self.process)
            .arg(text);
        let written = command.exec_async(&mut self.store.shared()).await;
        written.map_err(|error| refused(WRITING, error))?;
        self.written = Some((now, essence));
        self.writes += 1;
        if self.writes % SWEEPS == 1 {
            self.sweep(now).await?;
        }
        Ok(true)
    }

    /// Enters the namespaces that were opened, or opened otherwise, since the last time.
    async fn enter(&mut self, settings: &BTreeMap<String, Value>) -> Result<()> {
        let is_new = |(name, settings): &(&String, &Value)| self.entered.get(*name) != Some(*settings);
        let news: Vec<(String, String)> = settings
            .iter()
            .filter(is_new)
            .map(|(name, settings)| (name.clone(), settings.to_string()))
            .collect();
        if news.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("HSET");
        command.arg(cache_namespaces(self.store.prefix())).arg(news);
        let entered = command.exec_async(&mut self.store.shared()).await;
        entered.map_err(|error| refused(ENTERING, error))?;
        self.entered.clone_from(settings);
        Ok(())
    }

    /// Drops what processes left that ended. One that only was silent writes itself in again.
    async fn sweep(&self, now: Timestamp) -> Result<()> {
        let gone: Vec<String> = read_all(&self.store)
            .await?
            .into_iter()
            .filter(|(_, report)| report.as_ref().is_none_or(|report| is_stale(report, now)))
            .map(|(process, _)| process)
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("HDEL");
        command.arg(cache_reports(self.store.prefix())).arg(gone);
        let dropped = command.exec_async(&mut self.store.shared()).await;
        dropped.map_err(|error| refused(WRITING, error))
    }
}

const WRITING: &str = "report what the cache counted";
const READING: &str = "read what caches reported";
const ENTERING: &str = "enter a namespace of the cache";

/// What all processes report.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Fleet {
    /// The processes that reported within the last minute, the oldest report first.
    pub processes: Vec<ProcessReport>,
    /// The namespaces that any process ever opened, with their settings; those that are no JSON are `null`.
    pub namespaces: BTreeMap<String, Value>,
}

impl Fleet {
    /// Reads what is reported.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn read(store: &Store, clock: &Clock) -> Result<Self> {
        let (reports, namespaces) = futures_util::try_join!(read_all(store), read_namespaces(store))?;
        let now = clock.now();
        let mut processes: Vec<ProcessReport> = reports
            .into_iter()
            .filter_map(|(_, report)| report.filter(|report| !is_stale(report, now)))
            .collect();
        processes.sort_by(|one, two| (one.at, &one.process).cmp(&(two.at, &two.process)));
        Ok(Self {
            processes,
            namespaces,
        })
    }

    /// What all of them counted, in one. Every known namespace is there, also when nobody uses it now.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats::default();
        for process in &self.processes {
            stats.merge(&process.stats);
        }
        for name in self.namespaces.keys() {
            stats.namespaces.entry(name.clone()).or_default();
        }
        stats
    }
}

fn is_stale(report: &ProcessReport, now: Timestamp) -> bool {
    now.since(report.at) > STALE || report.at.since(now) > STALE
}

/// Every process with its report; `None` for one that cannot be read.
async fn read_all(store: &Store) -> Result<Vec<(String, Option<ProcessReport>)>> {
    let fields = hash(store, &cache_reports(store.prefix())).await?;
    let fields = fields.into_iter();
    Ok(fields
        .map(|(process, text)| (process, serde_json::from_slice(&text).ok()))
        .collect())
}

async fn read_namespaces(store: &Store) -> Result<BTreeMap<String, Value>> {
    let fields = hash(store, &cache_namespaces(store.prefix())).await?;
    let fields = fields.into_iter();
    Ok(fields
        .map(|(name, text)| (name, serde_json::from_slice(&text).unwrap_or_default()))
        .collect())
}

async fn hash(store: &Store, key: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let reply = redis::cmd("HGETALL")
        .arg(key)
        .query_async(&mut store.shared())
        .await
        .map_err(|error| refused(READING, error))?;
    decode(READING, reply)
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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::cache::stats::Recorder;
    use crate::clock::ManualClock;

    async fn scene() -> (Store, Clock, ManualClock) {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000_000));
        (Store::open("memory:").await.unwrap(), clock, hand)
    }

    fn present(recorder: &Recorder) -> Present {
        let stats = recorder.snapshot(LocalStats::default());
        Present {
            channel: "tracking",
            breaker: "closed",
            stats: CacheStats {
                namespaces: [("products@1".to_owned(), stats)].into(),
                local: LocalStats::default(),
            },
            settings: [("products@1".to_owned(), serde_json::json!({"ttlMs": 5}))].into(),
        }
    }

    #[tokio::test]
    async fn what_processes_report_adds_up() {
        let (store, clock, _hand) = scene().await;
        for misses in [3, 4] {
            let recorder = Recorder::new(clock.clone());
            (0..misses).for_each(|_| recorder.missed("acme:7:", None));
            let mut reporter = Reporter::new(store.clone(), clock.clone());
            assert!(reporter.tell(present(&recorder)).await.unwrap());
        }
        let fleet = Fleet::read(&store, &clock).await.unwrap();
        assert_eq!(fleet.processes.len(), 2);
        assert_eq!(fleet.processes[0].pid, std::process::id());
        assert_eq!(fleet.namespaces["products@1"]["ttlMs"], 5);
        let stats = fleet.stats();
        assert_eq!(stats.namespaces["products@1"].counts.misses, 7);
        assert_eq!(stats.namespaces["products@1"].top.keys[0].reads, 7);
    }

    #[tokio::test]
    async fn nothing_is_written_while_nothing_happens_but_for_a_sign_of_life() {
        let (store, clock, hand) = scene().await;
        let recorder = Recorder::new(clock.clone());
        let mut reporter = Reporter::new(store.clone(), clock.clone());
        assert!(reporter.tell(present(&recorder)).await.unwrap());
        hand.advance(EVERY);
        assert!(!reporter.tell(present(&recorder)).await.unwrap());
        recorder.local_hit();
        assert!(reporter.tell(present(&recorder)).await.unwrap());
        hand.advance(ALIVE);
        assert!(reporter.tell(present(&recorder)).await.unwrap());
    }

    #[tokio::test]
    async fn a_process_that_ended_is_dropped_by_whoever_writes() {
        let (store, clock, hand) = scene().await;
        let recorder = Recorder::new(clock.clone());
        let mut ended = Reporter::new(store.clone(), clock.clone());
        ended.tell(present(&recorder)).await.unwrap();
        hand.advance(STALE);
        assert_eq!(Fleet::read(&store, &clock).await.unwrap().processes.len(), 1);
        hand.advance(EVERY);
        let fleet = Fleet::read(&store, &clock).await.unwrap();
        assert!(fleet.processes.is_empty());
        assert_eq!(
            fleet.stats().namespaces["products@1"].counts.reads(),
            0,
            "the namespace is still known"
        );
        let mut reporter = Reporter::new(store.clone(), clock.clone());
        reporter.tell(present(&recorder)).await.unwrap();
        let left: Vec<String> = read_all(&store)
            .await
            .unwrap()
            .into_iter()
            .map(|(process, _)| process)
            .collect();
        assert_eq!(left, [reporter.process]);
    }

    #[tokio::test]
    async fn the_task_reports_by_the_clock_and_ends_with_what_it_looks_at() {
        let (store, clock, hand) = scene().await;
        let recorder = Arc::new(Recorder::new(clock.clone()));
        let (looks, weak) = (Arc::new(AtomicU64::new(0)), Arc::downgrade(&recorder));
        let counted = Arc::clone(&looks);
        let mut reporting = Reporter::new(store.clone(), clock.clone()).start(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Some(present(&*weak.upgrade()?))
        });
        while looks.load(Ordering::SeqCst) < 3 {
            hand.advance(EVERY);
            tokio::task::yield_now().await;
        }
        assert_eq!(Fleet::read(&store, &clock).await.unwrap().processes.len(), 1);
        drop(recorder);
        while !reporting.0.is_finished() {
            hand.advance(EVERY);
            tokio::task::yield_now().await;
        }
        (&mut reporting.0).await.unwrap();
    }

    #[tokio::test]
    async fn garbage_among_the_reports_is_passed_over() {
        let (store, clock, _hand) = scene().await;
        redis::cmd("HSET")
            .arg(cache_reports(store.prefix()))
            .arg("stranger")
            .arg("{")
            .exec_async(&mut store.shared())
            .await
            .unwrap();
        assert_eq!(Fleet::read(&store, &clock).await.unwrap(), Fleet::default());
    }
}
