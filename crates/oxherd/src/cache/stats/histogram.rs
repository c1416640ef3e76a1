//! How long things took: a log-linear histogram of nanoseconds.
//!
//! Each power of two is cut into 32 buckets, so a quantile is off by at most 1.6 % (half a bucket) from 0 to 274 s; what took
//! longer is told as 274 s. Nanoseconds below 64 are exact. Recording is one relaxed addition to a bucket and one to the
//! sum, in the thread's stripe; a stripe's buckets (9 kB) are made when it is first used.
//! Next: `snapshot.rs` (where the picture of a histogram lies).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stripes::this_thread;

/// Buckets a power of two is cut into, as a power of two.
const CUT: u32 = 5;
/// The highest power of two with buckets of its own.
const HIGHEST: u32 = 37;
/// From 0 to the end of the highest power.
const BUCKETS: usize = ((HIGHEST - CUT + 2) as usize) << CUT;
/// Latencies are recorded far more rarely than hits are counted.
const STRIPES: usize = 4;

#[derive(Debug)]
struct Stripe {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

/// Counts durations; see [`Latency`] for what it tells.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    stripes: [OnceLock<Box<Stripe>>; STRIPES],
}

impl Histogram {
    /// Counts one duration.
    pub(crate) fn record(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let Some(stripe) = self.stripes.get(this_thread() % STRIPES) else {
            return;
        };
        let stripe = stripe.get_or_init(|| {
            Box::new(Stripe {
                buckets: std::array::from_fn(|_| AtomicU64::new(0)),
                nanos: AtomicU64::new(0),
            })
        });
        if let Some(bucket) = stripe.buckets.get(bucket_of(nanos)) {
            bucket.fetch_add(1, Ordering::Relaxed);
            stripe.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub(crate) fn snapshot(&self) -> Latency {
        let mut counts = vec![0_u64; BUCKETS];
        let mut nanos = 0_u64;
        for stripe in self.stripes.iter().filter_map(OnceLock::get) {
            for (count, bucket) in counts.iter_mut().zip(&stripe.buckets) {
                *count = count.saturating_add(bucket.load(Ordering::Relaxed));
            }
            nanos = nanos.saturating_add(stripe.nanos.load(Ordering::Relaxed));
        }
        let buckets = (0_u16..).zip(counts).filter(|(_, count)| *count > 0);
        Latency::of(buckets.collect(), nanos / 1000)
    }
}

/// The bucket of a value. The first 64 hold one nanosecond each.
fn bucket_of(nanos: u64) -> usize {
    if nanos < 1 << CUT {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let power = nanos.ilog2();
    if power > HIGHEST {
        return BUCKETS - 1;
    }
    let within = (nanos >> (power - CUT)) - (1 << CUT);
    (((power - CUT + 1) as usize) << CUT) + usize::try_from(within).unwrap_or(0)
}

/// The middle of a bucket, in nanoseconds.
fn middle_of(bucket: u16) -> u64 {
    let bucket = u32::from(bucket);
    let row = bucket >> CUT;
    if row < 2 {
        return u64::from(bucket);
    }
    let shift = (row - 1).min(HIGHEST - CUT);
    let lowest = u64::from((bucket & ((1 << CUT) - 1)) + (1 << CUT)) << shift;
    lowest + (1_u64 << shift) / 2
}

/// How long things took: a picture of a histogram, which adds up with others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Latency {
    /// How many were timed.
    pub count: u64,
    /// Microseconds all of them took together.
    pub sum_micros: u64,
    /// The buckets that are not empty, in order: number and count. Bucket numbers mean nothing outside; the
    /// quantiles come from [`Latency::quantile`].
    pub buckets: Vec<(u16, u64)>,
}

impl Latency {
    fn of(buckets: Vec<(u16, u64)>, sum_micros: u64) -> Self {
        Self {
            count: buckets
                .iter()
                .fold(0, |sum, (_, count)| sum.saturating_add(*count)),
            sum_micros,
            buckets,
        }
    }

    /// The duration that a share (0 to 1) of all is not above; off by at most 1.6 % up to 274 s. `None` when nothing was timed.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are far below 2^53, and a share of one fits"
    )]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil() as u64;
        let rank = rank.clamp(1, self.count.max(1));
        let mut seen = 0_u64;
        for (bucket, count) in &self.buckets {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(Duration::from_nanos(middle_of(*bucket)));
            }
        }
        None
    }

    /// The mean; `None` when nothing was timed.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        Some(Duration::from_micros(self.sum_micros.checked_div(self.count)?))
    }

    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.merge_times(other, 1);
    }

    /// Adds what another counted as if it had been `times` as much: for one that is only sampled.
    pub(crate) fn merge_times(&mut self, other: &Self, times: u64) {
        let mut merged = Vec::with_capacity(self.buckets.len().max(other.buckets.len()));
        let (mut own, mut others) = (
            self.buckets.iter().copied().peekable(),
            other
                .buckets
                .iter()
                .map(|(bucket, count)| (*bucket, count.saturating_mul(times)))
                .peekable(),
        );
        loop {
            let next = match (own.peek(), others.peek()) {
                (None, None) => break,
                (Some(one), Some(two)) if one.0 == two.0 => {
                    let sum = (one.0, one.1.saturating_add(two.1));
                    own.next();
                    others.next();
                    sum
                }
                (Some(one), two) if two.is_none_or(|two| one.0 < two.0) => {
                    let one = *one;
                    own.next();
                    one
                }
                _ => match others.next() {
                    Some(two) => two,
                    None => break,
                },
            };
            merged.push(next);
        }
        let sum_micros = self
            .sum_micros
            .saturating_add(other.sum_micros.saturating_mul(times));
        *self = Self::of(merged, sum_micros);
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Latency {
        let histogram = Histogram::default();
        for value in values {
            histogram.record(Duration::from_nanos(*value));
        }
        histogram.snapshot()
    }

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        let mut last = 0;
        for power in 0..=HIGHEST {
            for step in 0..64_u64 {
                let nanos = (1_u64 << power) + (step << power) / 64;
                let bucket = bucket_of(nanos);
                assert!(bucket == last || bucket == last + 1 || nanos < 64, "{nanos}");
                last = bucket;
            }
        }
        assert_eq!(last, BUCKETS - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_one_tells_nothing() {
        let latency = of(&[]);
        assert_eq!((latency.quantile(0.5), latency.mean()), (None, None));
    }

    #[test]
    fn what_took_longer_than_the_last_bucket_is_told_as_that() {
        let told = of(&[u64::MAX]).quantile(0.99).unwrap().as_secs();
        assert!((270..276).contains(&told), "{told}");
    }

    #[test]
    fn threads_record_together() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for thread in 1..=8_u64 {
                let histogram = &histogram;
                scope.spawn(move || (0..1000).for_each(|_| histogram.record(Duration::from_micros(thread))));
            }
        });
        let latency = histogram.snapshot();
        assert_eq!((latency.count, latency.sum_micros), (8000, 36_000));
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_at_most_one_point_six_percent(
            mut values in prop::collection::vec(prop_oneof![0..1_000_u64, 0..1_000_000_000_u64, 0..270_000_000_000_u64], 1..300),
            share in 0.0..=1.0_f64,
        ) {
            let told = of(&values).quantile(share).unwrap().as_nanos() as f64;
            values.sort_unstable();
            let rank = ((share * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let true_one = *values.get(rank - 1).unwrap() as f64;
            prop_assert!((told - true_one).abs() <= true_one / 64.0 + 0.5, "{told} for {true_one}");
        }

        #[test]
        fn merging_is_recording_everything_in_one(
            one in prop::collection::vec(0..10_000_000_000_u64, 0..100),
            two in prop::collection::vec(0..10_000_000_000_u64, 0..100),
        ) {
            let mut merged = of(&one);
            merged.merge(&of(&two));
            let whole = of(&[one, two].concat());
            prop_assert_eq!(&merged.buckets, &whole.buckets);
            prop_assert_eq!(merged.count, whole.count);
            // Each was rounded down to microseconds.
            prop_assert!(whole.sum_micros - merged.sum_micros <= 1);
            let text = serde_json::to_string(&merged).unwrap();
            prop_assert_eq!(serde_json::from_str::<Latency>(&text).unwrap(), merged);
        }
    }
}
