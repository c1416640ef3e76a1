//! What an entry says about itself.
//!
//! Writing checks the tags and makes room for the whole envelope at once.
//! Next: `read.rs` (the way back), `layout.rs` (where each field lies), `envelope.rs`.

use std::time::Duration;

use smallvec::SmallVec;

use super::codec::Form;
use super::compress::Method;
use super::layout::{AT_REST, FORMAT, MAGIC, MAX_AS_OF, flag};
use super::varint;
use super::{KeyId, Place};
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Result};

/// How many tags an entry may have.
pub(crate) const MAX_TAGS: usize = 32;
/// How many bytes a tag may have.
pub(crate) const MAX_TAG_BYTES: usize = 128;

/// The tags of an entry; two need no allocation of their list.
pub(crate) type Tags = SmallVec<[Box<str>; 2]>;

/// What an entry says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// The token of its fill, or a random one.
    pub(crate) id: [u8; 16],
    /// The version of the row it was made of; 0 is none.
    pub(crate) version: u64,
    /// The incarnation of the namespace it belongs to.
    pub(crate) incarnation: [u8; 8],
    /// The count of invalidations it is as of. Sixteen digits hold less than a `u64`: what is above is written as the
    /// highest, which is safe, for too low an `as_of` only makes a miss.
    pub(crate) as_of: u64,
    /// When it was made, by the clock of the process that made it.
    pub(crate) created: Timestamp,
    /// How long it is fresh, in whole milliseconds, as the times below.
    pub(crate) ttl: Duration,
    /// How long after that it may be served while it is refreshed.
    pub(crate) stale_while_revalidate: Duration,
    /// How long after the TTL it may be served when the source fails.
    pub(crate) stale_if_error: Duration,
    /// How long the last load took.
    pub(crate) load_micros: u64,
    /// Whether it says that there is no value. Written as the payload has it, whatever stands here.
    pub(crate) is_absent: bool,
    /// Whether being read prolongs it.
    pub(crate) is_sliding: bool,
    /// Its tags: at most [`MAX_TAGS`], each of 1 to [`MAX_TAG_BYTES`] bytes.
    pub(crate) tags: Tags,
    /// What its plain bytes hash to; 0 for sealed entries and counters. Written as the payload has it, whatever stands here.
    pub(crate) hash: u64,
}

/// What the header says about the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) form: Form,
    pub(super) method: Method,
    pub(super) sealed: Option<KeyId>,
    pub(super) is_absent: bool,
    pub(super) hash: u64,
    /// Length of the plain bytes.
    pub(super) size: usize,
}

/// The hash of plain bytes. What they are goes in, lest the same bytes be read as something else.
pub(super) fn hash_of(plain: &[u8], form: Form, is_absent: bool) -> u64 {
    let kind = u64::from(form.bits()) << 1 | u64::from(is_absent);
    xxhash_rust::xxh3::xxh3_64(plain) ^ kind.rotate_right(8)
}

impl Header {
    /// Fails for tags out of their ranges.
    pub(super) fn check(&self, place: Place<'_>) -> Result<()> {
        if self.tags.len() > MAX_TAGS {
            return Err(Error::CacheTags {
                namespace: place.namespace.to_owned(),
                key: place.key.to_owned(),
                count: self.tags.len(),
                limit: MAX_TAGS,
            });
        }
        let refused = |tag: &str, reason: String| {
            Err(Error::CacheTag {
                tag: tag.to_owned(),
                reason,
            })
        };
        for tag in &self.tags {
            match tag.len() {
                0 => return refused(tag, "it is empty; leave it out".to_owned()),
                1..=MAX_TAG_BYTES => (),
                size => {
                    return refused(
                        tag,
                        format!("it has {size} bytes, and may have {MAX_TAG_BYTES}; shorten or hash it"),
                    );
                }
            }
        }
        Ok(())
    }

    /// An envelope with this header, room for `payload` bytes, and no payload yet.
    pub(super) fn write(&self, content: Content, payload: usize) -> Vec<u8> {
        let numbers = [
            millis(self.ttl),
            millis(self.stale_while_revalidate),
            millis(self.stale_if_error),
            self.load_micros,
            self.tags.len() as u64,
        ];
        let numbers_size: usize = numbers.iter().map(|number| varint::size(*number)).sum();
        let tags: usize = self
            .tags
            .iter()
            .map(|tag| varint::size(tag.len() as u64) + tag.len())
            .sum();
        let key = if content.sealed.is_some() { 4 } else { 0 };
        let size = varint::size(content.size as u64);
        let mut out = Vec::with_capacity(AT_REST + numbers_size + tags + 8 + key + size + payload);

        out.extend_from_slice(&MAGIC);
        out.push(FORMAT);
        out.push(self.flags(content));
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.version.to_be_bytes());
        out.extend_from_slice(&self.incarnation);
        out.extend_from_slice(&digits(self.as_of));
        out.extend_from_slice(&self.created.as_millis().to_be_bytes());
        for number in numbers {
            varint::push(&mut out, number);
        }
        for tag in &self.tags {
            varint::push(&mut out, tag.len() as u64);
            out.extend_from_slice(tag.as_bytes());
        }
        out.extend_from_slice(&content.hash.to_be_bytes());
        if let Some(KeyId(id)) = content.sealed {
            out.extend_from_slice(&id.to_be_bytes());
        }
        varint::push(&mut out, content.size as u64);
        out
    }

    fn flags(&self, content: Content) -> u8 {
        let set = |condition: bool, flag: u8| if condition { flag } else { 0 };
        content.form.bits()
            | content.method.bits() << flag::COMPRESSION_SHIFT
            | set(content.sealed.is_some(), flag::SEALED)
            | set(content.is_absent, flag::ABSENT)
            | set(self.is_sliding, flag::SLIDING)
    }
}

/// Sixteen decimal digits.
fn digits(number: u64) -> [u8; 16] {
    let mut number = number.min(MAX_AS_OF);
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}
