//! Job ids: numbers the queue gives out, or a producer's own text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Names of the queue's own keys: a job of that name would overwrite one.
const TAKEN: [&str; 19] = [
    "wait",
    "active",
    "paused",
    "prioritized",
    "delayed",
    "waiting-children",
    "completed",
    "failed",
    "marker",
    "events",
    "meta",
    "id",
    "pc",
    "stalled",
    "stalled-check",
    "limiter",
    "repeat",
    "priority",
    "delay",
];
const TAKEN_BEGINNINGS: [&str; 3] = ["de:", "dn:", "metrics:"];

/// The id of a job within its queue.
///
/// Parsing accepts what a producer may choose: text that is not empty, is no whole number (those are the queue's to
/// give out), does not start with `0:`, holds no `:` unless exactly two, and names no key of the queue itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// An id that the queue already holds, whatever its form.
    #[must_use]
    pub fn existing(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        let refuse = |reason| {
            Err(Error::JobId {
                id: id.to_owned(),
                reason,
            })
        };
        if id.is_empty() {
            return refuse("must not be empty; leave it out to have one generated");
        }
        if is_whole_number(id) {
            return refuse("whole numbers are given out by the queue; put a letter in front");
        }
        if id.starts_with("0:") {
            return refuse("must not start with `0:`");
        }
        if !matches!(id.matches(':').count(), 0 | 2) {
            return refuse("must not contain `:` unless exactly two");
        }
        if TAKEN.contains(&id) || TAKEN_BEGINNINGS.iter().any(|beginning| id.starts_with(beginning)) {
            return refuse("names a key of the queue itself; put something in front");
        }
        Ok(Self(id.to_owned()))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for JobId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn is_whole_number(id: &str) -> bool {
    let digits = id.strip_prefix('-').unwrap_or(id);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::JobId;

    #[test]
    fn a_producers_id_follows_the_layouts_rules() {
        for good in ["order-7", "a:b:c", "007x", "ü", "1.5"] {
            assert_eq!(good.parse::<JobId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "7",
            "0",
            "-3",
            "0:1",
            "a:b",
            "a:b:c:d",
            "wait",
            "metrics:completed:data",
        ] {
            assert!(bad.parse::<JobId>().is_err(), "{bad:?}");
        }
    }
}
