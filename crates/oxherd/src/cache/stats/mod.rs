//! What the cache counts, cheap enough for a hit of a hundred nanoseconds.
//!
//! Each namespace of a process has one [`Recorder`], whose methods are named after what happened. A picture of it is
//! a [`NamespaceStats`], all of them are a [`CacheStats`]; both go over the wire and add up over processes.
//! Next: `counts.rs` (everything that is counted), `recorder.rs` (who counts), `snapshot.rs` (what comes out),
//! `stripes.rs`, `histogram.rs` and `top.rs` (how).

mod big;
mod counts;
mod histogram;
mod recorder;
mod snapshot;
mod stripes;
#[cfg(test)]
mod tests;
mod top;

use serde::{Deserialize, Serialize};

pub use big::BigKey;
pub use counts::Counts;
pub use histogram::Latency;
pub use snapshot::{CacheStats, LastMinute, Latencies, LocalStats, NamespaceStats};
pub use top::{TopKey, TopKeys};

pub(crate) use big::{largest, tenant_and_key};
pub(crate) use recorder::Recorder;

/// Where a hit was answered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tier {
    /// This process.
    Local,
    /// The store.
    Shared,
}

/// Why a value past its TTL was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StaleReason {
    /// Somebody refreshes it.
    Revalidating,
    /// The load failed.
    Error,
    /// The load took longer than the soft time-out.
    Timeout,
}

/// What a load was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadReason {
    /// A reader found nothing.
    Miss,
    /// A value is about to end, or has ended and is served stale.
    Refresh,
}

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadEnd {
    /// With a value, or with the knowledge that there is none.
    Ok,
    /// With an error.
    Failed,
    /// By the hard time-out.
    TimedOut,
}

/// Why a loaded value was not kept in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FillRefusal {
    /// The lease was void.
    Voided,
    /// The namespace was cleared meanwhile.
    Cleared,
    /// It is older than the fence.
    Fenced,
    /// A tag or the tenant was invalidated meanwhile, or is not known to have not been.
    Tagged,
    /// A write was announced.
    Marked,
    /// It is larger than values may be.
    TooLarge,
}
