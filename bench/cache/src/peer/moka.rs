//! moka: TinyLFU, time to live, one load of those who miss at once.

use std::sync::Arc;

use moka::sync::Cache;

use super::{Peer, TTL, Value};

pub(super) struct Moka(Cache<String, Arc<Value>>);

impl Moka {
    pub(super) fn new(capacity: usize) -> Self {
        Self(
            Cache::builder()
                .max_capacity(capacity as u64)
                .time_to_live(TTL)
                .build(),
        )
    }
}

impl Peer for Moka {
    fn name(&self) -> &'static str {
        "moka"
    }

    fn has_ttl(&self) -> bool {
        true
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.get(key)
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        self.0.try_get_with_by_ref(key, || Err::<Arc<Value>, ()>(())).ok()
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        self.0.insert(key.to_owned(), value);
    }
}
