//! Sealing: XChaCha20-Poly1305 with numbered keys.
//!
//! A seal vouches for the value, for the place it was put, and for the header but `incarnation` and `as_of`. Those two are
//! written by scripts of the store: whoever may write to the store can call an entry valid again that was invalidated, or put
//! back an older one of the same key, but can neither read, change nor move a value.
//! Next: `place.rs` (what is vouched for), `layout.rs`.

use std::fmt;
use std::hint::black_box;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rand::Rng;

use super::{Foreign, Place};
use crate::error::{Error, Result};

/// Bytes of a key.
const KEY: usize = 32;
/// Bytes in front of the ciphertext. At random: with 24 of them no two are ever the same.
pub(super) const NONCE: usize = 24;
/// Bytes behind the ciphertext.
pub(super) const TAG: usize = 16;

/// The number by which an entry names the key that sealed it. Never give a number to another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A secret of 32 bytes. It is never printed, and erased from memory when dropped.
#[derive(Clone)]
pub struct EncryptionKey(XChaCha20Poly1305);

impl EncryptionKey {
    /// From 32 bytes of a good random source (`openssl rand 32`).
    ///
    /// # Errors
    ///
    /// [`Error::EncryptionKey`] unless there are exactly 32 bytes, not all zero.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let refused = |reason: String| Err(Error::EncryptionKey { reason });
        let Ok(key) = <&[u8; KEY]>::try_from(bytes) else {
            return refused(format!(
                "it has {} bytes, and must have {KEY}; make one with `openssl rand -base64 32`",
                bytes.len()
            ));
        };
        if key.iter().all(|byte| *byte == 0) {
            return refused("all its bytes are zero; make one with `openssl rand -base64 32`".to_owned());
        }
        Ok(Self(XChaCha20Poly1305::new(key.into())))
    }

    /// From base64, with the usual alphabet or that for URLs, padded or not; white space around it is ignored
    /// (`openssl rand -base64 32`).
    ///
    /// # Errors
    ///
    /// [`Error::EncryptionKey`] if it is not base64 of exactly 32 bytes, or these are all zero. The text is not repeated.
    pub fn from_base64(text: &str) -> Result<Self> {
        let text = text.trim();
        let alphabet = if text.contains(['-', '_']) {
            &alphabet::URL_SAFE
        } else {
            &alphabet::STANDARD
        };
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let Ok(mut bytes) = GeneralPurpose::new(alphabet, config).decode(text) else {
            let reason = "it is not base64; make one with `openssl rand -base64 32`".to_owned();
            return Err(Error::EncryptionKey { reason });
        };
        let key = Self::from_bytes(&bytes);
        bytes.fill(0);
        // Read once more, or the compiler would leave out the erasing.
        black_box(&bytes);
        key
    }
}

impl EncryptionKey {
    /// What the key makes of nothing in particular: of two keys the same only if they are. It is never stored.
    fn likeness(&self) -> [u8; KEY] {
        let mut text = [0; KEY];
        // So short a text is never refused.
        let _tag = self
            .0
            .encrypt_inout_detached(&XNonce::from([0; NONCE]), &[], text.as_mut_slice().into());
        text
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.likeness() == other.likeness()
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(secret)")
    }
}

/// The keys of a namespace: one that seals, and any number that only open.
///
/// To change the key without a miss: first give the new one to every process [to open](Self::with_key), then make it the one
/// that [seals](Self::new) and keep the old one to open, and drop the old one when the longest TTL has passed.
///
/// ```
/// use oxherd::cache::{EncryptionKey, KeyId, KeyRing};
/// # fn main() -> oxherd::Result<()> {
/// let old = EncryptionKey::from_base64("bm90IGEgc2VjcmV0IGFueSBtb3JlLCBvZiBjb3Vyc2U=")?;
/// let new = EncryptionKey::from_base64("dGhpcyBvbmUgc3RhbmRzIGluIHRoZSBkb2NzLCB0b28=")?;
/// let keys = KeyRing::new(KeyId(2), new).with_key(KeyId(1), old)?;
/// assert_eq!(keys.current(), KeyId(2));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KeyRing {
    current: (KeyId, EncryptionKey),
    others: Vec<(KeyId, EncryptionKey)>,
}

impl KeyRing {
    /// A ring whose key seals what is written and opens what was.
    #[must_use]
    pub fn new(id: KeyId, key: EncryptionKey) -> Self {
        Self {
            current: (id, key),
            others: Vec::new(),
        }
    }

    /// Adds a key that only opens: an older one, or the next one.
    ///
    /// # Errors
    ///
    /// [`Error::EncryptionKey`] if the ring has a key of that number.
    pub fn with_key(mut self, id: KeyId, key: EncryptionKey) -> Result<Self> {
        if self.key(id).is_some() {
            let reason = format!("the ring has a key {id} already; give each key a number of its own");
            return Err(Error::EncryptionKey { reason });
        }
        self.others.push((id, key));
        Ok(self)
    }

    /// The key that seals.
    #[must_use]
    pub const fn current(&self) -> KeyId {
        self.current.0
    }

    /// The keys that open, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.all().map(|(id, _)| *id)
    }

    fn all(&self) -> impl Iterator<Item = &(KeyId, EncryptionKey)> {
        std::iter::once(&self.current).chain(&self.others)
    }

    fn key(&self, id: KeyId) -> Option<&XChaCha20Poly1305> {
        self.all().find(|(known, _)| *known == id).map(|(_, key)| &key.0)
    }

    /// Appends the sealed text to the header that stands in `out`. An error means that it is longer than the cipher
    /// takes, 256 GB.
    pub(super) fn seal(
        &self,
        out: &mut Vec<u8>,
        text: &[u8],
        place: Place<'_>,
    ) -> Result<(), chacha20poly1305::Error> {
        let vouched = place.vouched(out);
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(text);
        let cipher = &self.current.1.0;
        let text = out.get_mut(start..).unwrap_or_default();
        let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), &vouched, text.into())?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The text that was sealed behind `head`.
    pub(super) fn open(
        &self,
        id: KeyId,
        head: &[u8],
        sealed: &[u8],
        place: Place<'_>,
    ) -> Result<Vec<u8>, Foreign> {
        let cipher = self.key(id).ok_or(Foreign::UnknownKey(id))?;
        let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(Foreign::Truncated)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(Foreign::Truncated)?;
        let mut text = text.to_vec();
        let vouched = place.vouched(head);
        cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &vouched,
                text.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| Foreign::Seal)?;
        Ok(text)
    }
}

impl PartialEq for KeyRing {
    /// In whichever order the others were added.
    fn eq(&self, other: &Self) -> bool {
        self.current == other.current
            && self.others.len() == other.others.len()
            && self.others.iter().all(|key| other.others.contains(key))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others: Vec<u32> = self.others.iter().map(|(id, _)| id.0).collect();
        f.debug_struct("KeyRing")
            .field("current", &self.current.0.0)
            .field("others", &others)
            .finish_non_exhaustive()
    }
}
