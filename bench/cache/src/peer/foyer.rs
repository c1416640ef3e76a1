//! The part of foyer in memory, with S3-FIFO. It has no time to live; its call that loads is asynchronous and wants
//! a runtime even for a hit, so a look-up stands for it.

use std::sync::Arc;

use foyer_memory::{Cache, CacheBuilder, CacheProperties, S3FifoConfig};

use super::{Peer, Value};

pub(super) struct Foyer(Cache<String, Arc<Value>>);

impl Foyer {
    pub(super) fn new(capacity: usize) -> Self {
        let builder = CacheBuilder::new(capacity).with_eviction_config(S3FifoConfig::default());
        Self(builder.build::<CacheProperties>())
    }
}

impl Peer for Foyer {
    fn name(&self) -> &'static str {
        "foyer"
    }

    fn has_ttl(&self) -> bool {
        false
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.get(key).map(|entry| Arc::clone(entry.value()))
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        self.get(key)
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        self.0.insert(key.to_owned(), value);
    }
}
