//! A duration as people write it in `oxherd.toml`: `"15s"`, `"1h30m"`, or an integer of milliseconds.
//!
//! Never longer than ten years, so that adding one to a clock cannot overflow.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const LONGEST_MS: u64 = 3_650 * 86_400_000;

/// A span of time in whole milliseconds, from 0 to ten years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration {
    milliseconds: u64,
}

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// No number with a unit, or something else beside it.
    #[error("must be a number with a unit (ms, s, m, h or d), such as \"15s\" or \"1h30m\"")]
    Unreadable,
    /// Beyond ten years.
    #[error("must not be longer than 3650d")]
    TooLong,
}

impl HumanDuration {
    /// So many milliseconds.
    ///
    /// # Errors
    /// [`DurationError::TooLong`] beyond ten years.
    pub const fn from_millis(milliseconds: u64) -> Result<Self, DurationError> {
        if milliseconds > LONGEST_MS {
            return Err(DurationError::TooLong);
        }
        Ok(Self { milliseconds })
    }

    /// So many seconds; a `u16` cannot be too long.
    #[must_use]
    pub const fn from_secs(seconds: u16) -> Self {
        Self {
            milliseconds: seconds as u64 * 1_000,
        }
    }

    /// So many minutes; a `u16` cannot be too long.
    #[must_use]
    pub const fn from_mins(minutes: u16) -> Self {
        Self {
            milliseconds: minutes as u64 * 60_000,
        }
    }

    /// The same span as the standard library's type.
    #[must_use]
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }

    /// Whether nothing would pass.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.milliseconds == 0
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.get()
    }
}

impl FromStr for HumanDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(DurationError::Unreadable);
        }
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits_end = rest
                .find(|c: char| !c.is_ascii_digit())
                .ok_or(DurationError::Unreadable)?;
            let (digits, after_digits) = rest.split_at(digits_end);
            if digits.is_empty() {
                return Err(DurationError::Unreadable);
            }
            let unit_end = after_digits
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(after_digits.len());
            let (unit, after_unit) = after_digits.split_at(unit_end);
            let (_, factor) = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or(DurationError::Unreadable)?;
            // Only digits are left, so the one way to fail is a number too large.
            let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
            total = number
                .checked_mul(*factor)
                .and_then(|part| total.checked_add(part))
                .ok_or(DurationError::TooLong)?;
            rest = after_unit;
        }
        Self::from_millis(total)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return formatter.write_str("0s");
        }
        let largest = UNITS
            .iter()
            .rev()
            .find(|(_, factor)| self.milliseconds.is_multiple_of(*factor));
        let (unit, factor) = largest.copied().unwrap_or(("ms", 1));
        write!(formatter, "{}{unit}", self.milliseconds / factor)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrMilliseconds;

        impl Visitor<'_> for TextOrMilliseconds {
            type Value = HumanDuration;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a duration such as \"15s\" or an integer of milliseconds")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
                HumanDuration::from_millis(number).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
                let milliseconds = u64::try_from(number).map_err(|_| E::custom("must not be negative"))?;
                self.visit_u64(milliseconds)
            }
        }

        deserializer.deserialize_any(TextOrMilliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_milliseconds_are_read() {
        for (json, milliseconds) in [
            ("\"15s\"", 15_000),
            ("\"500ms\"", 500),
            ("\"1h30m\"", 5_400_000),
            ("\"1d\"", 86_400_000),
            ("\"0s\"", 0),
            ("250", 250),
        ] {
            let duration: HumanDuration = serde_json::from_str(json).unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds), "{json}");
        }
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_to_write() {
        for text in ["", "15", "s", "15 s", "1.5s", "-1s", "5weeks", "s5", "15s ", "٣s"] {
            assert_eq!(
                text.parse::<HumanDuration>(),
                Err(DurationError::Unreadable),
                "{text:?}"
            );
        }
        for text in ["3651d", "99999999999999999999999s", "18446744073709551615d"] {
            assert_eq!(
                text.parse::<HumanDuration>(),
                Err(DurationError::TooLong),
                "{text:?}"
            );
        }
        assert!(serde_json::from_str::<HumanDuration>("-5").is_err());
        assert!(serde_json::from_str::<HumanDuration>("1.5").is_err());
    }

    #[test]
    fn it_is_written_in_the_largest_whole_unit() {
        for (text, written) in [
            ("90s", "90s"),
            ("120s", "2m"),
            ("1h30m", "90m"),
            ("1500ms", "1500ms"),
            ("0m", "0s"),
        ] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), written);
        }
    }
}
