//! The one list of everything that is counted: its name in code, in JSON, and what it means.
//!
//! A read ends as exactly one of `hitsLocal`, `hitsShared` and `misses`. `absentHits` and `staleRevalidating` are among
//! the hits; `staleOnError` and `staleOnTimeout` are among the misses, for their readers had asked for a load.

use serde::{Deserialize, Serialize};

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident $field:ident;)*) => {
        /// What may be counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Count { $($variant),* }

        impl Count {
            pub(crate) const ALL: usize = [$(Self::$variant),*].len();
        }

        /// What happened in a namespace, in numbers: in one process or several since they opened it, or, in
        /// [`Fleet::totals`](crate::cache::Fleet::totals), in all processes since the store began to count. Bytes are of envelopes as they lie
        /// in the store.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[non_exhaustive]
        pub struct Counts { $($(#[$doc])* pub $field: u64),* }

        impl Counts {
            pub(crate) fn of(sums: [u64; Count::ALL]) -> Self {
                let [$($field),*] = sums;
                Self { $($field),* }
            }

            /// Adds what another counted.
            pub fn merge(&mut self, other: &Self) {
                $(self.$field = self.$field.saturating_add(other.$field);)*
            }

            /// Every number under its field's name, in a fixed order.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field)),*]
            }

            /// The reverse of [`Self::named`]: sets one number; a name that this version does not know sets nothing.
            pub(crate) fn set(&mut self, name: &str, number: u64) {
                match name {
                    $(stringify!($field) => self.$field = number,)*
                    _ => {}
                }
            }
        }
    };
}

counts! {
    /// Reads answered from this process.
    HitLocal hits_local;
    /// Reads answered from the store.
    HitShared hits_shared;
    /// Reads that found nothing usable.
    Miss misses;
    /// Hits that said: there is none.
    HitAbsent absent_hits;
    /// Hits past their TTL, served while somebody refreshes.
    StaleRevalidating stale_revalidating;
    /// Misses answered with the stale value, for the load failed.
    StaleOnError stale_on_error;
    /// Misses answered with the stale value, for the load took longer than the soft time-out.
    StaleOnTimeout stale_on_timeout;
    /// Loads that brought a value, or that there is none.
    LoadOk loads_ok;
    /// Loads that failed.
    LoadFailed loads_failed;
    /// Loads that hit the hard time-out.
    LoadTimedOut loads_timed_out;
    /// Loads of misses that ended, however; the rest are refreshes.
    MissLoad miss_loads;
    /// Microseconds those took together.
    MissLoadMicros miss_load_micros;
    /// Readers that waited for a load of their own process.
    WaitHere waits_in_process;
    /// Loads that waited for another process's.
    WaitElsewhere waits_across_processes;
    /// Values that the store took.
    FillTaken fills_taken;
    /// Values it refused, for the lease was void: the key was removed, or the lease's term was over.
    FillVoided fills_refused_voided;
    /// Values it refused, for the namespace was cleared meanwhile.
    FillCleared fills_refused_cleared;
    /// Values it refused, for they were older than the fence.
    FillFenced fills_refused_fenced;
    /// Values it refused, for a tag or the tenant was invalidated meanwhile, or is not known to have not been.
    FillTagged fills_refused_tag;
    /// Values that were not kept, for a write was announced.
    FillMarked fills_refused_marked;
    /// Loaded values that were not kept, for they cannot be stored: too large, more than 32 tags, a tag that is too
    /// long, or refused by the codec.
    FillTooLarge fills_refused_too_large;
    /// Keys invalidated.
    InvalidatedKey invalidated_keys;
    /// Tags invalidated.
    InvalidatedTag invalidated_tags;
    /// Tenants cleared.
    InvalidatedTenant invalidated_tenants;
    /// Times the namespace was cleared.
    InvalidatedNamespace invalidated_namespaces;
    /// Keys removed by pattern.
    InvalidatedPattern invalidated_by_pattern;
    /// Entries of another program, or of a newer format.
    Foreign foreign_entries;
    /// Entries that are damaged or cannot be decoded.
    Garbage garbage_entries;
    /// Calls of the store that failed.
    StoreError store_errors;
    /// Calls that were not made, for the store's breaker was open.
    SkippedByBreaker skipped_by_breaker;
    /// Bytes written to the store.
    BytesWritten bytes_written;
    /// Bytes read from it.
    BytesRead bytes_read;
    /// Hits that the sampler compared with the source.
    Verified verified;
    /// Of these, so many differed.
    VerifiedStale verified_stale;
}

impl Counts {
    /// Reads answered from either tier.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits_local.saturating_add(self.hits_shared)
    }

    /// All reads.
    #[must_use]
    pub const fn reads(&self) -> u64 {
        self.hits().saturating_add(self.misses)
    }

    /// The share of reads that were hits, 0 to 1; `None` before the first.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        share(self.hits(), self.reads())
    }

    /// Values served past their TTL, for whatever reason.
    #[must_use]
    pub const fn stale_served(&self) -> u64 {
        self.stale_revalidating
            .saturating_add(self.stale_on_error)
            .saturating_add(self.stale_on_timeout)
    }

    /// Values that the store did not take, for whatever reason.
    #[must_use]
    pub const fn fills_refused(&self) -> u64 {
        self.fills_refused_voided
            .saturating_add(self.fills_refused_cleared)
            .saturating_add(self.fills_refused_fenced)
            .saturating_add(self.fills_refused_tag)
            .saturating_add(self.fills_refused_marked)
            .saturating_add(self.fills_refused_too_large)
    }

    /// How long a miss's load takes on average; `None` before the first.
    #[must_use]
    pub fn miss_penalty(&self) -> Option<std::time::Duration> {
        let micros = self.miss_load_micros.checked_div(self.miss_loads)?;
        Some(std::time::Duration::from_micros(micros))
    }

    /// The share of sampled hits that differed from the source, 0 to 1; `None` while none was sampled.
    #[must_use]
    pub fn stale_rate(&self) -> Option<f64> {
        share(self.verified_stale, self.verified)
    }
}

/// A part of a whole; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
