//! quick_cache by itself, below the library's own tier: one load of those who miss at once, no time to live.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{Peer, Value};

pub(super) struct QuickCache(Cache<String, Arc<Value>>);

impl QuickCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }
}

impl Peer for QuickCache {
    fn name(&self) -> &'static str {
        "quick_cache"
    }

    fn has_ttl(&self) -> bool {
        false
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.get(key)
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        self.0.get_or_insert_with(key, || Err(())).ok()
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        self.0.insert(key.to_owned(), value);
    }
}
