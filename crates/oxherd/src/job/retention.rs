//! How many finished jobs are kept, and for how long.

use std::time::Duration;

use serde_json::{Map, Value};

/// What becomes of a job when it completes or fails for good (`removeOnComplete`, `removeOnFail`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Keep every job. In JSON: `false`.
    KeepAll,
    /// Remove the job at once. In JSON: `true`.
    Remove,
    /// Keep the newest so many. In JSON: a number.
    KeepLatest(u64),
    /// Keep by age and number. In JSON: `{"age": seconds, "count": n, "limit": n}`.
    Keep {
        /// Older jobs go, a whole number of seconds.
        age: Option<Duration>,
        /// Beyond the newest so many they go.
        count: Option<u64>,
        /// At most so many are removed for their age when one job finishes (default 1000, at most 1000).
        limit: Option<u64>,
    },
}

/// Jobs removed for their age at one finish, unless said otherwise.
const DEFAULT_LIMIT: u64 = 1000;

impl Retention {
    /// Count (-1 keeps all), age in seconds and limit, as the scripts take them.
    pub(crate) fn script_arguments(self) -> (i64, Option<u64>, u64) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        match self {
            Self::KeepAll => (-1, None, DEFAULT_LIMIT),
            Self::Remove => (0, None, DEFAULT_LIMIT),
            Self::KeepLatest(count) => (signed(count), None, DEFAULT_LIMIT),
            Self::Keep { age, count, limit } => (
                count.map_or(-1, signed),
                age.map(|age| age.as_secs()),
                limit.unwrap_or(DEFAULT_LIMIT),
            ),
        }
    }

    pub(super) fn to_json(self) -> Value {
        match self {
            Self::KeepAll => Value::Bool(false),
            Self::Remove => Value::Bool(true),
            Self::KeepLatest(count) => count.into(),
            Self::Keep { age, count, limit } => {
                let mut object = Map::new();
                for (name, value) in [
                    ("age", age.map(|age| age.as_secs())),
                    ("count", count),
                    ("limit", limit),
                ] {
                    if let Some(value) = value {
                        object.insert(name.to_owned(), value.into());
                    }
                }
                Value::Object(object)
            }
        }
    }

    /// From the JSON form; an error says what would be right.
    pub(super) fn from_json(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str =
            "must be true, false, a whole number from 0, or an object of age (seconds), count and limit";
        match value {
            Value::Bool(true) => Ok(Self::Remove),
            Value::Bool(false) => Ok(Self::KeepAll),
            Value::Number(number) => number
                .as_u64()
                .map(Self::KeepLatest)
                .ok_or_else(|| EXPECTED.to_owned()),
            Value::Object(fields) => {
                let (mut age, mut count, mut limit) = (None, None, None);
                for (name, value) in fields {
                    let number = value
                        .as_u64()
                        .ok_or_else(|| format!("`{name}` must be a whole number from 0"))?;
                    match name.as_str() {
                        "age" => age = Some(Duration::from_secs(number)),
                        "count" => count = Some(number),
                        "limit" => limit = Some(number),
                        _ => return Err(format!("unknown field `{name}`; known are age, count and limit")),
                    }
                }
                Ok(Self::Keep { age, count, limit })
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}
