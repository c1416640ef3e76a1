//! What the caches of all processes did, gathered from the store.
//!
//! Reports are of the processes that live; totals are of all that ever were. Both are read in pages, by those who look: processes
//! themselves read nothing of each other.
//! Next: `report.rs` (who writes this), `inspect/`.

use std::collections::{BTreeMap, HashMap};

use redis::aio::ConnectionLike as _;
use redis::{FromRedisValue, Pipeline, RedisResult};
use serde_json::Value;

use super::report::{EVICTIONS, ProcessReport};
use super::stats::{CacheStats, Counts};
use crate::error::Result;
use crate::store::{CacheKeys, FleetKeys, Store, decode, refused};

const READING: &str = "read what caches reported";
/// Reports or namespaces that are asked for in one go: a report may have some ten thousand bytes.
const PAGE: usize = 64;

/// What all processes report.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Fleet {
    /// The processes that reported within the last minute, the oldest report first.
    pub processes: Vec<ProcessReport>,
    /// The namespaces that any process had open within the last 30 days (or longer, where entries live longer), with their settings; those
    /// that are no JSON, or cannot be read, are `null`.
    pub namespaces: BTreeMap<String, Value>,
    /// What was counted in each namespace by all processes that ever had it open, those that have ended too. A
    /// namespace is missing while something foreign is where its totals belong.
    pub totals: BTreeMap<String, Counts>,
    /// Entries that had to leave processes for want of room, in the life of the store.
    pub evictions: u64,
}

impl Fleet {
    /// Reads what is reported.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`]; [`crate::Error::Store`] when the store refuses (no rights, for one).
    pub async fn read(store: &Store) -> Result<Self> {
        let mut fleet = Self::default();
        fleet.read_processes(store).await?;
        fleet.read_namespaces(store).await?;
        Ok(fleet)
    }

    async fn read_processes(&mut self, store: &Store) -> Result<()> {
        let keys = FleetKeys::new(store.prefix());
        let processes = names(store, &keys.processes()).await?;
        for page in processes.chunks(PAGE) {
            let mut pipeline = redis::pipe();
            for process in page {
                pipeline.get(keys.report(process));
            }
            let reports: Vec<Option<Option<Vec<u8>>>> = ask(store, &pipeline).await?;
            // One that cannot be read is of another version.
            let reports = reports.into_iter().flatten().flatten();
            let reports = reports.filter_map(|text| serde_json::from_slice::<ProcessReport>(&text).ok());
            self.processes.extend(reports);
        }
        self.processes
            .sort_by(|one, two| (one.at, &one.process).cmp(&(two.at, &two.process)));
        Ok(())
    }

    async fn read_namespaces(&mut self, store: &Store) -> Result<()> {
        let keys = FleetKeys::new(store.prefix());
        let namespaces = names(store, &keys.namespaces()).await?;
        for page in namespaces.chunks(PAGE) {
            let mut pipeline = redis::pipe();
            for name in page {
                pipeline.hgetall(CacheKeys::new(store.prefix(), name).totals());
            }
            let found: Vec<Option<HashMap<String, Vec<u8>>>> = ask(store, &pipeline).await?;
            for (name, fields) in page.iter().zip(found) {
                match fields {
                    Some(fields) => self.know(name, &fields),
                    None => _ = self.namespaces.insert(name.clone(), Value::Null),
                }
            }
        }
        let mut pipeline = redis::pipe();
        pipeline.hget(keys.totals(), EVICTIONS);
        let evictions: Vec<Option<Option<u64>>> = ask(store, &pipeline).await?;
        self.evictions = evictions.into_iter().flatten().flatten().next().unwrap_or(0);
        Ok(())
    }

    /// A namespace that is listed; one of which nothing is left has been forgotten.
    fn know(&mut self, name: &str, fields: &HashMap<String, Vec<u8>>) {
        if fields.is_empty() {
            return;
        }
        let mut totals = Counts::default();
        for (field, number) in fields {
            let number = std::str::from_utf8(number)
                .ok()
                .and_then(|text| text.parse().ok());
            totals.set(field, number.unwrap_or(0));
        }
        let settings = fields.get("settings").map(|text| serde_json::from_slice(text));
        let settings = settings.and_then(std::result::Result::ok).unwrap_or_default();
        self.namespaces.insert(name.to_owned(), settings);
        self.totals.insert(name.to_owned(), totals);
    }

    /// What the processes that live counted, in one; for counts since the beginning see [`Fleet::totals`]. Every known namespace
    /// is there, also when nobody uses it now.
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

/// Everything in an index. One name is some thirty bytes.
async fn names(store: &Store, index: &str) -> Result<Vec<String>> {
    let mut command = redis::cmd("ZRANGE");
    command.arg(index).arg(0).arg(-1);
    let reply = command.query_async(&mut store.shared()).await;
    decode(READING, reply.map_err(|error| refused(READING, error))?)
}

/// The answers; `None` where something foreign is that cannot be read so: it costs what it stands in the place of, and nothing else.
async fn ask<T: FromRedisValue>(store: &Store, pipeline: &Pipeline) -> Result<Vec<Option<T>>> {
    let replies = store
        .shared()
        .req_packed_commands(pipeline, 0, pipeline.len())
        .await;
    let replies = replies.map_err(|error| refused(READING, error))?;
    replies
        .into_iter()
        .map(|reply| readable(reply.extract_error()))
        .collect()
}

fn readable<T: FromRedisValue>(reply: RedisResult<redis::Value>) -> Result<Option<T>> {
    match reply {
        Ok(reply) => Ok(T::from_redis_value(reply).ok()),
        Err(error) if is_wrong_type(&error) => Ok(None),
        Err(error) => Err(refused(READING, error)),
    }
}

/// Whether a key holds something of another type than was asked for.
pub(super) fn is_wrong_type(error: &redis::RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}
