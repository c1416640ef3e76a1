//! What many write themselves: least recently used under one lock.

use std::sync::Arc;

use cached::{Cached, LruCache};
use parking_lot::Mutex;

use super::{Peer, Value};

pub(super) struct Lru(Mutex<LruCache<String, Arc<Value>>>);

impl Lru {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Mutex::new(LruCache::new(capacity)))
    }
}

impl Peer for Lru {
    fn name(&self) -> &'static str {
        "mutex_lru"
    }

    fn has_ttl(&self) -> bool {
        false
    }

    fn has_flights(&self) -> bool {
        false
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.lock().cache_get(key).cloned()
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        self.get(key)
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        self.0.lock().cache_set(key.to_owned(), value);
    }
}
