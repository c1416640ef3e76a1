//! A signing secret in the form of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64.
//!
//! The bytes never leave this module except as a message authentication code: `Debug` and serialised output
//! are redacted, and no error repeats what was written. Next: `sign.rs`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const REDACTED: &str = "whsec_redacted";

// Secrets are pasted by hand, and a lost `=` at the end changes no byte of the key.
const FORGIVING_BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret shared with a receiver. It has no way to be read back.
#[derive(Clone)]
pub struct Secret {
    key: Box<[u8]>,
}

/// Why a text is not a signing secret. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The text starts with something else.
    #[error(
        "must start with whsec_, followed by 24 to 64 random bytes in base64 (`openssl rand -base64 32`)"
    )]
    Prefix,
    /// An ed25519 key of the asymmetric scheme.
    #[error("is an ed25519 key (whsk_ or whpk_), which is not supported: use a whsec_ secret")]
    Asymmetric,
    /// What follows the prefix is not base64.
    #[error("must be base64 after whsec_ (letters, digits, + and /)")]
    Base64,
    /// Too short or too long.
    #[error("holds {bytes} bytes, but must hold 24 to 64: make a new one with `openssl rand -base64 32`")]
    Length {
        /// How many bytes it holds.
        bytes: usize,
    },
}

impl Secret {
    /// A code generator keyed with this secret.
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    pub(super) fn code(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.key).expect("a key of any length")
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("whsk_") || text.starts_with("whpk_") {
            return Err(SecretError::Asymmetric);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let key = FORGIVING_BASE64
            .decode(encoded)
            .map_err(|_| SecretError::Base64)?;
        if !(24..=64).contains(&key.len()) {
            return Err(SecretError::Length { bytes: key.len() });
        }
        Ok(Self {
            key: key.into_boxed_slice(),
        })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_24_to_64_bytes_are_taken_with_and_without_padding() {
        assert!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse::<Secret>().is_ok());
        let padded = format!("whsec_{}=", "A".repeat(43));
        assert!(padded.parse::<Secret>().is_ok());
        assert!(padded.trim_end_matches('=').parse::<Secret>().is_ok());
        assert!(format!("whsec_{}==", "A".repeat(86)).parse::<Secret>().is_ok());
    }

    #[test]
    fn errors_name_the_fault_and_never_the_secret() {
        for (text, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("", SecretError::Prefix),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Asymmetric),
            ("whsec_MfKQ9r8GKYqrTw jUPD8ILPZIo2LaLaSw", SecretError::Base64),
            ("whsec_MfKQ9r8G", SecretError::Length { bytes: 6 }),
            ("whsec_", SecretError::Length { bytes: 0 }),
        ] {
            let found = text.parse::<Secret>().unwrap_err();
            assert_eq!(found, error);
            assert!(!found.to_string().contains("MfKQ9r8G"));
        }
        let too_long = format!("whsec_{}", "A".repeat(88));
        assert_eq!(
            too_long.parse::<Secret>().unwrap_err(),
            SecretError::Length { bytes: 66 }
        );
    }

    #[test]
    fn debug_and_serialised_output_are_redacted() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "whsec_redacted");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"whsec_redacted\"");
    }
}
