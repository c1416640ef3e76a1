//! How an attempt ends: with a value, or with a reason to stop.
//!
//! A handler returns [`Outcome`]. `?` on any error means "failed, try again as the job's options say"; everything
//! else is said with a [`Stop`].

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Cause;

/// What a handler returns.
pub type Outcome<T> = Result<T, Stop>;

/// Why a handler ended without a value.
///
/// Made from any error by `?`, which counts the attempt and retries by the job's own policy.
#[derive(Debug)]
pub struct Stop(pub(crate) Reason);

#[derive(Debug)]
pub(crate) enum Reason {
    /// Failed; try again if attempts are left.
    Retry {
        failure: Failure,
        after: Option<Duration>,
    },
    /// Failed for good, whatever attempts are left.
    Fail(Failure),
    /// Not now: run again at this time. No attempt is counted.
    DelayUntil(When),
    /// The queue shall rest this long. No attempt is counted.
    RateLimited(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Timestamp),
    In(Duration),
}

impl Stop {
    /// Failed: try again as the job's options say, as `?` does. For errors that are no [`std::error::Error`]
    /// themselves but can become one: text, `anyhow::Error`.
    pub fn retry(error: impl Into<Cause>) -> Self {
        Self(Reason::Retry {
            failure: Failure::from_error(&*error.into()),
            after: None,
        })
    }

    /// Failed: if attempts are left, try again after this long instead of the job's own back-off.
    pub fn retry_after(wait: Duration, error: impl Into<Cause>) -> Self {
        Self(Reason::Retry {
            failure: Failure::from_error(&*error.into()),
            after: Some(wait),
        })
    }

    /// Failed for good: no further attempt.
    pub fn fail(error: impl Into<Cause>) -> Self {
        Self(Reason::Fail(Failure::from_error(&*error.into())))
    }

    /// Run the job again at this time; this was no attempt.
    #[must_use]
    pub const fn delay_until(time: Timestamp) -> Self {
        Self(Reason::DelayUntil(When::At(time)))
    }

    /// Run the job again after this long; this was no attempt.
    #[must_use]
    pub const fn delay_for(wait: Duration) -> Self {
        Self(Reason::DelayUntil(When::In(wait)))
    }

    /// Put the job back and let no worker take jobs from the queue for this long; this was no attempt.
    ///
    /// BullMQ workers on the same queue keep to it if they or the queue have a rate limit configured.
    #[must_use]
    pub const fn rate_limited(wait: Duration) -> Self {
        Self(Reason::RateLimited(wait))
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self(Reason::Retry {
            failure: Failure::from_error(&error),
            after: None,
        })
    }
}

/// Causes one error may name; a chain that is longer (or circular) is cut.
const LONGEST_CHAIN: usize = 32;

/// What is kept of an error: its message, and the chain of its causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) chain: String,
}

impl Failure {
    pub(crate) fn new(reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        Self {
            chain: reason.clone(),
            reason,
        }
    }

    pub(crate) fn from_error(error: &(dyn StdError + 'static)) -> Self {
        let mut failure = Self::new(error);
        let mut cause = error.source();
        for _ in 0..LONGEST_CHAIN {
            let Some(error) = cause else { break };
            failure.chain.push_str("\n    caused by: ");
            failure.chain.push_str(&error.to_string());
            cause = error.source();
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Stop};

    #[test]
    fn the_chain_of_causes_is_kept() {
        let cause = std::io::Error::other("disk on fire");
        let error = crate::Error::StoreUnavailable {
            operation: "add".into(),
            source: cause.into(),
        };
        let Stop(Reason::Retry { failure, after: None }) = Stop::from(error) else {
            panic!("an error is a retry")
        };
        assert_eq!(failure.reason, "cannot add: the store does not answer");
        assert_eq!(
            failure.chain,
            "cannot add: the store does not answer\n    caused by: disk on fire"
        );
    }
}
