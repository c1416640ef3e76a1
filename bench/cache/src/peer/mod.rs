//! Who takes part. Every cache gives out shared values by the text of a key, with a time to live where it has one.
//!
//! To join: a module with a type that is a [`Peer`], and a line in [`all`].

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Outcome;

mod amalgam;
mod cached;
mod foyer;
mod lru;
mod moka;
mod ours;
mod quick_cache;
mod tier;

/// Long enough that nothing ends while it is measured.
const TTL: Duration = Duration::from_secs(3600);

/// What is cached.
#[derive(Serialize, Deserialize)]
pub(crate) struct Value {
    number: usize,
    #[serde(skip, default = "text")]
    _text: [u8; 100],
}

const fn text() -> [u8; 100] {
    [b'v'; 100]
}

impl Value {
    pub(crate) const fn new(number: usize) -> Self {
        Self {
            number,
            _text: text(),
        }
    }
}

/// A cache.
pub(crate) trait Peer: Send + Sync {
    fn name(&self) -> &'static str;

    /// Whether entries end, which a hit has to check.
    fn has_ttl(&self) -> bool;

    /// Whether callers who miss at once load once.
    fn has_flights(&self) -> bool;

    /// A look-up.
    fn get(&self, key: &str) -> Option<Arc<Value>>;

    /// The call that loads on a miss; `None` when it would.
    fn get_or_load(&self, key: &str) -> Option<Arc<Value>>;

    fn put(&self, key: &str, value: Arc<Value>);
}

/// All of them, empty, with room for this many entries.
pub(crate) fn all(capacity: usize) -> Outcome<Vec<Box<dyn Peer>>> {
    Ok(vec![
        Box::new(ours::Ours::new(capacity)?),
        Box::new(tier::Tier::new(capacity)),
        Box::new(moka::Moka::new(capacity)),
        Box::new(quick_cache::QuickCache::new(capacity)),
        Box::new(cached::Cached::new(capacity)),
        Box::new(amalgam::Amalgam::new(capacity)?),
        Box::new(foyer::Foyer::new(capacity)),
        Box::new(lru::Lru::new(capacity)),
    ])
}
