//! How long a failed job waits before it runs again.

use std::time::Duration;

use serde_json::{Map, Value};

/// The longest delay a job can have: what a delayed job's score can express.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A retry policy. Jitter is a share from 0 to 1: the wait is drawn evenly from `(1 - jitter) * wait .. wait`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Backoff {
    /// The same wait each time.
    Fixed {
        /// The wait; `None` is no wait, and stored as given.
        delay: Option<Duration>,
        /// From 0 (none) to 1.
        jitter: f64,
    },
    /// Doubles each time: `delay`, `2 * delay`, `4 * delay`, ...
    Exponential {
        /// The first wait; `None` is no wait, and stored as given.
        delay: Option<Duration>,
        /// From 0 (none) to 1.
        jitter: f64,
    },
    /// A strategy that the worker knows by name.
    Custom {
        /// The strategy's name.
        strategy: String,
        /// A parameter for the strategy.
        delay: Option<Duration>,
    },
}

impl Backoff {
    /// The same wait each time.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self::Fixed {
            delay: Some(delay),
            jitter: 0.0,
        }
    }

    /// A wait that doubles each time.
    #[must_use]
    pub const fn exponential(delay: Duration) -> Self {
        Self::Exponential {
            delay: Some(delay),
            jitter: 0.0,
        }
    }

    /// A strategy that the worker knows by name.
    #[must_use]
    pub fn custom(strategy: impl Into<String>) -> Self {
        Self::Custom {
            strategy: strategy.into(),
            delay: None,
        }
    }

    /// The wait after failed attempt number `attempt` (from 1); `None` for a strategy that only the worker knows.
    /// `random` is drawn evenly from 0 to 1.
    pub(crate) fn wait(&self, attempt: u32, random: f64) -> Option<Duration> {
        let (wait, jitter) = match self {
            Self::Fixed { delay, jitter } => (delay.unwrap_or_default().as_secs_f64(), *jitter),
            Self::Exponential { delay, jitter } => {
                let factor = 2_f64.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX));
                (delay.unwrap_or_default().as_secs_f64() * factor, *jitter)
            }
            Self::Custom { .. } => return None,
        };
        let drawn = wait * (1.0 - jitter * (1.0 - random));
        let millis = (drawn * 1000.0).round();
        Some(
            Duration::try_from_secs_f64(millis / 1000.0)
                .unwrap_or(LONGEST_DELAY)
                .min(LONGEST_DELAY),
        )
    }

    /// What setters cannot check; an error says what would be right.
    pub(super) fn validate(&self) -> Result<(), String> {
        let (delay, jitter) = match self {
            Self::Fixed { delay, jitter } | Self::Exponential { delay, jitter } => (delay, *jitter),
            Self::Custom { strategy, .. } if strategy.is_empty() => {
                return Err("`type` must be fixed, exponential or a strategy's name".to_owned());
            }
            Self::Custom { delay, .. } => (delay, 0.0),
        };
        if delay.is_some_and(|delay| delay > LONGEST_DELAY) {
            return Err(format!(
                "`delay` must be at most {} ms",
                LONGEST_DELAY.as_millis()
            ));
        }
        if !(0.0..=1.0).contains(&jitter) {
            return Err("`jitter` must be a number from 0 to 1".to_owned());
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> Value {
        let (strategy, delay, jitter) = match self {
            Self::Fixed { delay, jitter } => ("fixed", *delay, *jitter),
            Self::Exponential { delay, jitter } => ("exponential", *delay, *jitter),
            Self::Custom { strategy, delay } => (strategy.as_str(), *delay, 0.0),
        };
        let mut object = Map::new();
        object.insert("type".to_owned(), strategy.into());
        if let Some(delay) = delay {
            object.insert("delay".to_owned(), crate::clock::millis(delay).into());
        }
        if jitter > 0.0 {
            object.insert("jitter".to_owned(), jitter.into());
        }
        Value::Object(object)
    }

    /// From the JSON form: a number of ms, or `{"type", "delay", "jitter"}`.
    pub(super) fn from_json(value: &Value) -> Result<Self, String> {
        let milliseconds = |value: &Value, name: &str| {
            value
                .as_u64()
                .map(Duration::from_millis)
                .filter(|delay| *delay <= LONGEST_DELAY)
                .ok_or_else(|| {
                    format!(
                        "{name} must be a whole number of milliseconds from 0 to {}",
                        LONGEST_DELAY.as_millis()
                    )
                })
        };
        let fields = match value {
            Value::Number(_) => return Ok(Self::fixed(milliseconds(value, "it")?)),
            Value::Object(fields) => fields,
            _ => {
                return Err(
                    "must be a number of milliseconds or an object of type, delay and jitter".to_owned(),
                );
            }
        };
        if let Some(unknown) = fields
            .keys()
            .find(|name| !matches!(name.as_str(), "type" | "delay" | "jitter"))
        {
            return Err(format!(
                "unknown field `{unknown}`; known are type, delay and jitter"
            ));
        }
        let strategy = fields
            .get("type")
            .and_then(Value::as_str)
            .filter(|strategy| !strategy.is_empty());
        let strategy =
            strategy.ok_or_else(|| "`type` must be fixed, exponential or a strategy's name".to_owned())?;
        let delay = fields
            .get("delay")
            .map(|delay| milliseconds(delay, "`delay`"))
            .transpose()?;
        let jitter = match fields.get("jitter") {
            None => 0.0,
            Some(jitter) => jitter
                .as_f64()
                .filter(|jitter| (0.0..=1.0).contains(jitter))
                .ok_or_else(|| "`jitter` must be a number from 0 to 1".to_owned())?,
        };
        Ok(match strategy {
            "fixed" => Self::Fixed { delay, jitter },
            "exponential" => Self::Exponential { delay, jitter },
            custom => Self::Custom {
                strategy: custom.to_owned(),
                delay,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Duration, LONGEST_DELAY};

    #[test]
    fn exponential_waits_double_from_the_first() {
        let backoff = Backoff::exponential(Duration::from_secs(1));
        let waits: Vec<_> = (1..=4)
            .filter_map(|attempt| backoff.wait(attempt, 1.0))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8]);
        assert_eq!(
            backoff.wait(u32::MAX, 1.0),
            Some(LONGEST_DELAY),
            "a wait never overflows"
        );
    }

    #[test]
    fn jitter_shortens_the_wait_by_at_most_its_share() {
        let backoff = Backoff::Fixed {
            delay: Some(Duration::from_millis(1000)),
            jitter: 0.5,
        };
        assert_eq!(backoff.wait(1, 0.0), Some(Duration::from_millis(500)));
        assert_eq!(backoff.wait(1, 1.0), Some(Duration::from_millis(1000)));
    }
}
