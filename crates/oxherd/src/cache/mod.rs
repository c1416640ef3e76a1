//! Reading the same rows only once: typed values in this process and in the store, never wrong after a write.
//!
//! Next: `docs/design/cache.md`.

mod local;
mod stats;
mod value;

pub use value::{Codec, Compression, EncryptionKey, KeyId, KeyRing, Packing};
