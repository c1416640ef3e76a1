//! What an entry is good for now.
//!
//! Whether it is *valid* is a matter of invalidations and decided elsewhere; this is about its age.
//! Next: `freshness.rs` (the settings), `answer.rs` (what follows from it).

use std::time::Duration;

use super::local::Meta;
use super::settings::Settings;
use super::value::Header;
use crate::clock::Timestamp;

/// An entry is refreshed ahead of time only within so many load times of its end: before, the chance is below one in 20,000.
const AHEAD: f64 = 10.0;

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// For an answer.
    Fresh,
    /// For an answer, and it was drawn to be refreshed ahead of its end.
    Ahead,
    /// For an answer while somebody refreshes it.
    Stale,
    /// For an answer if loading fails.
    Spent,
    /// For nothing.
    Ended,
}

/// The times of an entry as this process sees them. They are never further away than what the entry was given at first,
/// however wrong the clock was that wrote it.
pub(crate) fn meta_of(header: &Header, settings: &Settings, now: Timestamp) -> Meta {
    let latest = now.after(header.ttl);
    let fresh_until = if header.is_sliding {
        // The store ends it; being there is being fresh.
        latest
    } else {
        header.created.after(header.ttl).min(latest)
    };
    let usable_until = fresh_until.after(header.stale_while_revalidate.max(header.stale_if_error));
    let local_ttl = if !settings.keeps_shared() {
        Duration::MAX
    } else if header.is_sliding {
        // Reads must reach the store to prolong its life.
        settings.freshness.local_ttl.min(header.ttl / 4)
    } else {
        settings.freshness.local_ttl
    };
    let load = Duration::from_micros(header.load_micros);
    let ahead = load
        .mul_f64(settings.freshness.refresh_ahead * AHEAD)
        .min(header.ttl / 2);
    let is_sliding_here = header.is_sliding && !settings.keeps_shared();
    let refresh_from = Timestamp::from_millis(
        fresh_until
            .as_millis()
            .saturating_sub(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX)),
    );
    // From then on a read prolongs its life.
    let refresh_from = if is_sliding_here {
        now.after(header.ttl / 4)
    } else {
        refresh_from
    };
    Meta {
        fresh_until,
        refresh_from,
        ends: now.after(local_ttl).min(usable_until),
        lasts: local_ttl.min(usable_until.since(now)),
        id: header.id,
        version: header.version,
        created: header.created,
        ttl: header.ttl,
        stale_while_revalidate: header.stale_while_revalidate,
        stale_if_error: header.stale_if_error,
        load_micros: header.load_micros,
        tags: header.tags.iter().cloned().collect(),
        is_sliding: header.is_sliding,
    }
}

impl Standing {
    #[inline]
    pub(crate) fn of(meta: &Meta, settings: &Settings, now: Timestamp) -> Self {
        if now < meta.refresh_from {
            Self::Fresh
        } else {
            Self::late(meta, settings, now)
        }
    }

    fn late(meta: &Meta, settings: &Settings, now: Timestamp) -> Self {
        if now < meta.fresh_until {
            return if is_drawn(meta, settings.freshness.refresh_ahead, now, rand::random()) {
                Self::Ahead
            } else {
                Self::Fresh
            };
        }
        let age = now.since(meta.fresh_until);
        if age < meta.stale_while_revalidate {
            Self::Stale
        } else if age < meta.stale_if_error {
            Self::Spent
        } else {
            Self::Ended
        }
    }
}

/// XFetch (Vattani, Chierichetti, Lowenstein, PVLDB 8(8), 2015): `−δ·β·ln(u)` reaches the time that is left; `draw` is uniform
/// in 0..1.
fn is_drawn(meta: &Meta, beta: f64, now: Timestamp, draw: f64) -> bool {
    if beta <= 0.0 || meta.is_sliding {
        return false;
    }
    let load_ms = Duration::from_micros(meta.load_micros).as_secs_f64() * 1e3;
    let left_ms = meta.fresh_until.since(now).as_secs_f64() * 1e3;
    -load_ms * beta * draw.ln() >= left_ms
}
