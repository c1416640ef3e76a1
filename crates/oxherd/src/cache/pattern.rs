//! Removing by pattern, for hands and repairs: it walks the whole keyspace. Programs want tags.
//!
//! Entries are found by SCAN, page by page, and so are the loads under way; what comes to be while it walks may be missed, and was loaded after
//! it began. Next: `invalidate.rs` (tags).

use std::collections::HashSet;

use futures_util::future::join_all;

use super::key::{CacheKey, KeyText};
use super::namespace::Namespace;
use super::space::Site;
use crate::error::Result;
use crate::store::Pick;

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Removes the entries whose keys match a pattern of `*`, `?`, `[a-z]` and backslash, as keys are written: parts joined by `/`, and
    /// `:`, `%`, `{`, `}`, `/` and what is not printable ASCII as `%XX`. Of this tenant alone. How many entries there were.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`]: some may have been removed.
    pub async fn remove_matching(&self, pattern: &str) -> Result<u64> {
        let removed = self.site.remove_matching(&self.tenant, pattern).await?;
        self.site.space.recorder.invalidated_by_pattern(removed);
        Ok(removed)
    }
}

impl Site {
    pub(crate) async fn remove_matching(&self, tenant: &str, pattern: &str) -> Result<u64> {
        let Self { shared, space } = self;
        let pattern = [tenant, ":", pattern, ":"].concat();
        let mut removed = 0;
        if space.settings.keeps_shared() {
            // Loads first: one that ends while entries are looked for would leave one behind.
            for glob in [space.keys.leases_matching(&pattern), space.keys.entries_matching(&pattern)] {
                removed += self.remove_found(&glob).await?;
            }
        }
        shared
            .local
            .remove_matching(space.number, |key| oxherd_engine::glob_matches(pattern.as_bytes(), key));
        Ok(removed)
    }

    async fn remove_found(&self, glob: &[u8]) -> Result<u64> {
        let pick = Pick {
            pattern: Some(glob),
            kind: Some("string"),
        };
        let mut removed = 0;
        let mut scan = self.shared.store.scan(pick, "look for entries of the cache");
        while let Some(page) = scan.next().await? {
            let keys: HashSet<KeyText> = page.iter().filter_map(|key| self.space.keys.text_in(key)).map(KeyText::written).collect();
            for removal in join_all(keys.iter().map(|key| self.remove(key, 0))).await {
                removed += u64::from(removal?);
            }
        }
        Ok(removed)
    }
}
