//! Making many entries a miss at once, by what they depend on.
//!
//! A tag, a tenant or a namespace is invalidated by one write each, however many entries depend on it. Room in the store comes back
//! as entries end. Next: `lua/cache/invalidate.lua`, `docs/design/cache.md` ("Invalidation").

use super::key::{CacheKey, Tag};
use super::loading::millis;
use super::namespace::Namespace;
use super::recovery::Notice;
use super::shared::Trouble;
use super::space::Site;
use crate::error::Result;
use crate::store::{CACHE_CLEAR, CACHE_INVALIDATE};

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Makes every entry that depends on one of these tags a miss, also those whose load is under way.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`] when the store did not answer, [`crate::Error::Store`] when it refused (no rights, for one): other
    /// processes may still read what was there. This process does not; it repeats the invalidation until the store takes it
    /// ([`super::Cache::pending_invalidations`]).
    pub async fn invalidate(&self, tags: &[Tag]) -> Result<()> {
        let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        self.site.invalidate(&self.tenant, &names).await?;
        self.site.space.recorder.invalidated_tags(tags.len() as u64);
        Ok(())
    }

    /// Makes every entry of the namespace a miss; of a tenant's handle, every entry of that tenant.
    ///
    /// # Errors
    /// As [`Self::invalidate`].
    pub async fn clear(&self) -> Result<()> {
        if self.tenant.is_empty() {
            self.site.clear().await?;
            self.site.space.recorder.invalidated_namespace();
        } else {
            self.site.invalidate(&self.tenant, &[""]).await?;
            self.site.space.recorder.invalidated_tenant();
        }
        Ok(())
    }
}

impl Site {
    /// An empty tag is the tenant itself.
    pub(crate) async fn invalidate(&self, tenant: &str, tags: &[&str]) -> Result<()> {
        if tags.is_empty() {
            return Ok(());
        }
        let stamp = |tag: &&str| [tenant.as_bytes(), b":", tag.as_bytes(), b":"].concat();
        let stamps: Vec<Vec<u8>> = tags.iter().map(stamp).collect();
        let telling = self.telling(Notice::Tags(stamps.clone()));
        if self.space.settings.keeps_shared() {
            let stamps: Vec<&[u8]> = stamps.iter().map(|stamp| &stamp[..]).collect();
            if let Err(trouble) = self.send_invalidate(&stamps).await {
                return Err(telling.failed(trouble, "invalidate tags of the cache"));
            }
        }
        telling.told();
        Ok(())
    }

    pub(crate) async fn clear(&self) -> Result<()> {
        let telling = self.telling(Notice::Everything);
        if self.space.settings.keeps_shared()
            && let Err(trouble) = self.send_clear().await
        {
            return Err(telling.failed(trouble, "clear the cache"));
        }
        telling.told();
        Ok(())
    }

    /// A script of ours wrote stamps of these tags (1), or began the namespace anew (2). A server that keeps what a client wrote itself from
    /// it also keeps what others changed before that in the same turn, so all of it counts as changed here. Today's servers do so for plain
    /// commands only, and push what scripts wrote to everybody; nothing is lost if they change. Rare: stamps are written once an hour at the most.
    pub(crate) fn wrote<'t>(&self, written: u8, tenant: &str, tags: impl IntoIterator<Item = &'t str>) {
        let (local, number) = (&self.shared.local, self.space.number);
        match written {
            0 => (),
            1 => {
                if !tenant.is_empty() {
                    local.tag_changed(number, tenant, "");
                }
                for tag in tags {
                    local.tag_changed(number, tenant, tag);
                }
            }
            _ => local.namespace_changed(number),
        }
    }

    /// By `TENANT:TAG:` of each.
    pub(crate) async fn send_invalidate(&self, stamps: &[&[u8]]) -> Result<i64, Trouble> {
        let space = &self.space;
        let (life, _) = space.settings.stamp_life(space.settings.freshness.life());
        let mut question = CACHE_INVALIDATE.call(space.keys.prefix());
        question
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(life))
            .arg(&self.shared.prefix);
        for stamp in stamps {
            question.arg(*stamp);
        }
        self.run(&CACHE_INVALIDATE, &question).await
    }

    pub(crate) async fn send_clear(&self) -> Result<i64, Trouble> {
        let mut question = CACHE_CLEAR.call(self.space.keys.prefix());
        question
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(&self.shared.prefix);
        self.run(&CACHE_CLEAR, &question).await
    }
}
