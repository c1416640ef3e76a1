//! cached: least recently used with a time to live, in shards. Its call that loads takes the key by value and does
//! not share a load.

use std::sync::Arc;

use cached::ShardedLruTtlCache;

use super::{Peer, TTL, Value};

pub(super) struct Cached(ShardedLruTtlCache<String, Arc<Value>>);

impl Cached {
    pub(super) fn new(capacity: usize) -> Self {
        Self(ShardedLruTtlCache::new(capacity, TTL))
    }
}

impl Peer for Cached {
    fn name(&self) -> &'static str {
        "cached"
    }

    fn has_ttl(&self) -> bool {
        true
    }

    fn has_flights(&self) -> bool {
        false
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.get(key)
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        Some(self.0.get_or_set_with(key.to_owned(), || Arc::new(Value::new(0))))
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        self.0.set(key.to_owned(), value);
    }
}
