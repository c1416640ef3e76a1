//! Reading the same rows only once: typed values in this process and in the store, and nothing older behind an invalidation.
//!
//! A [`Cache`] stands on a store. A [`Namespace`] of it holds one kind of values, by typed keys:
//!
//! ```
//! use oxherd::Oxherd;
//! use oxherd::cache::{Freshness, Tag, Ttl};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Product {
//!     name: String,
//!     category: u64,
//! }
//!
//! # async fn load(id: u64) -> Result<Product, std::io::Error> {
//! #     Ok(Product { name: format!("product {id}"), category: 7 })
//! # }
//! # #[tokio::main]
//! # async fn main() -> oxherd::Result<()> {
//! let oxherd = Oxherd::connect("memory:").await?;
//! let products = oxherd
//!     .cache()
//!     .namespace::<u64, Product>("products")
//!     .freshness(Freshness::of(Ttl::MEDIUM))
//!     .open()?;
//!
//! // Loaded once, whoever asks.
//! let product = products.get_or_load(&42, || load(42)).tag(Tag::new("category").with(&7)).await?;
//!
//! // After the commit of a write:
//! products.remove(&42).await?;
//! products.invalidate(&[Tag::new("category").with(&7)]).await?;
//! # let _ = product;
//! # Ok(())
//! # }
//! ```
//!
//! # What may be returned when
//!
//! An entry is as of a moment in the sequence of its namespace's invalidations, and is served only while nothing that
//! concerns it has happened since; see [`Level`] for the promises, and `docs/cache-patterns.md` for which pattern fits when.
//!
//! Next: `docs/design/cache.md`, then `answer.rs` (how a read is answered), `loading.rs` (the lease), `local/` (this process).

mod abandoned;
mod answer;
mod asking;
mod batch;
mod builder;
mod complaint;
mod counter;
mod fleet;
mod flight;
mod freshness;
mod gathering;
mod get;
mod inspect;
mod invalidate;
mod key;
mod listener;
mod load;
mod loaded;
mod loading;
mod local;
mod many;
mod namespace;
mod pattern;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "tests"
)]
mod proof;
mod read_through;
mod reading;
mod recovery;
mod report;
mod reporting;
mod rules;
mod settings;
mod shared;
mod space;
mod standing;
mod stats;
mod text;
mod value;
mod verify;
mod waits;
mod within;
mod write;

pub use builder::{Cache, CacheBuilder, NamespaceBuilder};
pub use fleet::Fleet;
pub use freshness::{Freshness, Ttl};
pub use get::{Answer, Get, Lookup};
pub use inspect::{BigKeys, Bounds, Entry, EntryHeader, EntryState, Inspector, Matching, Removed};
pub use key::{CacheKey, KeyWriter, Tag};
pub use load::{Found, GetOrLoad, Maybe, Value};
pub use loaded::Loaded;
pub use loading::{LoadPanicked, LoadTimedOut};
pub use many::{GetMany, GetOrLoadMany};
pub use namespace::Namespace;
pub use read_through::{ReadThrough, ReadThroughTenants, WarmUp};
pub use report::ProcessReport;
pub use rules::{Applied, Rules};
pub use settings::{Level, Tiers};
pub use stats::{
    BigKey, CacheStats, Counts, LastMinute, Latencies, Latency, LocalStats, NamespaceStats, Tier, TopKey,
    TopKeys,
};
pub use value::{Codec, Compression, EncryptionKey, KeyId, KeyRing, Packing};
pub use write::{Intent, Remove, Set};
