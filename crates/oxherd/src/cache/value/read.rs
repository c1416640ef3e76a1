//! Reading a header: everything is checked, nothing is allocated but the tags, and nothing is read past the end.
//!
//! Whatever the bytes are, the answer is a header or the reason why there is none.
//! Next: `layout.rs` (where each field lies), `envelope.rs`.

use std::time::Duration;

use super::codec::Form;
use super::compress::Method;
use super::header::{Content, Header, MAX_TAG_BYTES, MAX_TAGS, Tags};
use super::layout::{
    AT_AS_OF, AT_CREATED, AT_FLAGS, AT_FORMAT, AT_ID, AT_INCARNATION, AT_REST, AT_VERSION, FORMAT, MAGIC,
    field, flag,
};
use super::seal::{NONCE, TAG};
use super::varint::{self, Fault};
use super::{Foreign, KeyId};
use crate::clock::Timestamp;

impl Header {
    /// The header in front, what it says about the payload, and where that begins.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, Content, usize), Foreign> {
        let flags = recognise(bytes)?;
        let mut reader = Reader(bytes.get(AT_REST..).ok_or(Foreign::Truncated)?);
        let mut header = Self {
            id: fixed(bytes, AT_ID)?,
            version: u64::from_be_bytes(fixed(bytes, AT_VERSION)?),
            incarnation: fixed(bytes, AT_INCARNATION)?,
            as_of: number(fixed(bytes, AT_AS_OF)?).ok_or(Foreign::Malformed)?,
            created: Timestamp::from_millis(u64::from_be_bytes(fixed(bytes, AT_CREATED)?)),
            ttl: Duration::from_millis(reader.varint()?),
            stale_while_revalidate: Duration::from_millis(reader.varint()?),
            stale_if_error: Duration::from_millis(reader.varint()?),
            load_micros: reader.varint()?,
            is_absent: flags & flag::ABSENT != 0,
            is_sliding: flags & flag::SLIDING != 0,
            tags: reader.tags()?,
            hash: 0,
        };
        header.hash = u64::from_be_bytes(reader.chunk()?);
        let sealed = match flags & flag::SEALED {
            0 => None,
            _ => Some(KeyId(u32::from_be_bytes(reader.chunk()?))),
        };
        let content = Content {
            form: Form::of_bits(flags & flag::CODEC),
            method: Method::of_bits((flags & flag::COMPRESSION) >> flag::COMPRESSION_SHIFT)
                .ok_or(Foreign::Malformed)?,
            sealed,
            is_absent: header.is_absent,
            hash: header.hash,
            size: usize::try_from(reader.varint()?).map_err(|_| Foreign::TooLarge)?,
        };
        content.check(reader.0.len())?;
        Ok((header, content, bytes.len() - reader.0.len()))
    }
}

impl Content {
    /// Whether a payload of so many bytes can be what is declared; nothing is allocated before.
    fn check(self, payload: usize) -> Result<(), Foreign> {
        let odd_counter =
            self.sealed.is_some() || self.is_absent || self.method != Method::Plain || self.hash != 0;
        if self.form == Form::Counter && odd_counter {
            return Err(Foreign::Malformed);
        }
        if self.is_absent && (self.size != 0 || self.method != Method::Plain) {
            return Err(Foreign::Malformed);
        }
        let around = if self.sealed.is_some() { NONCE + TAG } else { 0 };
        let packed = payload.checked_sub(around).ok_or(Foreign::Truncated)?;
        match self.method {
            Method::Plain if packed < self.size => Err(Foreign::Truncated),
            Method::Plain if packed > self.size => Err(Foreign::Length),
            // Compression that does not pay is not kept, so nobody of ours wrote this.
            Method::Lz4 | Method::Zstd if packed >= self.size => Err(Foreign::Length),
            Method::Plain | Method::Lz4 | Method::Zstd => Ok(()),
        }
    }
}

/// The flags, if it is ours and of the format this version knows.
fn recognise(bytes: &[u8]) -> Result<u8, Foreign> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Foreign::NotOurs);
    }
    let [format] = fixed(bytes, AT_FORMAT)?;
    if format != FORMAT {
        return Err(Foreign::Format(format));
    }
    let [flags] = fixed(bytes, AT_FLAGS)?;
    if flags & flag::UNKNOWN != 0 {
        return Err(Foreign::Malformed);
    }
    Ok(flags)
}

fn fixed<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Foreign> {
    field(bytes, at).ok_or(Foreign::Truncated)
}

/// The number of sixteen decimal digits.
fn number(digits: [u8; 16]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Takes fields from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, Foreign> {
        let (number, rest) = varint::take(self.0).map_err(|fault| match fault {
            Fault::Ends => Foreign::Truncated,
            Fault::TooLong => Foreign::Malformed,
        })?;
        self.0 = rest;
        Ok(number)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Foreign> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Foreign::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Foreign> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Foreign::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn tags(&mut self) -> Result<Tags, Foreign> {
        let count = self.length(MAX_TAGS)?;
        let mut tags = Tags::with_capacity(count);
        for _ in 0..count {
            let size = self.length(MAX_TAG_BYTES)?;
            let tag = std::str::from_utf8(self.bytes(size)?).map_err(|_| Foreign::Malformed)?;
            if tag.is_empty() {
                return Err(Foreign::Malformed);
            }
            tags.push(tag.into());
        }
        Ok(tags)
    }

    fn length(&mut self, most: usize) -> Result<usize, Foreign> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if length > most {
            Err(Foreign::Malformed)
        } else {
            Ok(length)
        }
    }
}
