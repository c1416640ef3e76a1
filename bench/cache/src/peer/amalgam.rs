//! amalgam-cache, by its blocking calls, which its authors measure to be faster than the asynchronous ones.

use std::sync::Arc;

use amalgam::{BlockingCache, Cache, EntryOptions};

use super::{Peer, TTL, Value};
use crate::Outcome;

pub(super) struct Amalgam(BlockingCache<Arc<Value>>);

impl Amalgam {
    pub(super) fn new(capacity: usize) -> Outcome<Self> {
        let builder = Cache::builder()
            .default_options(EntryOptions::new(TTL))
            .max_capacity(capacity as u64);
        Ok(Self(BlockingCache::from_builder(builder)?))
    }
}

impl Peer for Amalgam {
    fn name(&self) -> &'static str {
        "amalgam"
    }

    fn has_ttl(&self) -> bool {
        true
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        self.0.try_get(key).execute().ok()?
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        let source = amalgam::source::factory(|context| Err(context.fail("not there")));
        self.0.get_or_set(key, source).execute().ok()
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        // What could not be put in is missed later, and counts there.
        let _ = self.0.set(key, value).execute();
    }
}
