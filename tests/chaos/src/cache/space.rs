//! One namespace for each promise and tier, and what is cached in it.
//!
//! Times are short, so that entries end, go stale and are refreshed all the time. Loaders take a while after they have read, so that
//! invalidations overtake them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use oxherd::cache::{Cache, Freshness, Level, Loaded, Namespace, Tag, Tiers};
use oxherd::{Oxherd, Result};

use crate::source::Source;

/// How many rows a namespace has, and how many of them most calls are about.
const KEYS: u64 = 48;
const HOT: u64 = 4;
/// How many rows of a namespace have a tag in common.
pub(crate) const GROUPS: u64 = 6;
/// What a replica lags at the most.
const LAG_MS: u64 = 400;

/// A row: which it is, and its version.
pub(crate) type Row = (u64, u64);

/// What is promised, and so how rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Old by the TTL at the most: nobody says what was written.
    Ttl,
    /// Keys and tags are invalidated after each write.
    Delete,
    /// The same with versions; loaders read a replica.
    Fenced,
    /// Writes are announced.
    Intent,
    /// Nobody says what was written; writers ask for what they wrote.
    OwnWrites,
}

/// A namespace of this process.
pub(crate) struct Space {
    pub(crate) name: &'static str,
    pub(crate) promise: Promise,
    pub(crate) rows: Namespace<u64, Row>,
    /// Whether this process may answer by itself.
    pub(crate) is_local: bool,
    /// Whether the source fails now and then.
    pub(crate) does_fail: bool,
    pub(crate) source: Arc<Source>,
    /// The last version this process has written of each row.
    pub(crate) own: Vec<AtomicU64>,
}

/// What a source says that fails.
#[derive(Debug)]
pub(crate) struct SourceDown;

impl std::fmt::Display for SourceDown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the source is down")
    }
}

impl std::error::Error for SourceDown {}

pub(crate) fn all(oxherd: &Oxherd, source: &Arc<Source>) -> Result<Vec<Arc<Space>>> {
    let cache = oxherd.cache();
    let plan = [
        ("ttl-shared", Promise::Ttl, Tiers::Shared),
        ("ttl-both", Promise::Ttl, Tiers::Both),
        ("delete-shared", Promise::Delete, Tiers::Shared),
        ("delete-both", Promise::Delete, Tiers::Both),
        ("delete-failing", Promise::Delete, Tiers::Both),
        ("fenced-shared", Promise::Fenced, Tiers::Shared),
        ("fenced-both", Promise::Fenced, Tiers::Both),
        ("intent-both", Promise::Intent, Tiers::Both),
        ("own-both", Promise::OwnWrites, Tiers::Both),
    ];
    plan.into_iter()
        .map(|(name, promise, tiers)| Space::open(&cache, source, name, promise, tiers).map(Arc::new))
        .collect()
}

impl Space {
    fn open(
        cache: &Cache,
        source: &Arc<Source>,
        name: &'static str,
        promise: Promise,
        tiers: Tiers,
    ) -> Result<Self> {
        let does_fail = name == "delete-failing";
        let mut freshness = Freshness::of(Duration::from_secs(2));
        if promise == Promise::Delete {
            freshness = freshness.stale_while_revalidate(Duration::from_secs(1));
        }
        if does_fail {
            freshness = freshness.stale_if_error(Duration::from_secs(60));
        }
        let level = match promise {
            Promise::Ttl | Promise::OwnWrites => Level::Ttl,
            Promise::Delete => Level::Delete,
            Promise::Fenced => Level::Fenced,
            Promise::Intent => Level::Intent,
        };
        let mut rows = cache
            .namespace::<u64, Row>(name)
            .freshness(freshness)
            .tiers(tiers)
            .level(level)
            .lease_term(Duration::from_secs(1))
            .outage_ttl(Duration::from_secs(2));
        if matches!(promise, Promise::Fenced | Promise::OwnWrites) {
            rows = rows.version_of(|row: &Row| row.1);
        }
        let mut rows = rows.open()?;
        if name == "delete-shared" {
            rows = rows.tenant("acme")?;
        }
        Ok(Self {
            name,
            promise,
            rows,
            is_local: tiers == Tiers::Both && promise != Promise::Intent,
            does_fail,
            source: Arc::clone(source),
            own: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// A row, one of few mostly.
    pub(crate) fn some_key() -> u64 {
        rand::random_range(0..if rand::random_bool(0.5) { HOT } else { KEYS })
    }

    pub(crate) fn tag(key: u64) -> Tag {
        Tag::new("group").with(&(key % GROUPS))
    }

    /// The rows with this one's tag.
    pub(crate) fn group(key: u64) -> impl Iterator<Item = u64> {
        (0..KEYS).filter(move |other| other % GROUPS == key % GROUPS)
    }

    /// Reads a row at its source, as a loader does; says so once it was asked to.
    pub(crate) async fn load(
        self: Arc<Self>,
        key: u64,
        is_called: Arc<AtomicBool>,
    ) -> std::result::Result<Loaded<Row>, SourceDown> {
        is_called.store(true, Ordering::SeqCst);
        let is_replica = self.promise == Promise::Fenced && rand::random_bool(0.5);
        let lag = if is_replica {
            rand::random_range(0..LAG_MS)
        } else {
            0
        };
        let version = self.source.read(self.name, key, lag).await;
        let long = rand::random_bool(0.03);
        tokio::time::sleep(Duration::from_millis(rand::random_range(
            0..if long { 500 } else { 20 },
        )))
        .await;
        if self.does_fail && rand::random_bool(0.2) {
            return Err(SourceDown);
        }
        let row = (key, version.map_err(|_gone| SourceDown)?);
        let loaded = Loaded::new(row);
        Ok(if self.promise == Promise::Delete {
            loaded.tag(Self::tag(key))
        } else {
            loaded
        })
    }

    /// As [`Self::load`], for several rows.
    pub(crate) async fn load_many(
        self: Arc<Self>,
        keys: Vec<u64>,
    ) -> std::result::Result<HashMap<u64, Loaded<Row>>, SourceDown> {
        let mut found = HashMap::new();
        for key in keys {
            let row = Arc::clone(&self).load(key, Arc::default()).await?;
            found.insert(key, row);
        }
        Ok(found)
    }
}
