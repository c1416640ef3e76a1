//! Reading the same rows only once: typed values in this process and in the store, never wrong after a write.
//!
//! Next: `docs/design/cache.md`.

mod local;
mod stats;
mod value;

pub use stats::{
    BigKey, CacheStats, Counts, LastMinute, Latencies, Latency, LocalStats, NamespaceStats, Tier, TopKey,
    TopKeys,
};
