//! How a breaker is set up, and what is refused.

use std::time::Duration;

use super::Breaker;
use crate::clock::{Clock, millis};
use crate::error::{Error, Result};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What a share is counted in, so that 3 of 30 calls are exactly a tenth.
pub(super) const WHOLE: u64 = 1_000_000;

/// The options of a [`Breaker`]; each says its default and its range.
///
/// | Option | Default | Range |
/// |---|---|---|
/// | [`window`](Self::window) | 10 s | 100 ms to 1 h |
/// | [`minimum_calls`](Self::minimum_calls) | 20 | 1 to 1,000,000 |
/// | [`failure_rate`](Self::failure_rate) | 0.5 | above 0, to 1 |
/// | [`failures_in_a_row`](Self::failures_in_a_row) | never enough | 1 to 1,000,000 |
/// | [`slow_calls`](Self::slow_calls) | none are slow | after 1 ms to 1 h; above 0, to 1 |
/// | [`open_for`](Self::open_for) | 1 s, growing ×2, to 60 s | 1 ms to 24 h; ×1 to ×100; from the first to 24 h |
/// | [`jitter`](Self::jitter) | 0.2 | 0 to 1 |
/// | [`trial_calls`](Self::trial_calls) | 3 | 1 to 10,000 |
#[derive(Clone, Debug)]
#[must_use = "a breaker is built by .build()"]
pub struct BreakerBuilder {
    name: String,
    clock: Clock,
    window: Duration,
    minimum_calls: u64,
    failure_rate: f64,
    in_a_row: Option<u32>,
    slow: Option<(Duration, f64)>,
    first: Duration,
    factor: f64,
    longest: Duration,
    jitter: f64,
    trial_calls: u32,
}

/// What a breaker decides by.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) window_ms: u64,
    pub(super) minimum_calls: u64,
    /// Of [`WHOLE`].
    pub(super) failure_rate: u64,
    /// The largest number: never enough.
    pub(super) in_a_row: u32,
    pub(super) slow: Option<Slow>,
    pub(super) first: Duration,
    pub(super) factor: f64,
    pub(super) longest: Duration,
    pub(super) jitter: f64,
    pub(super) trial_calls: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    pub(super) after: Duration,
    /// Of [`WHOLE`].
    pub(super) rate: u64,
}

impl BreakerBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            clock: Clock::system(),
            window: Duration::from_secs(10),
            minimum_calls: 20,
            failure_rate: 0.5,
            in_a_row: None,
            slow: None,
            first: Duration::from_secs(1),
            factor: 2.0,
            longest: Duration::from_secs(60),
            jitter: 0.2,
            trial_calls: 3,
        }
    }

    /// Calls of how long ago count, to within a tenth of it. Default 10 s; from 100 ms to 1 h.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// With fewer calls than this in the window nothing is judged. Default 20; from 1 to 1,000,000.
    pub fn minimum_calls(mut self, calls: u64) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// The share of failed calls that opens the breaker. Default 0.5; above 0, to 1.
    pub fn failure_rate(mut self, share: f64) -> Self {
        self.failure_rate = share;
        self
    }

    /// So many failures with no success between them open the breaker too, whatever the window holds: a dependency that dies
    /// under many calls is then not called for half a window in vain. By default no number is enough; from 1 to 1,000,000.
    pub fn failures_in_a_row(mut self, calls: u32) -> Self {
        self.in_a_row = Some(calls);
        self
    }

    /// Calls that took `after` or longer are slow, and this share of them opens the breaker too. By default no call is
    /// slow. `after`: from 1 ms to 1 h; share: above 0, to 1.
    pub fn slow_calls(mut self, after: Duration, share: f64) -> Self {
        self.slow = Some((after, share));
        self
    }

    /// How long the breaker stays open: the first time, by what this grows each time that trial calls fail, and at most.
    /// Once closed, it begins with the first again. Default 1 s, 2, 60 s; from 1 ms to 24 h, factor from 1 to 100.
    pub fn open_for(mut self, first: Duration, factor: f64, longest: Duration) -> Self {
        (self.first, self.factor, self.longest) = (first, factor, longest);
        self
    }

    /// The open time is lengthened by a random part of this share of it, so that processes do not come back together.
    /// Default 0.2; from 0 to 1.
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// How many calls may try after the open time, all of which must succeed to close the breaker. Default 3; from 1 to
    /// 10,000.
    pub fn trial_calls(mut self, calls: u32) -> Self {
        self.trial_calls = calls;
        self
    }

    /// The clock that window and open time are read from; the machine's by default.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The breaker, closed.
    ///
    /// # Errors
    /// [`Error::BreakerOption`] for an option out of its range.
    pub fn build(self) -> Result<Breaker> {
        let ms = Duration::from_millis(1);
        self.within("window", self.window, Duration::from_millis(100), HOUR)?;
        self.check(
            "minimum_calls",
            (1..=1_000_000).contains(&self.minimum_calls),
            || format!("{} is not from 1 to 1,000,000", self.minimum_calls),
        )?;
        self.check_share("failure_rate", self.failure_rate)?;
        if let Some(calls) = self.in_a_row {
            self.check("failures_in_a_row", (1..=1_000_000).contains(&calls), || {
                format!("{calls} is not from 1 to 1,000,000")
            })?;
        }
        if let Some((after, rate)) = self.slow {
            self.within("slow_calls", after, ms, HOUR)?;
            self.check_share("slow_calls", rate)?;
        }
        self.within("open_for", self.first, ms, DAY)?;
        self.within("open_for", self.longest, self.first, DAY)?;
        self.check("open_for", (1.0..=100.0).contains(&self.factor), || {
            format!("the factor {} is not from 1 to 100", self.factor)
        })?;
        self.check("jitter", (0.0..=1.0).contains(&self.jitter), || {
            format!("{} is not from 0 to 1", self.jitter)
        })?;
        self.check("trial_calls", (1..=10_000).contains(&self.trial_calls), || {
            format!("{} is not from 1 to 10,000", self.trial_calls)
        })?;
        Ok(self.build_unchecked())
    }

    /// For options that are in their ranges, as the defaults are.
    pub(crate) fn build_unchecked(self) -> Breaker {
        let slow = self.slow.map(|(after, rate)| Slow {
            after,
            rate: parts(rate),
        });
        let settings = Settings {
            window_ms: millis(self.window),
            minimum_calls: self.minimum_calls,
            failure_rate: parts(self.failure_rate),
            in_a_row: self.in_a_row.unwrap_or(u32::MAX),
            slow,
            first: self.first,
            factor: self.factor,
            longest: self.longest,
            jitter: self.jitter,
            trial_calls: self.trial_calls,
        };
        Breaker::new(&self.name, self.clock, settings)
    }

    fn within(
        &self,
        option: &'static str,
        value: Duration,
        shortest: Duration,
        longest: Duration,
    ) -> Result<()> {
        self.check(option, (shortest..=longest).contains(&value), || {
            format!("{value:?} is not from {shortest:?} to {longest:?}")
        })
    }

    fn check_share(&self, option: &'static str, share: f64) -> Result<()> {
        self.check(option, share > 0.0 && share <= 1.0, || {
            format!("{share} is not a share above 0 and up to 1")
        })
    }

    fn check(&self, option: &'static str, is_right: bool, reason: impl FnOnce() -> String) -> Result<()> {
        if is_right {
            return Ok(());
        }
        Err(Error::BreakerOption {
            breaker: self.name.clone(),
            option,
            reason: reason(),
        })
    }
}

impl Settings {
    /// Whether a call that took this long is slow.
    pub(super) fn is_slow(&self, elapsed: Duration) -> bool {
        self.slow.is_some_and(|slow| elapsed >= slow.after)
    }

    /// How long to stay open for the `streak`-th time in a row (from 1); `chance` between 0 and 1 chooses the jitter.
    pub(super) fn open_ms(&self, streak: u32, chance: f64) -> u64 {
        let grown = self.first.as_secs_f64() * self.factor.powf(f64::from(streak.saturating_sub(1)));
        let seconds = grown.min(self.longest.as_secs_f64()) * (1.0 + self.jitter * chance);
        // At most twice a day, see `build`.
        millis(Duration::try_from_secs_f64(seconds).unwrap_or(self.longest)).max(1)
    }
}

/// A share as parts of [`WHOLE`], at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1,000,000"
)]
fn parts(share: f64) -> u64 {
    ((share * WHOLE as f64).round() as u64).max(1)
}
