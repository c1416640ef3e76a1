//! How a value becomes bytes.
//!
//! The codec is named in each envelope, so a namespace may change its own: what was written before stays readable.
//! Next: `envelope.rs`.

use std::mem;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Foreign;
use crate::error::Cause;

/// How a value becomes bytes.
///
/// Changing the codec of a namespace is safe at any time: each entry says which one wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Codec {
    /// JSON: readable with any tool, fields may be added; the default. Numbers that JSON does not have (NaN, infinity)
    /// become `null` and are misses when read as numbers.
    #[default]
    Json,
    /// MessagePack with the names of the fields: a sixth smaller than JSON and faster, mostly in writing, as tolerant of
    /// added fields.
    MessagePack,
    /// postcard: the smallest and by far the fastest, but fields count by position alone. Whatever changes the type (also the order of
    /// fields or variants) needs a new version of the namespace. Not for types that contain themselves in a store that
    /// others write to: its reader does not bound their depth.
    Postcard,
}

impl Codec {
    /// Its name wherever codecs are named: in settings, entries and figures.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
            Self::Postcard => "postcard",
        }
    }

    /// Serialises into an empty buffer.
    pub(super) fn write<V: Serialize + ?Sized>(self, value: &V, buffer: &mut Vec<u8>) -> Result<(), Cause> {
        match self {
            Self::Json => serde_json::to_writer(buffer, value).map_err(Cause::from),
            Self::MessagePack => rmp_serde::encode::write_named(buffer, value).map_err(Cause::from),
            Self::Postcard => {
                *buffer = postcard::to_extend(value, mem::take(buffer))?;
                Ok(())
            }
        }
    }

    /// The value in `plain`, which must be nothing but it.
    pub(super) fn read<V: DeserializeOwned>(self, plain: &[u8]) -> Result<V, Foreign> {
        match self {
            Self::Json => serde_json::from_slice(plain).map_err(|_| Foreign::Codec),
            Self::MessagePack => rmp_serde::from_slice(plain).map_err(|_| Foreign::Codec),
            Self::Postcard => match postcard::take_from_bytes(plain) {
                Ok((value, [])) => Ok(value),
                Ok(_) | Err(_) => Err(Foreign::Codec),
            },
        }
    }
}

/// What the plain bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A value.
    Value(Codec),
    /// The decimal text of an `i64`, which scripts rewrite.
    Counter,
}

impl Form {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::Value(Codec::Json) => 0,
            Self::Value(Codec::MessagePack) => 1,
            Self::Value(Codec::Postcard) => 2,
            Self::Counter => 3,
        }
    }

    pub(super) const fn of_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Value(Codec::Json),
            1 => Self::Value(Codec::MessagePack),
            2 => Self::Value(Codec::Postcard),
            _ => Self::Counter,
        }
    }
}

/// The number of a counter; only the text that writing it gives, so `+7`, `007` and `-0` are none.
pub(super) fn read_counter(plain: &[u8]) -> Result<i64, Foreign> {
    let text = std::str::from_utf8(plain).map_err(|_| Foreign::Codec)?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text != "0" && !digits.starts_with(|first: char| matches!(first, '1'..='9')) {
        return Err(Foreign::Codec);
    }
    text.parse().map_err(|_| Foreign::Codec)
}
