//! Reading the same rows only once: typed values in this process and in the store, never wrong after a write.
//!
//! Next: `docs/design/cache.md`.

mod inspect;
mod key;
mod local;
mod report;
mod stats;
mod value;

pub use inspect::{BigKeys, Bounds, Entry, EntryState, Inspector, Matching, Removed};
pub use report::{Fleet, ProcessReport};
pub use stats::{
    BigKey, CacheStats, Counts, LastMinute, Latencies, Latency, LocalStats, NamespaceStats, Tier, TopKey,
    TopKeys,
};
pub use value::{Codec, Compression, EncryptionKey, KeyId, KeyRing, Packing};
