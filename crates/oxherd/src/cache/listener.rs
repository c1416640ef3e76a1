//! What the channel says, put where it belongs: into the tier of this process, and to those who wait.
//!
//! Called in the order in which the store said it, before any later reply is handed out. Does no I/O and waits for nothing.
//! Next: `local/`, `waits.rs`, `store/tracked.rs`.

use std::sync::{Arc, OnceLock, Weak};

use super::shared::Shared;
use super::space::Space;
use crate::clock::Present;
use crate::store::{CacheKeyKind, ChannelMode, Listener, cache_key_in};

/// The ear of a cache. It is there before the cache is, because the channel wants it first.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    shared: OnceLock<Weak<Shared>>,
}

impl Ear {
    pub(crate) fn belongs_to(&self, shared: &Arc<Shared>) {
        // Set once, by the one who makes both.
        let _ = self.shared.set(Arc::downgrade(shared));
    }

    fn shared(&self) -> Option<Arc<Shared>> {
        self.shared.get()?.upgrade()
    }
}

impl Listener for Ear {
    fn changed(&self, key: &[u8]) {
        if let Some(shared) = self.shared() {
            shared.heard_change(key);
        }
    }

    fn flushed(&self) {
        if let Some(shared) = self.shared() {
            // Everything is gone from the store, so nothing here is worth anything, not even when it fails.
            for space in shared.spaces.read().values() {
                shared.local.namespace_changed(space.number);
            }
        }
    }

    fn woken(&self, lease: &[u8]) {
        if let Some(shared) = self.shared() {
            shared.waits.wake(lease);
        }
    }

    // Our own too, as pushes of what our scripts changed: a reply to them may be on its way, and another process found its change in
    // the store already, so that it had nothing to announce.
    fn announced(&self, key: &[u8]) {
        self.changed(key);
    }

    fn lost(&self) {
        if let Some(shared) = self.shared() {
            // First, for what is kept once it is known to be lost is kept in spite of that.
            shared.local.hears_nothing();
            if shared.channel.write().take().is_some() {
                tracing::warn!(
                    "a cache hears of no changes any more; what it holds is not trusted until it does"
                );
            }
            shared.waits.wake_all();
        }
    }

    fn signs_follow(&self, at: Present) {
        if let Some(shared) = self.shared() {
            shared.local.begins_to_hear(at);
        }
    }

    fn heard_all(&self, at: Present) {
        if let Some(shared) = self.shared() {
            shared.local.all_is_heard(at);
        }
    }

    fn live(&self, mode: ChannelMode) {
        if let Some(shared) = self.shared() {
            // What was kept meanwhile was kept without hearing of changes.
            shared.local.raise_floor();
            let before = shared.channel.write().replace(mode);
            if before.is_none() {
                tracing::debug!(?mode, "a cache hears of changes");
            }
            for space in shared.spaces.read().values() {
                space.recovery.store_returned();
            }
            shared.waits.wake_all();
        }
    }
}

impl Shared {
    fn heard_change(&self, key: &[u8]) {
        let Some((namespace, kind)) = cache_key_in(&self.prefix, key) else {
            return;
        };
        let spaces = self.spaces.read();
        let Some(space) = std::str::from_utf8(namespace)
            .ok()
            .and_then(|name| spaces.get(name))
        else {
            return;
        };
        match kind {
            CacheKeyKind::Incarnation => self.local.namespace_changed(space.number),
            CacheKeyKind::Entry(key) => self.local.changed(space.number, key),
            CacheKeyKind::Stamp(tag) => self.heard_tag(space, tag),
        }
    }

    fn heard_tag(&self, space: &Space, tag: &[u8]) {
        let parts = std::str::from_utf8(tag)
            .ok()
            .and_then(|tag| tag.strip_suffix(':'))
            .and_then(|tag| tag.split_once(':'));
        match parts {
            Some((tenant, tag)) => self.local.tag_changed(space.number, tenant, tag),
            // Not written by us; whatever it means, less is held afterwards.
            None => self.local.namespace_changed(space.number),
        }
    }
}
