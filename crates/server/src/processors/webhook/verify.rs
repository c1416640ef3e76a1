//! The receiver's half of Standard Webhooks 1.0.0, for receivers written in Rust.
//!
//! Accepts a message when any of its `v1` signatures fits any of the secrets and the timestamp is near enough
//! to the receiver's clock. Codes are compared in constant time. Replays within the tolerance remain
//! possible: remember the returned id for as long and drop what was seen.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use http::{HeaderMap, HeaderName};

use super::secret::Secret;
use super::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signed_content};

/// How far a timestamp may be off, as the reference libraries have it: five minutes.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// Why a message is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is missing, is there twice, or is not visible ASCII.
    #[error("the header {0} must be there exactly once, in visible ASCII")]
    Header(&'static str),
    /// The timestamp is not a whole number of seconds since 1970.
    #[error("the header webhook-timestamp must be a whole number of seconds since 1970")]
    Timestamp,
    /// The timestamp is before the tolerated window: an old message, or clocks that disagree.
    #[error("the message is older than the tolerance allows: compare the clocks, or it is a replay")]
    TooOld,
    /// The timestamp is after the tolerated window.
    #[error("the message comes from the future: compare the clocks")]
    TooNew,
    /// No signature fits any secret.
    #[error(
        "no v1 signature fits: check the secret, and that the body is verified byte for byte as received"
    )]
    NoMatch,
}

/// Checks a received message and returns its id. `body` must be the bytes as received, before any parsing.
///
/// # Errors
/// [`VerifyError`] when a header is missing or unreadable, the timestamp is more than `tolerance` off `now`,
/// or no signature fits.
pub fn verify<'a>(
    secrets: &[Secret],
    headers: &'a HeaderMap,
    body: &[u8],
    now: SystemTime,
    tolerance: Duration,
) -> Result<&'a str, VerifyError> {
    let id = single(headers, &ID_HEADER, "webhook-id")?;
    let timestamp = single(headers, &TIMESTAMP_HEADER, "webhook-timestamp")?;
    let signatures = single(headers, &SIGNATURE_HEADER, "webhook-signature")?;

    let timestamp = seconds(timestamp).ok_or(VerifyError::Timestamp)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.saturating_sub(timestamp) > tolerance.as_secs() {
        return Err(VerifyError::TooOld);
    }
    if timestamp.saturating_sub(now) > tolerance.as_secs() {
        return Err(VerifyError::TooNew);
    }

    for candidate in signatures.split(' ').filter_map(|part| part.strip_prefix("v1,")) {
        let Ok(code) = STANDARD.decode(candidate) else {
            continue;
        };
        for secret in secrets {
            if signed_content(secret, id, timestamp, body)
                .verify_slice(&code)
                .is_ok()
            {
                return Ok(id);
            }
        }
    }
    Err(VerifyError::NoMatch)
}

// The plain parse of the standard library would take "+5" too; what was signed has one spelling only.
fn seconds(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

// A message with a header twice is ambiguous: the code that acts on it might read the other one.
fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    shown: &'static str,
) -> Result<&'a str, VerifyError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| VerifyError::Header(shown)),
        _ => Err(VerifyError::Header(shown)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::processors::webhook::sign::{MessageId, sign};

    const NOW: u64 = 1_760_000_000;
    const BODY: &[u8] = br#"{"type":"chapter.published"}"#;

    fn secret() -> Secret {
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
    }

    fn other_secret() -> Secret {
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn signed(secrets: &[Secret]) -> HeaderMap {
        sign(secrets, &MessageId::new("msg_1").unwrap(), at(NOW), BODY)
    }

    fn check(secrets: &[Secret], headers: &HeaderMap, body: &[u8], now: u64) -> Result<(), VerifyError> {
        verify(secrets, headers, body, at(now), DEFAULT_TOLERANCE).map(|id| assert_eq!(id, "msg_1"))
    }

    #[test]
    fn what_was_signed_is_accepted_on_both_sides_of_a_rotation() {
        for (signing, verifying) in [
            (vec![secret()], vec![secret()]),
            (vec![other_secret(), secret()], vec![secret()]),
            (vec![secret()], vec![other_secret(), secret()]),
        ] {
            assert_eq!(check(&verifying, &signed(&signing), BODY, NOW), Ok(()));
        }
    }

    #[test]
    fn anything_changed_is_refused() {
        let headers = signed(&[secret()]);
        assert_eq!(
            check(&[other_secret()], &headers, BODY, NOW),
            Err(VerifyError::NoMatch)
        );
        assert_eq!(check(&[], &headers, BODY, NOW), Err(VerifyError::NoMatch));
        assert_eq!(
            check(&[secret()], &headers, b"{}", NOW),
            Err(VerifyError::NoMatch)
        );
        for (name, value) in [
            (ID_HEADER, "msg_2"),
            (TIMESTAMP_HEADER, "1760000001"),
            (
                SIGNATURE_HEADER,
                "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=",
            ),
            (SIGNATURE_HEADER, "v1,"),
            (SIGNATURE_HEADER, "v1,%%%"),
            (SIGNATURE_HEADER, ""),
        ] {
            let mut changed = headers.clone();
            changed.insert(name, HeaderValue::from_static(value));
            assert_eq!(
                check(&[secret()], &changed, BODY, NOW),
                Err(VerifyError::NoMatch),
                "{value:?}"
            );
        }
        let mut renamed = headers.clone();
        let as_v2 = headers[SIGNATURE_HEADER].to_str().unwrap().replace("v1,", "v2,");
        renamed.insert(SIGNATURE_HEADER, as_v2.parse().unwrap());
        assert_eq!(check(&[secret()], &renamed, BODY, NOW), Err(VerifyError::NoMatch));
    }

    #[test]
    fn one_good_signature_among_strangers_is_enough() {
        let mut headers = signed(&[secret()]);
        let good = headers[SIGNATURE_HEADER].to_str().unwrap().to_owned();
        let mixed = format!("v1,Ceo5 v1a,hnO3f9T8 v2,AAAA {good} v1,AAAA");
        headers.insert(SIGNATURE_HEADER, mixed.parse().unwrap());
        assert_eq!(check(&[secret()], &headers, BODY, NOW), Ok(()));
    }

    #[test]
    fn the_timestamp_must_be_near_the_clock() {
        let headers = signed(&[secret()]);
        assert_eq!(check(&[secret()], &headers, BODY, NOW + 300), Ok(()));
        assert_eq!(check(&[secret()], &headers, BODY, NOW - 300), Ok(()));
        assert_eq!(
            check(&[secret()], &headers, BODY, NOW + 301),
            Err(VerifyError::TooOld)
        );
        assert_eq!(
            check(&[secret()], &headers, BODY, NOW - 301),
            Err(VerifyError::TooNew)
        );
        for text in [
            "",
            "soon",
            "+1760000000",
            "1760000000.0",
            "-1",
            "01760000000",
            "99999999999999999999",
        ] {
            let mut changed = headers.clone();
            changed.insert(TIMESTAMP_HEADER, HeaderValue::from_static(text));
            assert_eq!(
                check(&[secret()], &changed, BODY, NOW),
                Err(VerifyError::Timestamp),
                "{text:?}"
            );
        }
    }

    #[test]
    fn headers_that_are_missing_or_doubled_are_named() {
        for name in [ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
            let mut missing = signed(&[secret()]);
            missing.remove(&name);
            let mut doubled = signed(&[secret()]);
            doubled.append(&name, HeaderValue::from_static("1"));
            for headers in [missing, doubled] {
                let error = check(&[secret()], &headers, BODY, NOW).unwrap_err();
                assert!(error.to_string().contains(name.as_str()), "{error}");
            }
        }
    }
}
