//! Removing by pattern, for hands and repairs: it walks all keys of the store. Programs want tags.
//!
//! Next: `inspect/remove.rs` (the walk), `invalidate.rs` (tags).

use super::inspect::{Bounds, Inspector, Matching, Removed};
use super::key::CacheKey;
use super::namespace::Namespace;
use crate::error::Result;

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Removes the entries of this tenant whose keys match, and voids the loads under way for them. Keys are written as parts joined by `/`, with
    /// `:`, `%`, `{`, `}`, `/` and what is not printable ASCII as `%XX`. It ends when it is through, or at its bounds; what comes to be while it
    /// walks was loaded after it began.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`]: some may have been removed.
    pub async fn remove_matching(&self, matching: Matching<'_>, bounds: Bounds) -> Result<Removed> {
        let (shared, space) = (&self.site.shared, &self.site.space);
        let mut removed = Removed {
            complete: true,
            ..Removed::default()
        };
        if space.settings.keeps_shared() {
            let inspector = Inspector::new(shared.store.clone()).with_clock(shared.clock.clone());
            let walk = inspector.remove_matching(&space.name, &self.tenant, matching, bounds, |_| ());
            removed = walk.await?;
        }
        let pattern = matching.names(&self.tenant)?;
        let matches = |key: &[u8]| oxherd_engine::glob_matches(pattern.as_bytes(), key);
        let held = shared.local.usage(space.number).entries;
        shared.local.remove_matching(space.number, matches);
        if !space.settings.keeps_shared() {
            removed.removed = held.saturating_sub(shared.local.usage(space.number).entries);
        }
        space.recorder.invalidated_by_pattern(removed.removed);
        Ok(removed)
    }
}
