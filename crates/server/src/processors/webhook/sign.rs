//! The sender's half of Standard Webhooks 1.0.0: the three headers that let a receiver trust a message.
//!
//! Signed is `id.timestamp.body`, with every configured secret at once, so that a secret can be changed
//! without a gap. The id is the same over all attempts of a job and differs between jobs, even when a queue
//! was emptied and counts from 1 again. Next: `verify.rs` (the receiver's half).

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::Mac;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::secret::Secret;

/// Names the message; the same over all attempts.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in seconds since 1970.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Signatures separated by spaces, each `v1,<base64>`.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

const LONGEST_ID: usize = 256;

/// The value of `webhook-id`: 1 to 256 visible ASCII characters without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    text: String,
}

/// Why a text cannot be a message id: the full stop separates the signed parts, so an id must not hold one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message id must be 1 to 256 visible ASCII characters without a full stop")]
pub struct MessageIdError;

impl MessageId {
    /// An id made elsewhere.
    ///
    /// # Errors
    /// When the text is empty, too long, holds a full stop or anything but visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, MessageIdError> {
        let text = text.into();
        let is_safe = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        if text.is_empty() || text.len() > LONGEST_ID || !is_safe {
            return Err(MessageIdError);
        }
        Ok(Self { text })
    }

    /// The id of a job's message. All three must be constant over the job's attempts; `created_at_ms` is the
    /// job's `timestamp` field. A digest, so that queue names and job ids of any form fit and strangers do
    /// not see them.
    #[must_use]
    pub fn of_job(queue: &str, job_id: &str, created_at_ms: u64) -> Self {
        let mut digest = Sha256::new();
        for part in [queue, job_id] {
            // The length keeps ("a", "bc") apart from ("ab", "c").
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(created_at_ms.to_be_bytes());
        let digest = digest.finalize();
        let short = digest.get(..18).unwrap_or(&digest);
        Self {
            text: format!("msg_{}", URL_SAFE_NO_PAD.encode(short)),
        }
    }

    /// The id as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The Standard Webhooks headers of one attempt. Without secrets the signature is left out and the message
/// goes unsigned; a clock before 1970 counts as 1970.
#[must_use]
pub fn sign(secrets: &[Secret], id: &MessageId, sent_at: SystemTime, body: &[u8]) -> HeaderMap {
    let timestamp = sent_at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut headers = HeaderMap::with_capacity(3);
    headers.insert(ID_HEADER, visible(id.as_str()));
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from(timestamp));
    if !secrets.is_empty() {
        let signatures: Vec<String> = secrets
            .iter()
            .map(|secret| signature(secret, id.as_str(), timestamp, body))
            .collect();
        headers.insert(SIGNATURE_HEADER, visible(&signatures.join(" ")));
    }
    headers
}

fn signature(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> String {
    let code = signed_content(secret, id, timestamp, body)
        .finalize()
        .into_bytes();
    format!("v1,{}", STANDARD.encode(code))
}

pub(super) fn signed_content(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> hmac::Hmac<Sha256> {
    let mut code = secret.code();
    code.update(id.as_bytes());
    code.update(format!(".{timestamp}.").as_bytes());
    code.update(body);
    code
}

#[expect(
    clippy::expect_used,
    reason = "ids are checked when made, signatures are base64 and spaces"
)]
fn visible(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn secret() -> Secret {
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap()
    }

    fn other_secret() -> Secret {
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".parse().unwrap()
    }

    #[test]
    fn the_vector_of_the_reference_libraries_is_met() {
        let id = MessageId::new("msg_p5jXN8AQM9LWM0D4loKWxJek").unwrap();
        let sent_at = UNIX_EPOCH + Duration::from_secs(1_614_265_330);
        let headers = sign(&[secret()], &id, sent_at, br#"{"test": 2432232314}"#);
        assert_eq!(headers[ID_HEADER], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers[TIMESTAMP_HEADER], "1614265330");
        assert_eq!(
            headers[SIGNATURE_HEADER],
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn every_secret_signs_in_the_order_of_the_list() {
        let id = MessageId::new("msg_1").unwrap();
        let both = sign(&[other_secret(), secret()], &id, UNIX_EPOCH, b"{}");
        let first = sign(&[other_secret()], &id, UNIX_EPOCH, b"{}");
        let second = sign(&[secret()], &id, UNIX_EPOCH, b"{}");
        let joined = format!(
            "{} {}",
            first[SIGNATURE_HEADER].to_str().unwrap(),
            second[SIGNATURE_HEADER].to_str().unwrap()
        );
        assert_eq!(both[SIGNATURE_HEADER], joined);
        assert!(!sign(&[], &id, UNIX_EPOCH, b"{}").contains_key(SIGNATURE_HEADER));
    }

    #[test]
    fn the_id_is_constant_for_a_job_and_differs_between_jobs() {
        let id = MessageId::of_job("mail", "42", 1_760_000_000_000);
        assert_eq!(id, MessageId::of_job("mail", "42", 1_760_000_000_000));
        assert_ne!(id, MessageId::of_job("mail", "43", 1_760_000_000_000));
        assert_ne!(id, MessageId::of_job("mail", "42", 1_760_000_000_001));
        assert_ne!(MessageId::of_job("a", "bc", 1), MessageId::of_job("ab", "c", 1));
        let odd = MessageId::of_job("größe.日本", "a\r\nb.c", 0);
        assert!(MessageId::new(odd.as_str()).is_ok(), "{odd}");
    }

    #[test]
    fn ids_that_could_forge_the_signed_content_are_refused() {
        for text in ["", "a.b", "a b", "a\r\nb", "ü", &"x".repeat(257)] {
            assert_eq!(MessageId::new(text), Err(MessageIdError), "{text:?}");
        }
    }
}
