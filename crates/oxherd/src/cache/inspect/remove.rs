//! Invalidating by hand. Everything here is safe to repeat, and announced to all processes; where no process would hear of it, it is
//! refused.

use rand::Rng as _;
use serde::Serialize;

use super::{Bounds, Inspector, Matching, full_name};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::store::{
    CACHE_CLEAR, CACHE_INVALIDATE, CACHE_REMOVE, CacheKeys, Pick, cache_changes, cache_prefix, decode,
    refused,
};

const MATCHING: &str = "remove keys of the cache by pattern";
/// Keys removed in one round trip.
const BATCH: usize = 250;
/// No version: the fence stays where it is.
const NO_VERSION: [u8; 8] = [0; 8];
/// Stamps that the namespace's own processes make live as long as its entries; one that we make and that ends
/// earlier is missed, and a missing stamp is a miss. So this only has to be long enough to be worth it.
const STAMP_LIFE_MS: u64 = 24 * 3600 * 1000;

/// What a removal by pattern did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Removed {
    /// Entries that are gone.
    pub removed: u64,
    /// All keys were looked at; otherwise the bounds came first, and repeating goes on.
    pub complete: bool,
}

/// A removal under way, and how far it may go.
struct Walk {
    done: Removed,
    left: u64,
    end: Timestamp,
}

impl Inspector {
    /// Removes one entry and voids the load that is under way for it; whether there was an entry. `false` also when the reply was lost, and
    /// the removal was sent once more.
    ///
    /// # Errors
    /// [`crate::Error::CacheOutOfReach`] for a namespace that processes keep to themselves, [`crate::Error::CacheName`], [`crate::Error::CacheKey`],
    /// [`crate::Error::StoreUnavailable`]; [`crate::Error::Store`] when the store refuses (no rights, for one).
    pub async fn remove(&self, namespace: &str, tenant: &str, key: &str) -> Result<bool> {
        let keys = self.reached(namespace).await?;
        let call = self.removal(&keys, &full_name(tenant, key)?);
        Ok(self.store.run_safe::<u64>(&CACHE_REMOVE, &call).await? > 0)
    }

    /// Makes every entry of the tenant that has one of these tags a miss, however many there are.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn invalidate_tags(&self, namespace: &str, tenant: &str, tags: &[&str]) -> Result<()> {
        let keys = self.reached(namespace).await?;
        let names = tags.iter().map(|tag| full_name(tenant, tag));
        let names: Vec<Vec<u8>> = names.collect::<Result<_>>()?;
        if names.is_empty() {
            return Ok(());
        }
        let mut call = CACHE_INVALIDATE.call(keys.prefix());
        call.arg(&fresh()[..])
            .arg(STAMP_LIFE_MS)
            .arg(cache_prefix(self.store.prefix()));
        for name in names {
            call.arg(name);
        }
        self.store
            .run_safe::<redis::Value>(&CACHE_INVALIDATE, &call)
            .await?;
        Ok(())
    }

    /// Makes every entry of a tenant a miss. The empty tenant has no stamp: clear the namespace instead.
    ///
    /// # Errors
    /// As of [`Self::remove`]; [`crate::Error::CacheName`] also for the empty tenant.
    pub async fn invalidate_tenant(&self, namespace: &str, tenant: &str) -> Result<()> {
        crate::cache::key::check_name("tenant", tenant)?;
        self.invalidate_tags(namespace, tenant, &[""]).await
    }

    /// Makes every entry of a namespace a miss.
    ///
    /// # Errors
    /// As of [`Self::remove`].
    pub async fn clear(&self, namespace: &str) -> Result<()> {
        let keys = self.reached(namespace).await?;
        let mut call = CACHE_CLEAR.call(keys.prefix());
        call.arg(&fresh()[..]).arg(cache_prefix(self.store.prefix()));
        self.store.run_safe::<redis::Value>(&CACHE_CLEAR, &call).await?;
        Ok(())
    }

    /// Removes the entries of a tenant whose keys match, a page at a time, and tells after each how many are gone. Loads under
    /// way for them are voided, too.
    ///
    /// This walks all keys of the store: use tags for what happens often.
    ///
    /// # Errors
    /// As of [`Self::remove`]; what was removed before stays so.
    pub async fn remove_matching(
        &self,
        namespace: &str,
        tenant: &str,
        matching: Matching<'_>,
        bounds: Bounds,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<Removed> {
        let keys = self.reached(namespace).await?;
        let names = matching.names(tenant)?;
        let mut walk = Walk {
            done: Removed::default(),
            left: bounds.keys,
            end: self.clock.now().after(bounds.time),
        };
        // Leases first: a load that ends meanwhile has left its entry before entries are looked for.
        for pattern in [keys.leases_pattern(&names), keys.entries_pattern(&names)] {
            if !self
                .remove_found(&keys, &pattern, &mut walk, &mut progress)
                .await?
            {
                return Ok(walk.done);
            }
        }
        self.announce_all(&keys).await?;
        walk.done.complete = true;
        Ok(walk.done)
    }

    /// The keys of a namespace, if there is anybody who hears of them.
    async fn reached(&self, namespace: &str) -> Result<CacheKeys> {
        // Of what is not known, and of what cannot be read, nobody has said that it is out of reach.
        let settings = self.settings(namespace).await?.unwrap_or_default();
        if settings.get("tiers").is_some_and(|tiers| tiers == "local") {
            return Err(Error::CacheOutOfReach {
                namespace: namespace.to_owned(),
            });
        }
        self.keys(namespace)
    }

    /// Processes that may not track did not hear of what the store evicted, and may hold what no walk finds: they let go of the namespace.
    async fn announce_all(&self, keys: &CacheKeys) -> Result<()> {
        let notice = keys.incarnation();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(cache_changes(self.store.prefix())).arg(notice);
        let told = publish.exec_async(&mut self.store.shared()).await;
        told.map_err(|error| refused(MATCHING, error))
    }

    /// Whether all keys with this pattern were looked at.
    async fn remove_found(
        &self,
        keys: &CacheKeys,
        pattern: &str,
        walk: &mut Walk,
        progress: &mut (impl FnMut(u64) + Send),
    ) -> Result<bool> {
        let pick = Pick {
            pattern: Some(pattern.as_bytes()),
            kind: Some("string"),
        };
        let mut scan = self.store.scan(pick, MATCHING);
        while let Some(page) = scan.next().await? {
            for batch in page.chunks(BATCH) {
                let left = usize::try_from(walk.left).unwrap_or(usize::MAX);
                let within = batch.get(..left).unwrap_or(batch);
                if within.is_empty() || self.clock.now() >= walk.end {
                    return Ok(false);
                }
                walk.left -= within.len() as u64;
                walk.done.removed += self.remove_batch(keys, within).await?;
                progress(walk.done.removed);
                if within.len() < batch.len() {
                    return Ok(false);
                }
            }
            if self.clock.now() >= walk.end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn remove_batch(&self, keys: &CacheKeys, batch: &[Vec<u8>]) -> Result<u64> {
        let names = batch.iter().filter_map(|key| keys.name_in(key));
        let calls: Vec<redis::Cmd> = names.map(|name| self.removal(keys, name)).collect();
        let replies = CACHE_REMOVE.run_all(&mut self.store.shared(), &calls).await;
        let mut removed = 0;
        for reply in replies.map_err(|error| refused(MATCHING, error))? {
            removed += decode::<u64>(MATCHING, reply.map_err(|error| refused(MATCHING, error))?)?;
        }
        Ok(removed)
    }

    fn removal(&self, keys: &CacheKeys, name: &[u8]) -> redis::Cmd {
        let mut call = CACHE_REMOVE.call(keys.prefix());
        call.arg(name)
            .arg(&NO_VERSION[..])
            .arg(0)
            .arg(cache_prefix(self.store.prefix()));
        call
    }
}

/// Bytes that nobody else has, for an incarnation.
fn fresh() -> [u8; 8] {
    let mut bytes = [0; 8];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
