//! Looking at a cache from outside, and invalidating by hand: what the HTTP API and the command line do.
//!
//! An [`Inspector`] needs a store and nothing else: no types, no loaders, no cache in this process. What it shows is what lies
//! in the store; what it removes is announced to all processes as if one of them had done it. Keys and tags are given as text, in
//! the form in which lists show them.
//! Next: `entry.rs` (one entry), `remove.rs` (invalidation), `scan.rs` (what has no index), `../fleet.rs` (numbers).

mod entry;
mod remove;
mod scan;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use entry::{Entry, EntryHeader, EntryState};
pub use remove::Removed;
pub use scan::{BigKeys, Bounds, Matching};

use serde_json::Value;

use super::fleet::{Fleet, is_wrong_type};
use super::key::{LONGEST_KEY, check_name, counted};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::store::{CacheKeys, Store, decode, refused};

/// Looks at the caches of one store.
#[derive(Clone, Debug)]
pub struct Inspector {
    store: Store,
    clock: Clock,
}

impl Inspector {
    /// On this store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self {
            store,
            clock: Clock::system(),
        }
    }

    /// The same, with time as this clock shows it.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The namespaces, and what the processes that use them report.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Store`] when the store refuses (no rights, for one).
    pub async fn fleet(&self) -> Result<Fleet> {
        Fleet::read(&self.store).await
    }

    /// The settings of one namespace (`name@version`), as the process that reported last has them; `None` when the store has none: no process
    /// has reported them yet, or they were forgotten, evicted or flushed. Settings that are no JSON, or in whose place something foreign is, are `null`. Costs one question, where
    /// [`Self::fleet`] reads everything that all processes report.
    ///
    /// # Errors
    /// [`Error::CacheName`], [`Error::StoreUnavailable`]; [`Error::Store`] when the store refuses (no rights, for one).
    pub async fn settings(&self, namespace: &str) -> Result<Option<Value>> {
        let operation = "look for a namespace of the cache";
        let mut command = redis::cmd("HGET");
        command.arg(self.keys(namespace)?.totals()).arg("settings");
        let reply = match command.query_async(&mut self.store.shared()).await {
            Err(error) if is_wrong_type(&error) => return Ok(Some(Value::Null)),
            reply => reply.map_err(|error| refused(operation, error))?,
        };
        let settings: Option<Vec<u8>> = decode(operation, reply)?;
        Ok(settings.map(|text| serde_json::from_slice(&text).unwrap_or_default()))
    }

    fn keys(&self, namespace: &str) -> Result<CacheKeys> {
        // A name and its version, each as plain as names are.
        let (name, version) = namespace.split_once('@').unwrap_or((namespace, ""));
        check_name("namespace", name)?;
        if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) || version.len() > 10 {
            return Err(Error::CacheName {
                what: "namespace",
                name: namespace.to_owned(),
                reason: "it has no version; write NAME@VERSION, as `products@1`",
            });
        }
        Ok(CacheKeys::new(self.store.prefix(), namespace))
    }
}

/// `TENANT:TEXT:`, from text as lists show it. What cannot stand in a name is escaped; what is escaped stays as it is.
fn full_name(tenant: &str, text: &str) -> Result<Vec<u8>> {
    if !tenant.is_empty() {
        check_name("tenant", tenant)?;
    }
    let mut name = format!("{tenant}:").into_bytes();
    name.extend(written(text));
    name.push(b':');
    let bytes = counted(&name);
    if bytes > LONGEST_KEY {
        let reason = format!("it has {bytes} bytes with its tenant, and may have {LONGEST_KEY}");
        return Err(Error::CacheKey { reason });
    }
    Ok(name)
}

/// Text as it stands in names.
fn written(text: &str) -> Vec<u8> {
    let mut written = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b':' | b'{' | b'}' => written.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            b'!'..=b'~' => written.push(byte),
            _ => written.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    written
}

/// Whole milliseconds of what `PTTL` said; `None` when there is no key, or no end.
fn remaining(pttl: i64) -> Option<u64> {
    u64::try_from(pttl).ok()
}

/// How long a walk over the keys of a store may take unless told otherwise.
const WALK: Duration = Duration::from_secs(20);
