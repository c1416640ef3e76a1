//! An entry of the tier in this process, and what is known of it.
//!
//! A value is kept as the type it was decoded to; a look-up shares it. Everything here is fixed once an entry is made.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use smallvec::SmallVec;

use super::cell::Cell;
use crate::clock::{Timestamp, millis};

/// How much this process had been told when a read began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(super) u64);

/// What an entry is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Nothing that concerns it was told since it was read.
    Valid,
    /// Only that pushes may have been lost since: good enough when store and source both fail.
    Doubted,
    /// Something that concerns it was invalidated.
    Gone,
}

/// What the envelope of an entry said, and the times that follow from it. What look-ups compare comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Meta {
    /// The caller's version; 0 is none.
    pub(crate) version: u64,
    /// Until then it is fresh.
    pub(crate) fresh_until: Timestamp,
    /// From then on a refresh ahead of time may be drawn.
    pub(crate) refresh_from: Timestamp,
    /// From then on this tier does not have it any more, and not for longer than it [`lasts`](Self::lasts).
    pub(crate) ends: Timestamp,
    /// The token of its fill.
    pub(crate) id: [u8; 16],
    pub(crate) created: Timestamp,
    /// The same by a clock that nobody sets: how long after it was put in.
    pub(crate) lasts: Duration,
    pub(crate) ttl: Duration,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    /// How long its load took.
    pub(crate) load_micros: u64,
    /// By name, without the tenant.
    pub(crate) tags: Box<[Box<str>]>,
    /// Whether being read prolongs its life.
    pub(crate) is_sliding: bool,
}

impl Meta {
    /// It ends after this time at the latest.
    pub(crate) fn end_within(&mut self, now: Timestamp, time: Duration) {
        self.ends = self.ends.min(now.after(time));
        self.lasts = self.lasts.min(time);
    }

    /// Of an entry of this process alone, whose life counts from its last read.
    pub(crate) fn beginning_at(&self, now: Timestamp) -> Self {
        let lasts = self.ttl + self.stale_while_revalidate.max(self.stale_if_error);
        Self {
            fresh_until: now.after(self.ttl),
            refresh_from: now.after(self.ttl / 4),
            ends: now.after(lasts),
            lasts,
            ..self.clone()
        }
    }
}

/// An entry. What a look-up reads lies together, in the order of declaration: of many keys every further cache line
/// is a wait for memory.
#[repr(C)]
pub(crate) struct Held {
    value: Option<Arc<dyn Any + Send + Sync>>,
    as_of: Moment,
    /// When it [`lasts`](Meta::lasts) no longer, by [`Clock::ticks`](crate::clock::Clock::ticks).
    over_at: u64,
    cells: SmallVec<[Arc<Cell>; 3]>,
    meta: Meta,
    bytes: u32,
    /// When it was put in, by the same clock.
    since: u64,
    counted: OnceLock<(Arc<Tally>, u64)>,
}

const _: () = assert!(std::mem::offset_of!(Held, meta) + std::mem::offset_of!(Meta, ends) < 96);

impl Held {
    /// `value` is `None` for what is known to be absent; `bytes` is the length of the envelope or an estimate;
    /// `cells` are those of [`super::Local::cells`]; `as_of` was taken before the read began; `since` is the present tick.
    pub(crate) fn new(
        value: Option<Arc<dyn Any + Send + Sync>>,
        bytes: u32,
        meta: Meta,
        cells: SmallVec<[Arc<Cell>; 3]>,
        as_of: Moment,
        since: u64,
    ) -> Self {
        Self {
            value,
            as_of,
            over_at: since.saturating_add(millis(meta.lasts)),
            cells,
            bytes,
            since,
            meta,
            counted: OnceLock::new(),
        }
    }

    /// The value, whatever its type; `None` when it is absent.
    pub(crate) const fn any_value(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.value.as_ref()
    }

    /// The same entry, with other times that begin now.
    pub(crate) fn with_meta(&self, meta: Meta, since: u64) -> Self {
        Self::new(
            self.value.clone(),
            self.bytes,
            meta,
            self.cells.clone(),
            self.as_of,
            since,
        )
    }

    /// The value; `None` when it is absent or of another type (see [`Self::is_absent`]).
    #[inline]
    pub(crate) fn value<V: Any + Send + Sync>(&self) -> Option<Arc<V>> {
        Arc::downcast(Arc::clone(self.value.as_ref()?)).ok()
    }

    /// The value where it lies.
    #[cfg(test)]
    pub(crate) fn value_ref<V: Any + Send + Sync>(&self) -> Option<&V> {
        self.value.as_deref()?.downcast_ref()
    }

    /// Whether the source is known to have nothing.
    #[inline]
    pub(crate) const fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    #[inline]
    pub(crate) const fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Whether this tier does not have it any more: by the clock that is set to the time of day, which goes on while the
    /// machine sleeps, or by the one that nobody sets. Neither of them can make it last longer.
    #[inline]
    pub(crate) fn is_over(&self, now: Timestamp, ticks: u64) -> bool {
        now >= self.meta.ends || ticks >= self.over_at
    }

    /// Whether it is good enough for the case that store and source both fail.
    pub(crate) fn is_good_for_errors(&self, now: Timestamp, ticks: u64) -> bool {
        let meta = &self.meta;
        let age = Duration::from_millis(ticks.saturating_sub(self.since));
        !meta.stale_if_error.is_zero()
            && now < meta.fresh_until.after(meta.stale_if_error)
            && age < meta.ttl.saturating_add(meta.stale_if_error)
    }

    #[inline]
    pub(crate) const fn as_of(&self) -> Moment {
        self.as_of
    }

    pub(crate) const fn bytes(&self) -> u32 {
        self.bytes
    }

    #[inline]
    pub(crate) fn cells(&self) -> &[Arc<Cell>] {
        &self.cells
    }

    /// Counts it as held by its namespace until it is dropped; only once, however often it is put in.
    pub(super) fn count_in(&self, tally: &Arc<Tally>, bytes: u64) {
        if self.counted.set((Arc::clone(tally), bytes)).is_ok() {
            tally.entries.fetch_add(1, Ordering::Relaxed);
            tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((tally, bytes)) = self.counted.get() {
            tally.entries.fetch_sub(1, Ordering::Relaxed);
            tally.bytes.fetch_sub(*bytes, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("is_absent", &self.is_absent())
            .field("as_of", &self.as_of)
            .field("bytes", &self.bytes)
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

/// What a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) entries: u64,
    /// With keys and overhead.
    pub(crate) bytes: u64,
}

/// Counts [`Usage`]. Only figures, which order nothing: relaxed.
#[derive(Debug, Default)]
pub(super) struct Tally {
    entries: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    pub(super) fn usage(&self) -> Usage {
        Usage {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}
