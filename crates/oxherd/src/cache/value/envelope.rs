//! Writing envelopes, and judging what comes back.
//!
//! [`Envelope::parse`] reads the header alone, so that an entry can be found invalid or expired without touching its value.
//! [`Envelope::open`] and [`Envelope::decode`] vouch for the value: what was cut, changed, moved or forged is a
//! [`Foreign`]. Without keys that is true of accidents only, for anybody can write a hash that fits.
//! Next: `header.rs`, `layout.rs`.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::codec::{Form, read_counter};
use super::compress::{Method, unpack};
use super::header::{Content, Header, hash_of};
use super::scratch::{self, PACKED, PLAIN};
use super::seal::{NONCE, TAG};
use super::{Foreign, KeyId, Packing, Place};
use crate::error::{Cause, Error, Result};

/// An entry of the store: its header read, its value not looked at yet.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    bytes: Bytes,
    header: Header,
    content: Content,
    payload_at: usize,
}

impl Envelope {
    /// An envelope of bytes that the namespace's codec has written; `None` says that there is no value.
    ///
    /// # Errors
    ///
    /// [`Error::ValueTooLarge`], [`Error::CacheTag`] and [`Error::CacheTags`] for what is out of its range.
    pub(crate) fn encode(
        header: &Header,
        plain: Option<&[u8]>,
        packing: &Packing,
        place: Place<'_>,
    ) -> Result<Vec<u8>> {
        header.check(place)?;
        let form = Form::Value(packing.codec());
        let is_absent = plain.is_none();
        let plain = plain.unwrap_or_default();
        check_size(plain.len(), packing, place)?;
        scratch::with(&PACKED, |packed| {
            let method = packing.compression_of(plain.len()).pack(plain, packed);
            let text = if method == Method::Plain { plain } else { packed };
            let sealed = packing.keys().map(super::KeyRing::current);
            // The hash of what is sealed would tell whoever guesses it.
            let hash = if sealed.is_some() {
                0
            } else {
                hash_of(plain, form, is_absent)
            };
            let content = Content {
                form,
                method,
                sealed,
                is_absent,
                hash,
                size: plain.len(),
            };
            let Some(keys) = packing.keys() else {
                let mut out = header.write(content, text.len());
                out.extend_from_slice(text);
                return Ok(out);
            };
            let mut out = header.write(content, NONCE + text.len() + TAG);
            keys.seal(&mut out, text, place)
                .map_err(|error| unwritable(place, error.into()))?;
            Ok(out)
        })
    }

    /// An envelope of a value; `None` says that there is none.
    ///
    /// # Errors
    ///
    /// As [`Envelope::encode`], and [`Error::CacheValue`] if the value cannot be serialised.
    pub(crate) fn encode_value<V: Serialize + ?Sized>(
        header: &Header,
        value: Option<&V>,
        packing: &Packing,
        place: Place<'_>,
    ) -> Result<Vec<u8>> {
        let Some(value) = value else {
            return Self::encode(header, None, packing, place);
        };
        scratch::with(&PLAIN, |plain| {
            packing
                .codec()
                .write(value, plain)
                .map_err(|error| unwritable(place, error))?;
            Self::encode(header, Some(plain), packing, place)
        })
    }

    /// An envelope that the store can count in: neither compressed nor sealed, whatever the packing.
    ///
    /// # Errors
    ///
    /// [`Error::CacheTag`] and [`Error::CacheTags`] for tags out of their ranges.
    pub(crate) fn encode_counter(header: &Header, count: i64, place: Place<'_>) -> Result<Vec<u8>> {
        header.check(place)?;
        let text = count.to_string();
        let content = Content {
            form: Form::Counter,
            method: Method::Plain,
            sealed: None,
            is_absent: false,
            hash: 0,
            size: text.len(),
        };
        let mut out = header.write(content, text.len());
        out.extend_from_slice(text.as_bytes());
        Ok(out)
    }

    /// Reads the header, and leaves the value as it is.
    pub(crate) fn parse(bytes: Bytes) -> Result<Self, Foreign> {
        let (header, content, payload_at) = Header::read(&bytes)?;
        Ok(Self {
            bytes,
            header,
            content,
            payload_at,
        })
    }

    /// What it says about itself. Of a sealed entry it is vouched for once [`Envelope::open`] or [`Envelope::decode`]
    /// succeeded, but for `incarnation` and `as_of`, which scripts write.
    pub(crate) const fn header(&self) -> &Header {
        &self.header
    }

    /// How its value is written.
    pub(crate) const fn form(&self) -> Form {
        self.content.form
    }

    /// How its value is compressed.
    pub(crate) const fn method(&self) -> Method {
        self.content.method
    }

    /// The key its value is sealed with.
    pub(crate) const fn sealed(&self) -> Option<KeyId> {
        self.content.sealed
    }

    /// How many plain bytes its value has, as the header says.
    pub(crate) const fn plain_size(&self) -> usize {
        self.content.size
    }

    /// About what the value takes in memory: no less than its plain bytes, however well they were compressed.
    pub(crate) fn weight(&self) -> usize {
        self.bytes
            .len()
            .max(self.payload_at.saturating_add(self.content.size))
    }

    /// [`Self::weight`] of an entry that was just written.
    pub(crate) fn weight_of(entry: &[u8]) -> usize {
        Header::read(entry).map_or(entry.len(), |(_, content, payload_at)| {
            entry.len().max(payload_at.saturating_add(content.size))
        })
    }

    /// All of it, as it is in the store.
    #[cfg(test)]
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The plain bytes: unsealed, decompressed and verified; none for an absent value.
    ///
    /// In a namespace with keys only what is sealed is opened.
    pub(crate) fn open(&self, packing: &Packing, place: Place<'_>) -> Result<Cow<'_, [u8]>, Foreign> {
        let content = self.content;
        if content.size > packing.max_value() {
            return Err(Foreign::TooLarge);
        }
        let (head, payload) = self
            .bytes
            .split_at_checked(self.payload_at)
            .ok_or(Foreign::Truncated)?;
        let text = match (content.sealed, packing.keys()) {
            (None, None) => Cow::Borrowed(payload),
            (Some(id), Some(keys)) => Cow::Owned(keys.open(id, head, payload, place)?),
            (Some(id), None) => return Err(Foreign::UnknownKey(id)),
            (None, Some(_)) => return Err(Foreign::Unsealed),
        };
        let plain = match content.method {
            Method::Plain => text,
            method => Cow::Owned(unpack(method, &text, content.size)?),
        };
        if content.form == Form::Counter {
            read_counter(&plain)?;
        } else if content.sealed.is_none() && hash_of(&plain, content.form, content.is_absent) != content.hash
        {
            return Err(Foreign::Hash);
        }
        Ok(plain)
    }

    /// The value; `None` if it is absent. A counter is read as the number it is.
    pub(crate) fn decode<V: DeserializeOwned>(
        &self,
        packing: &Packing,
        place: Place<'_>,
    ) -> Result<Option<V>, Foreign> {
        let plain = self.open(packing, place)?;
        if self.header.is_absent {
            return Ok(None);
        }
        match self.content.form {
            Form::Value(codec) => codec.read(&plain).map(Some),
            Form::Counter => super::Codec::Json.read(&plain).map(Some),
        }
    }

    /// The number of a counter, also in a namespace with keys; `None` if it is something else.
    pub(crate) fn counter(&self) -> Result<Option<i64>, Foreign> {
        match self.content.form {
            Form::Counter => read_counter(self.bytes.get(self.payload_at..).unwrap_or_default()).map(Some),
            Form::Value(_) => Ok(None),
        }
    }
}

fn check_size(size: usize, packing: &Packing, place: Place<'_>) -> Result<()> {
    if size <= packing.max_value() {
        return Ok(());
    }
    Err(Error::ValueTooLarge {
        namespace: place.namespace.to_owned(),
        key: place.key.to_owned(),
        size,
        limit: packing.max_value(),
    })
}

fn unwritable(place: Place<'_>, source: Cause) -> Error {
    Error::CacheValue {
        namespace: place.namespace.to_owned(),
        key: place.key.to_owned(),
        source,
    }
}
