//! What a store holds, for whoever looks after it: what it says of itself, and a look at its keys.
//!
//! The look walks the keyspace a page at a time and keeps counts alone, of a bounded number of prefixes. It changes
//! nothing; a store in use goes on meanwhile, so the counts are as true as the moment is long.
//! Next: `scan.rs` (the walk).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Connection, Pick, Store, decode, refused};
use crate::error::Result;

/// What is attempted, for errors.
const OPERATION: &str = "look at the store";
/// Keys asked about in one round trip.
const BATCH: usize = 250;
/// A walk may meet large keys.
const DEADLINE: Duration = Duration::from_secs(60);
/// So many prefixes are counted; keys of further ones are counted together.
const PREFIXES: usize = 10_000;

/// What a store says of itself. Whatever it does not say is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// Keys by the index of their database.
    pub databases: BTreeMap<u64, DatabaseInfo>,
    /// Bytes of all keys and values, as the store counts.
    pub memory: Option<u64>,
    /// The most there were.
    pub memory_peak: Option<u64>,
    /// Bytes beyond which writes are refused; 0 is no limit.
    pub memory_limit: Option<u64>,
    /// Connected clients.
    pub clients: Option<u64>,
    /// For how long it has run.
    pub uptime: Option<Duration>,
    /// What has changed goes to a log.
    pub has_log: Option<bool>,
    /// The last write to that log succeeded.
    pub log_is_healthy: Option<bool>,
    /// Bytes of the log. Of a Redis with the image it begins with.
    pub log_bytes: Option<u64>,
    /// Bytes of the image it begins with.
    pub image_bytes: Option<u64>,
    /// When what was written is made durable: `always`, `everysec` or `never`.
    pub fsync: Option<String>,
    /// Why the journal takes nothing more.
    pub journal_error: Option<String>,
}

/// What a store says of one of its databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseInfo {
    /// Keys.
    pub keys: u64,
    /// Of these, so many expire.
    pub expiring: u64,
}

/// What the keys of a store's database are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStats {
    /// Keys looked at.
    pub keys: u64,
    /// Those were all.
    pub is_all: bool,
    /// By type, as `TYPE` names it.
    pub by_type: BTreeMap<String, Held>,
    /// By prefix, the largest first: up to the second colon of the key's name, so a queue is one prefix; a name with a
    /// single colon up to that, one without is not counted.
    pub by_prefix: Vec<(String, Held)>,
}

/// Some keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many.
    pub keys: u64,
    /// Bytes of them and their values, as `MEMORY USAGE` estimates.
    pub bytes: u64,
}

impl Held {
    fn add(&mut self, bytes: u64) {
        self.keys += 1;
        self.bytes += bytes;
    }
}

impl Store {
    /// Asks the store what it says of itself.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`] when the store is away.
    pub async fn info(&self) -> Result<StoreInfo> {
        let reply = redis::cmd("INFO").query_async(&mut self.shared()).await;
        let text: String = decode(OPERATION, reply.map_err(|error| refused(OPERATION, error))?)?;
        Ok(parse(&text))
    }

    /// Looks at the keys of the store's database, whatever their prefix, at `limit` of them at the most.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`] when the store is away.
    pub async fn key_stats(&self, limit: u64) -> Result<KeyStats> {
        let mut connection = self.shared().with_deadline(DEADLINE);
        let mut stats = KeyStats {
            is_all: true,
            ..KeyStats::default()
        };
        let mut prefixes = HashMap::new();
        let mut scan = self.scan(Pick::default(), OPERATION);
        while let Some(page) = scan.next().await? {
            let left = usize::try_from(limit - stats.keys).unwrap_or(usize::MAX);
            for batch in page.get(..left.min(page.len())).unwrap_or(&page).chunks(BATCH) {
                look(&mut connection, batch, &mut stats, &mut prefixes).await?;
            }
            if left < page.len() || stats.keys >= limit {
                stats.is_all = left >= page.len() && scan.next().await?.is_none();
                break;
            }
        }
        stats.by_prefix = prefixes.into_iter().collect();
        stats.by_prefix.sort_by(|(name, one), (other_name, other)| {
            (other.bytes, other.keys, name).cmp(&(one.bytes, one.keys, other_name))
        });
        Ok(stats)
    }
}

async fn look(
    connection: &mut Connection,
    keys: &[Vec<u8>],
    stats: &mut KeyStats,
    prefixes: &mut HashMap<String, Held>,
) -> Result<()> {
    let mut pipeline = redis::pipe();
    for key in keys {
        pipeline.cmd("TYPE").arg(key);
        pipeline.cmd("MEMORY").arg("USAGE").arg(key);
    }
    let reply = pipeline.query_async(connection).await;
    let replies: Vec<redis::Value> = reply.map_err(|error| refused(OPERATION, error))?;
    let mut replies = replies.into_iter();
    for key in keys {
        let mut next = || replies.next().unwrap_or(redis::Value::Nil);
        let kind: String = decode(OPERATION, next())?;
        let bytes: Option<u64> = decode(OPERATION, next())?;
        stats.keys += 1;
        let Some(bytes) = bytes.filter(|_| kind != "none") else {
            // It has gone meanwhile.
            continue;
        };
        stats.by_type.entry(kind).or_default().add(bytes);
        if let Some(prefix) = prefix(key) {
            count(prefixes, prefix, bytes);
        }
    }
    Ok(())
}

/// Up to the second colon.
fn prefix(key: &[u8]) -> Option<String> {
    let mut colons = key.iter().enumerate().filter(|(_, byte)| **byte == b':');
    let first = colons.next()?.0;
    let end = colons.next().map_or(first, |(second, _)| second);
    Some(String::from_utf8_lossy(key.get(..end)?).into_owned())
}

fn count(prefixes: &mut HashMap<String, Held>, prefix: String, bytes: u64) {
    if prefixes.len() < PREFIXES || prefixes.contains_key(&prefix) {
        prefixes.entry(prefix).or_default().add(bytes);
    }
}

/// The fields of `INFO` that matter here.
fn parse(text: &str) -> StoreInfo {
    let fields: HashMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .collect();
    let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());
    let words = |name: &str| {
        let value = fields.get(name).filter(|value| !value.is_empty());
        value.map(|value| (*value).to_owned())
    };
    StoreInfo {
        databases: fields
            .iter()
            .filter_map(|(name, value)| database(name, value))
            .collect(),
        memory: number("used_memory"),
        memory_peak: number("used_memory_peak"),
        memory_limit: number("maxmemory"),
        clients: number("connected_clients"),
        uptime: number("uptime_in_seconds").map(Duration::from_secs),
        has_log: number("aof_enabled").map(|enabled| enabled != 0),
        log_is_healthy: fields.get("aof_last_write_status").map(|status| *status == "ok"),
        log_bytes: number("aof_current_size"),
        image_bytes: number("aof_base_size"),
        fsync: words("oxherd_fsync"),
        journal_error: words("oxherd_journal_error"),
    }
}

/// `db0:keys=1,expires=0,avg_ttl=0`.
fn database(name: &str, value: &str) -> Option<(u64, DatabaseInfo)> {
    let index = name.strip_prefix("db")?.parse().ok()?;
    let mut info = DatabaseInfo::default();
    for part in value.split(',') {
        match part.split_once('=')? {
            ("keys", count) => info.keys = count.parse().ok()?,
            ("expires", count) => info.expiring = count.parse().ok()?,
            _ => {}
        }
    }
    Some((index, info))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_does_not_say_is_left_out() {
        let info = parse("used_memory:7\r\naof_enabled:1\r\naof_last_write_status:err\r\nmaxmemory:x\r\n");
        assert_eq!(
            (info.memory, info.memory_limit, info.fsync),
            (Some(7), None, None)
        );
        assert_eq!((info.has_log, info.log_is_healthy), (Some(true), Some(false)));
        assert_eq!(parse(""), StoreInfo::default());
    }

    #[test]
    fn databases_are_counted() {
        let info =
            parse("# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=5\r\ndb7:keys=2,expires=0\r\ndbx:keys=1\r\n");
        assert_eq!(info.databases.len(), 2);
        assert_eq!(info.databases[&0], DatabaseInfo { keys: 3, expiring: 1 });
    }

    #[test]
    fn a_queue_is_one_prefix() {
        for (key, expected) in [
            ("bull:mail:7", Some("bull:mail")),
            ("bull:mail:7:lock", Some("bull:mail")),
            ("session:7", Some("session")),
            ("plain", None),
        ] {
            assert_eq!(prefix(key.as_bytes()).as_deref(), expected, "{key}");
        }
        let mut prefixes = HashMap::new();
        for number in 0..PREFIXES + 5 {
            count(&mut prefixes, number.to_string(), 1);
        }
        assert_eq!(prefixes.len(), PREFIXES);
    }
}
