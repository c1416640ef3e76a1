//! How long a value is good, and what it is still good for afterwards.
//!
//! An entry is *fresh* for its TTL. Then it is *stale*: it may still be served while one load refreshes it
//! ([`Freshness::stale_while_revalidate`]), or when that load fails ([`Freshness::stale_if_error`]). After the longest of these it is
//! gone, from the store too. An invalidation ends all of it at once: what was invalidated is never served as stale.
//! Next: `settings.rs`.

use std::time::Duration;

use crate::error::{Error, Result};

/// Longest time of each kind: more is a mistake in the unit.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A named time to live, so that code says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(pub Duration);

impl Ttl {
    /// Five seconds: what changes all the time and is asked for even more often.
    pub const FLASH: Self = Self(Duration::from_secs(5));
    /// A minute.
    pub const SHORT: Self = Self(Duration::from_secs(60));
    /// Ten minutes.
    pub const MEDIUM: Self = Self(Duration::from_secs(600));
    /// An hour.
    pub const LONG: Self = Self(Duration::from_secs(3600));
    /// A day.
    pub const DAY: Self = Self(Duration::from_secs(24 * 3600));
}

impl From<Ttl> for Duration {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// How long values are good. A class of values has one of these: give it a name and use it for each of its namespaces.
///
/// The TTL and the stale times go with each entry, as its writer had them: other ones say nothing of what is in the store already.
///
/// ```
/// use std::time::Duration;
/// use oxherd::cache::{Freshness, Ttl};
///
/// let catalogue = Freshness::of(Ttl::MEDIUM)
///     .stale_while_revalidate(Duration::from_secs(60))
///     .stale_if_error(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freshness {
    pub(crate) ttl: Duration,
    pub(crate) jitter: f64,
    pub(crate) is_sliding: bool,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) refresh_ahead: f64,
    pub(crate) local_ttl: Duration,
    pub(crate) retry_after_error: Duration,
}

impl Default for Freshness {
    fn default() -> Self {
        Self::of(Ttl::SHORT)
    }
}

impl Freshness {
    /// Fresh for this long (1 ms to 366 days), or up to a tenth less; nothing stale, refreshed ahead of time, and at most a
    /// minute in this process.
    #[must_use]
    pub fn of(ttl: impl Into<Ttl>) -> Self {
        let Ttl(ttl) = ttl.into();
        Self {
            ttl,
            jitter: 0.1,
            is_sliding: false,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            negative_ttl: ttl.min(Duration::from_secs(10)),
            refresh_ahead: 1.0,
            local_ttl: Duration::from_secs(60),
            retry_after_error: Duration::from_secs(1),
        }
    }

    /// How much of a TTL is taken away at random at the most, as a share of it (0 to 0.5), so that what was written together does not
    /// end together. No value is fresh for longer than its TTL.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// The TTL counts from the last read instead of from the write; not together with [`Self::stale_while_revalidate`] or
    /// [`Self::stale_if_error`].
    ///
    /// A process tells the store at most four times in a TTL that an entry was read, for the 16,384 keys of a namespace that it read most
    /// lately; of further ones every read that asks the store may tell it, once a quarter of the TTL has passed since the entry was written.
    #[must_use]
    pub fn sliding(mut self) -> Self {
        self.is_sliding = true;
        self
    }

    /// How long after its TTL an entry is still served while one load refreshes it: not at all unless told otherwise (at most 366 days).
    #[must_use]
    pub fn stale_while_revalidate(mut self, duration: Duration) -> Self {
        self.stale_while_revalidate = duration;
        self
    }

    /// How long after its TTL an entry is still served when the load fails, or takes longer than the soft time-out: not at all unless told
    /// otherwise (at most 366 days).
    #[must_use]
    pub fn stale_if_error(mut self, duration: Duration) -> Self {
        self.stale_if_error = duration;
        self
    }

    /// How long a source that failed is left alone by this process, key by key, while there is something stale to serve instead: a second
    /// unless told otherwise (at most 366 days); zero asks it for every read. Where nothing stale may be served, it is always asked.
    #[must_use]
    pub fn retry_after_error(mut self, pause: Duration) -> Self {
        self.retry_after_error = pause;
        self
    }

    /// How long the answer "there is no such thing" is good: ten seconds, or the TTL if that is shorter, unless told otherwise
    /// (1 ms to 366 days).
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// How eagerly an entry is refreshed before its TTL ends (0 to 10; 0 is never, 1 is usual): the beta of XFetch (Vattani,
    /// Chierichetti, Lowenstein, PVLDB 8(8), 2015). Slow loads begin earlier.
    #[must_use]
    pub fn refresh_ahead(mut self, beta: f64) -> Self {
        self.refresh_ahead = beta;
        self
    }

    /// How long this process keeps an entry without asking the store, whatever happens to the channel that
    /// tells it of changes. A minute unless told otherwise (1 ms to 366 days).
    #[must_use]
    pub fn local_ttl(mut self, ttl: Duration) -> Self {
        self.local_ttl = ttl;
        self
    }

    /// How long the store keeps an entry.
    pub(crate) fn life(&self) -> Duration {
        self.ttl + self.stale_while_revalidate.max(self.stale_if_error)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let times = [
            ("ttl", self.ttl),
            ("negative_ttl", self.negative_ttl),
            ("local_ttl", self.local_ttl),
        ];
        for (option, time) in times {
            if time < Duration::from_millis(1) {
                return Err(out_of_range(option, "must be at least 1 ms"));
            }
        }
        let all = [
            ("stale_while_revalidate", self.stale_while_revalidate),
            ("stale_if_error", self.stale_if_error),
            ("retry_after_error", self.retry_after_error),
        ];
        for (option, time) in times.into_iter().chain(all) {
            if time > LONGEST {
                return Err(out_of_range(option, "must be at most 366 days"));
            }
        }
        if self.is_sliding && self.life() > self.ttl {
            return Err(out_of_range(
                "sliding",
                "a sliding value ends when nobody reads it any more, so there is nothing stale to serve: leave out `stale_while_revalidate` and `stale_if_error`, or `sliding`",
            ));
        }
        if !(0.0..=0.5).contains(&self.jitter) {
            return Err(out_of_range("jitter", "must be a share from 0 to 0.5"));
        }
        if !(0.0..=10.0).contains(&self.refresh_ahead) {
            return Err(out_of_range("refresh_ahead", "must be from 0 to 10"));
        }
        Ok(())
    }

    /// A TTL shortened by the jitter; `draw` is uniform in 0..1. Whatever it was told, a value lives 1 ms to 366 days.
    pub(crate) fn jittered(&self, ttl: Duration, draw: f64) -> Duration {
        let factor = 1.0 - self.jitter * draw;
        ttl.min(LONGEST)
            .mul_f64(factor)
            .clamp(Duration::from_millis(1), LONGEST)
    }
}

/// Of one call. Too short a time ends at once and harms nobody; too long a one is as wrong here as in a namespace.
pub(crate) fn check_ttl(ttl: Option<Duration>) -> Result<()> {
    match ttl {
        Some(ttl) if ttl > LONGEST => Err(out_of_range("ttl", "must be at most 366 days")),
        _ => Ok(()),
    }
}

pub(crate) fn out_of_range(option: &'static str, reason: &str) -> Error {
    Error::CacheOption {
        option,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let day = Duration::from_secs(24 * 3600);
        let wrong = [
            (Freshness::of(Duration::ZERO), "ttl"),
            (Freshness::of(day * 400), "ttl"),
            (Freshness::of(day).jitter(0.6), "jitter"),
            (Freshness::of(day).jitter(f64::NAN), "jitter"),
            (Freshness::of(day).refresh_ahead(-1.0), "refresh_ahead"),
            (Freshness::of(day).stale_if_error(day * 400), "stale_if_error"),
            (Freshness::of(day).sliding().stale_if_error(day), "sliding"),
            (
                Freshness::of(day).stale_while_revalidate(day).sliding(),
                "sliding",
            ),
        ];
        for (freshness, option) in wrong {
            let error = freshness.check().unwrap_err().to_string();
            assert!(error.contains(&format!("`{option}`")), "{error}");
        }
        Freshness::default().check().unwrap();
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let freshness = Freshness::of(Duration::from_secs(100)).jitter(0.1);
        let at = |draw| freshness.jittered(Duration::from_secs(100), draw).as_millis();
        assert_eq!((at(0.0), at(0.5), at(1.0)), (100_000, 95_000, 90_000));
        assert_eq!(freshness.jittered(Duration::MAX, 0.0), LONGEST);
    }
}
