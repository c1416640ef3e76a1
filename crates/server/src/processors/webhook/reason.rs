//! Why a delivery did not succeed, and whether another attempt could.
//!
//! Standard Webhooks knows one final answer, 410 Gone; every other failure of the receiver is tried again.
//! Final are also the failures of the job itself: a broken payload and an address that may not be dialled.

use std::time::Duration;

use super::address::RefusedAddress;
use super::client::Answer;
use super::problem::PayloadError;

/// What went wrong. Displays as a sentence for logs and the job's failure, with the status; what the receiver said may
/// repeat the payload or a secret, so it is kept apart, see [`Reason::into_failure`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The receiver answered with something else than 2xx.
    #[error("the receiver answered {}", .0.status)]
    Answered(Answer),
    /// The receiver had not answered when the time was up.
    #[error("the receiver did not answer within {}ms", .after.as_millis())]
    TimedOut {
        /// The whole time it had.
        after: Duration,
    },
    /// No connection came about: look-up, connection or TLS handshake failed.
    #[error("no connection to the receiver: {message}")]
    NoConnection {
        /// What failed, from the outside in.
        message: String,
    },
    /// The connection broke before there was an answer. The receiver may have acted on the message.
    #[error("no answer from the receiver: {message}")]
    NoAnswer {
        /// What failed, from the outside in.
        message: String,
    },
    /// The host leads to no address that may be dialled. Nothing was sent.
    #[error("{host}: {refused}")]
    Address {
        /// The host as it was judged.
        host: String,
        /// Which rule refused it.
        refused: RefusedAddress,
    },
    /// The payload cannot be delivered. Nothing was sent.
    #[error("the payload cannot be delivered: {0}")]
    Payload(#[from] PayloadError),
}

impl Reason {
    /// Whether another attempt would be in vain.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Answered(answer) => answer.status == http::StatusCode::GONE,
            Self::Address { .. } | Self::Payload(_) => true,
            Self::TimedOut { .. } | Self::NoConnection { .. } | Self::NoAnswer { .. } => false,
        }
    }

    /// The reason with what the receiver said as its cause, which stays out of logs.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let said = self.answer().and_then(|answer| Said::of(&answer.body));
        Failure { reason: self, said }
    }

    /// The receiver's answer, if there was one.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}

/// A failed delivery as the job keeps it: the reason, caused by what the receiver said.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    reason: Reason,
    #[source]
    said: Option<Said>,
}

/// The beginning of a receiver's answer, on one line.
#[derive(Debug, thiserror::Error)]
#[error("it said: {0}")]
struct Said(String);

impl Said {
    fn of(body: &str) -> Option<Self> {
        const MOST: usize = 200;
        let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() {
            return None;
        }
        let end = if line.chars().nth(MOST).is_some() {
            "…"
        } else {
            ""
        };
        let beginning: String = line
            .chars()
            .take(MOST)
            .filter(|letter| !letter.is_control())
            .collect();
        Some(Self(format!("{beginning}{end}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::webhook::client::BodyEnd;

    fn answered(status: u16, body: &str) -> Reason {
        let duration = Duration::from_millis(5);
        Reason::Answered(Answer {
            status,
            body: body.to_owned(),
            body_end: BodyEnd::Complete,
            duration,
        })
    }

    #[test]
    fn of_all_answers_only_410_is_final() {
        for status in (100..=599).filter(|status| !(200..300).contains(status)) {
            assert_eq!(answered(status, "").is_final(), status == 410, "{status}");
        }
    }

    #[test]
    fn what_the_receiver_said_is_a_cause_and_no_part_of_the_sentence() {
        let said = |body: &str| {
            let failure = answered(500, body).into_failure();
            assert_eq!(failure.to_string(), "the receiver answered 500");
            std::error::Error::source(&failure).map(ToString::to_string)
        };
        assert_eq!(said(""), None);
        assert_eq!(
            said("out of\r\n\x1b[31m cheese").as_deref(),
            Some("it said: out of [31m cheese")
        );
        let long = said(&"ä".repeat(4_000)).unwrap_or_default();
        assert!(long.ends_with("ä…") && long.chars().count() < 240, "{long}");
    }
}
