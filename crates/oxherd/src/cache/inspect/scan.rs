//! What has no index: keys by pattern, and the largest entries. Both walk the store's keys, within bounds.
//!
//! A walk may see a key twice, and may or may not see one that comes or goes meanwhile: what `SCAN` promises.

use std::time::Duration;

use serde::Serialize;

use super::{Inspector, WALK, full_name, written};
use crate::cache::stats::{BigKey, largest};
use crate::error::Result;
use crate::store::{Pick, decode, literal, refused};

const OPERATION: &str = "look for large entries of the cache";
/// Keys asked about in one round trip.
const BATCH: usize = 500;

/// Which keys of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matching<'a> {
    /// Those whose text begins so.
    Prefix(&'a str),
    /// Those whose text has this pattern: `*`, `?`, `[a-z]`, as `SCAN` knows them.
    Pattern(&'a str),
}

impl Matching<'_> {
    /// The pattern of `TENANT:KEY:`.
    pub(in crate::cache) fn names(self, tenant: &str) -> Result<String> {
        // Also checks the tenant.
        full_name(tenant, "")?;
        let text = |text| String::from_utf8_lossy(&written(text)).into_owned();
        Ok(match self {
            Self::Prefix(prefix) => format!("{}:{}*", literal(tenant), literal(&text(prefix))),
            Self::Pattern(pattern) => format!("{}:{}:", literal(tenant), text(pattern)),
        })
    }
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// After so many keys it ends.
    pub keys: u64,
    /// After so long it ends.
    pub time: Duration,
}

impl Default for Bounds {
    /// 100,000 keys, 20 s.
    fn default() -> Self {
        Self {
            keys: 100_000,
            time: WALK,
        }
    }
}

impl Bounds {
    /// The same with another number of keys.
    #[must_use]
    pub const fn with_keys(mut self, keys: u64) -> Self {
        self.keys = keys;
        self
    }

    /// The same with another time.
    #[must_use]
    pub const fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }
}

/// The largest entries of a namespace, as far as was looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BigKeys {
    /// Entries looked at.
    pub looked_at: u64,
    /// Those were all.
    pub complete: bool,
    /// Bytes of the entries looked at.
    pub bytes: u64,
    /// The largest, largest first.
    pub keys: Vec<BigKey>,
}

impl Inspector {
    /// Looks at the entries of a namespace, whatever their tenant, for the largest.
    ///
    /// # Errors
    /// [`crate::Error::CacheName`], [`crate::Error::StoreUnavailable`]; [`crate::Error::Store`] when the store refuses (no rights, for one).
    pub async fn big_keys(&self, namespace: &str, bounds: Bounds) -> Result<BigKeys> {
        let keys = self.keys(namespace)?;
        let pattern = keys.entries_pattern("*");
        let end = self.clock.now().after(bounds.time);
        let mut connection = self.store.shared();
        let mut big = BigKeys::default();
        let pick = Pick {
            pattern: Some(pattern.as_bytes()),
            kind: Some("string"),
        };
        let mut scan = self.store.scan(pick, OPERATION);
        while let Some(page) = scan.next().await? {
            for batch in page.chunks(BATCH) {
                let left = usize::try_from(bounds.keys - big.looked_at).unwrap_or(usize::MAX);
                if left == 0 || self.clock.now() >= end {
                    return Ok(big);
                }
                let is_last = left < batch.len();
                let batch = batch.get(..left).unwrap_or(batch);
                let mut pipeline = redis::pipe();
                for key in batch {
                    pipeline.cmd("STRLEN").arg(key);
                }
                let reply = pipeline.query_async(&mut connection).await;
                let sizes: Vec<u64> = decode(OPERATION, reply.map_err(|error| refused(OPERATION, error))?)?;
                let mut found = std::mem::take(&mut big.keys);
                for (key, bytes) in batch.iter().zip(sizes) {
                    big.looked_at += 1;
                    big.bytes = big.bytes.saturating_add(bytes);
                    found.extend(keys.name_in(key).map(|name| BigKey::of(name, bytes)));
                }
                big.keys = largest(found);
                if is_last {
                    return Ok(big);
                }
            }
        }
        big.complete = true;
        Ok(big)
    }
}
