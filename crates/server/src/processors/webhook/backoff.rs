//! When a failed delivery is tried again: a list of waits, as Standard Webhooks suggests.
//!
//! The last wait repeats. Up to a tenth is added at random, so that deliveries that failed together do not
//! come back together. The random number is handed in, so that tests decide it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration::HumanDuration;

const JITTER: f64 = 0.1;

/// Waits between attempts, the first one after the first failure; the last one repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Backoff {
    waits: Vec<HumanDuration>,
}

impl Backoff {
    /// These waits, in this order. An empty list means no wait at all, which `WebhookConfig::check` refuses.
    #[must_use]
    pub const fn new(waits: Vec<HumanDuration>) -> Self {
        Self { waits }
    }

    /// The waits without jitter.
    #[must_use]
    pub fn waits(&self) -> &[HumanDuration] {
        &self.waits
    }

    /// How long to wait after so many failed attempts (1 or more). `spread` is a random number from 0 to 1
    /// and adds up to a tenth.
    #[must_use]
    pub fn wait_after(&self, failed_attempts: u32, spread: f64) -> Duration {
        let position = usize::try_from(failed_attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self
            .waits
            .get(position)
            .or(self.waits.last())
            .copied()
            .unwrap_or_default()
            .get();
        // `mul_f64` panics on a NaN, and a bad random number must not cost a retry.
        let spread = if spread.is_nan() {
            0.0
        } else {
            spread.clamp(0.0, 1.0)
        };
        wait + wait.mul_f64(JITTER * spread)
    }
}

impl Default for Backoff {
    /// The example schedule of Standard Webhooks: ten attempts over a little more than three days.
    fn default() -> Self {
        const HOUR: u16 = 60;
        let seconds = [5].map(HumanDuration::from_secs);
        let minutes = [
            5,
            30,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self {
            waits: seconds
                .into_iter()
                .chain(minutes.map(HumanDuration::from_mins))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_schedule_of_the_specification() {
        let backoff = Backoff::default();
        let seconds: Vec<u64> = (1..=10)
            .map(|failed| backoff.wait_after(failed, 0.0).as_secs())
            .collect();
        assert_eq!(
            seconds,
            [
                5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400, 86_400
            ]
        );
        assert_eq!(backoff.wait_after(u32::MAX, 0.0).as_secs(), 86_400);
    }

    #[test]
    fn jitter_adds_at_most_a_tenth() {
        let backoff = Backoff::new(vec![HumanDuration::from_secs(10)]);
        assert_eq!(backoff.wait_after(1, 1.0), Duration::from_secs(11));
        assert_eq!(backoff.wait_after(1, 99.0), Duration::from_secs(11));
        assert_eq!(backoff.wait_after(1, f64::NAN), Duration::from_secs(10));
        assert_eq!(backoff.wait_after(0, -1.0), Duration::from_secs(10));
    }
}
