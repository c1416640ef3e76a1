//! Why an entry of the store is not believed.
//!
//! Such an entry is a miss that is counted and reported once; it is never an error of the caller, who
//! gets the value from the source. Next: `envelope.rs`.

use std::fmt;

use super::KeyId;

/// Why an entry of the store is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Foreign {
    /// Another program wrote it.
    NotOurs,
    /// Another version of this library wrote it, in this format.
    Format(u8),
    /// It ends too early.
    Truncated,
    /// Its header contradicts itself, or says things this version does not know.
    Malformed,
    /// It declares more plain bytes than the namespace allows; nothing was allocated.
    TooLarge,
    /// The plain bytes are not as many as declared.
    Length,
    /// The plain bytes are not those that were written.
    Hash,
    /// The namespace has keys, and this entry is not sealed: anybody might have written it.
    Unsealed,
    /// It is sealed with a key that this process does not have.
    UnknownKey(KeyId),
    /// The seal does not hold: changed, or moved here from another place.
    Seal,
    /// It cannot be decompressed, or not by this build.
    Compression,
    /// The plain bytes are not a value of the type asked for.
    Codec,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOurs => f.write_str("another program wrote it; give the cache a prefix of its own"),
            Self::Format(format) => {
                write!(
                    f,
                    "another version of this library wrote it, in format {format}; it is loaded anew"
                )
            }
            Self::Truncated => f.write_str("it ends too early"),
            Self::Malformed => f.write_str("its header makes no sense"),
            Self::TooLarge => {
                f.write_str("its value is larger than the namespace allows now; was `max_value` lowered?")
            }
            Self::Length => f.write_str("its value is not as long as its header says"),
            Self::Hash => f.write_str("its value is not what was written"),
            Self::Unsealed => f.write_str("it is not sealed, but the namespace has keys"),
            Self::UnknownKey(id) => {
                write!(
                    f,
                    "it is sealed with key {}, which this process does not have; add it to the key ring",
                    id.0
                )
            }
            Self::Seal => f.write_str("its seal does not hold: it was changed, or moved from another place"),
            Self::Compression => {
                f.write_str("it cannot be decompressed; do all processes have the same features (zstd)?")
            }
            Self::Codec => f.write_str("its value has another shape; give the namespace a new version"),
        }
    }
}
