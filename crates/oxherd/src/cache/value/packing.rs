//! How the values of a namespace are packed.
//!
//! All of it may change at any time: envelopes say what they are. Only keys are different, see [`Packing::with_keys`].
//! Next: `envelope.rs`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, Compression, Envelope, Header, KeyRing, Place};
use crate::error::Result;

/// Where values are measured.
const NOWHERE: Place<'_> = Place {
    tenant: "",
    namespace: "",
    key: "",
};

/// How the values of a namespace are packed.
///
/// The default: JSON, lz4 from 1,024 bytes on, no keys, at most 4 MiB, big above 256 KiB.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    codec: Codec,
    compression: Compression,
    compress_from: usize,
    keys: Option<KeyRing>,
    max_value: usize,
    big_value: usize,
}

impl Default for Packing {
    fn default() -> Self {
        Self {
            codec: Codec::default(),
            compression: Compression::default(),
            compress_from: 1024,
            keys: None,
            max_value: 4 << 20,
            big_value: 256 << 10,
        }
    }
}

impl Packing {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How values become bytes. Default: [`Codec::Json`].
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// How values are compressed. Default: [`Compression::Lz4`].
    #[must_use]
    pub const fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Values of fewer bytes are not compressed. Default: 1,024.
    #[must_use]
    pub const fn with_compress_from(mut self, bytes: usize) -> Self {
        self.compress_from = bytes;
        self
    }

    /// Seals values so that the store's owner cannot read, change or swap them. Default: not sealed.
    ///
    /// From then on entries that are not sealed are misses: anybody might have written them; and sealed ones are, to who has no keys. While
    /// processes of both kinds run, each replaces what the other wrote. Counters are never sealed,
    /// because the store itself counts.
    #[must_use]
    pub fn with_keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The most bytes a value may have, as its codec writes it and before compression; more is
    /// [`Error::ValueTooLarge`](crate::Error::ValueTooLarge), and an entry that has more is a miss. Default: 4 MiB.
    #[must_use]
    pub const fn with_max_value(mut self, bytes: usize) -> Self {
        self.max_value = bytes;
        self
    }

    /// Entries of more bytes, as they are stored, are reported: they make the store and its network slow for everybody.
    /// Default: 256 KiB.
    #[must_use]
    pub const fn with_big_value(mut self, bytes: usize) -> Self {
        self.big_value = bytes;
        self
    }

    /// An entry of no namespace: for those who measure what packing costs.
    #[doc(hidden)]
    pub fn pack<V: Serialize>(&self, value: &V) -> Result<Vec<u8>> {
        Envelope::encode_value(&Header::default(), Some(value), self, NOWHERE)
    }

    /// The value of such an entry, unless it is damaged.
    #[doc(hidden)]
    #[must_use]
    pub fn unpack<V: DeserializeOwned>(&self, entry: &[u8]) -> Option<V> {
        let envelope = Envelope::parse(entry.to_vec().into()).ok()?;
        envelope.decode(self, NOWHERE).ok()?
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.codec
    }

    /// What to try on so many plain bytes.
    pub(super) const fn compression_of(&self, size: usize) -> Compression {
        if size < self.compress_from {
            Compression::None
        } else {
            self.compression
        }
    }

    pub(crate) const fn keys(&self) -> Option<&KeyRing> {
        self.keys.as_ref()
    }

    pub(crate) const fn max_value(&self) -> usize {
        self.max_value
    }

    pub(crate) const fn big_value(&self) -> usize {
        self.big_value
    }

    /// Whether an entry of so many bytes deserves a warning.
    pub(crate) const fn is_big(&self, stored: usize) -> bool {
        stored > self.big_value
    }
}
