//! Files and records as bytes.
//!
//! A file is a header of 48 bytes and records. A record is a header of 32 bytes and a payload, both with checksums of
//! their own (CRC32C). A record's header is only valid in its file and at its offset, so that neither what a disk
//! held before nor a payload that looks like records is ever taken for one; and it is valid without its payload, so
//! that damage to a payload hides nothing behind it. All numbers are little endian.
//!
//! | file header | | record header | |
//! |---|---|---|---|
//! | 0 | `OXHERD\0`, then `L` or `I` | 0 | checksum u32 of file, offset and this header |
//! | 8 | format version u32 | 4 | checksum u32 of the payload |
//! | 12 | checksum u32 of this header | 8 | length of the payload, 56 bits; kind u8 |
//! | 16 | the file's number u64 | 16 | `last` u64 |
//! | 24 | the store u128 | 24 | `synced` u64 |
//! | 40 | the last change before this file u64 | 32 | payload |
//!
//! Every version keeps the first 16 bytes and the header's length, so that an older program can tell that a file is
//! newer rather than damaged.
//! Next: `reader.rs` (taking files apart), `log.rs` and `image.rs` (putting them together).

use crc32c::{crc32c, crc32c_append};

/// The version of the format that this program reads and writes.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a file's header.
pub(crate) const FILE_HEADER: usize = 48;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 32;
/// What is left of a draft's memory when it is used again: a single large group shall not stay.
const KEPT: usize = 4 << 20;

const MAGIC: u64 = u64::from_le_bytes(*b"OXHERD\0\0");
const KIND_SHIFT: u32 = 56;
const LENGTH_MASK: u64 = (1 << KIND_SHIFT) - 1;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FileKind {
    Log = b'L',
    Image = b'I',
}

/// The beginning of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
    /// The directory the file was made in, by a random number.
    pub(crate) store: u128,
    /// The last change in the segment before; of an image, in the segment before the one of its number.
    pub(crate) previous: u64,
}

/// Why a file's header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Garbled,
    /// It is whole, but of this version.
    Version(u32),
}

/// What makes the checksums of a file's records its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(u32);

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER] {
        let plain = self.words(0);
        let check = crc32c(plain.as_flattened());
        let mut bytes = [0; FILE_HEADER];
        bytes.copy_from_slice(self.words(check).as_flattened());
        bytes
    }

    fn words(&self, check: u32) -> [[u8; 8]; 6] {
        let (low, high) = (self.store as u64, (self.store >> 64) as u64);
        let magic = MAGIC | u64::from(self.kind as u8) << KIND_SHIFT;
        let version = u64::from(VERSION) | u64::from(check) << 32;
        [magic, version, self.number, low, high, self.previous].map(u64::to_le_bytes)
    }

    pub(crate) fn decode(bytes: &[u8; FILE_HEADER]) -> Result<Self, HeaderFault> {
        let ([magic, version, number, low, high, previous], []) = bytes.as_chunks::<8>() else {
            return Err(HeaderFault::Garbled);
        };
        let [magic, version, number, low, high, previous] =
            [magic, version, number, low, high, previous].map(|word| u64::from_le_bytes(*word));
        let plain = version & u64::from(u32::MAX);
        let check = [magic, plain, number, low, high, previous].map(u64::to_le_bytes);
        if magic & LENGTH_MASK != MAGIC || crc32c(check.as_flattened()) != (version >> 32) as u32 {
            return Err(HeaderFault::Garbled);
        }
        if plain != u64::from(VERSION) {
            return Err(HeaderFault::Version(plain as u32));
        }
        let kind = match (magic >> KIND_SHIFT) as u8 {
            b'L' => FileKind::Log,
            b'I' => FileKind::Image,
            _ => return Err(HeaderFault::Garbled),
        };
        let store = u128::from(high) << 64 | u128::from(low);
        Ok(Self {
            kind,
            number,
            store,
            previous,
        })
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed(crc32c(&self.encode()))
    }
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordKind {
    /// In a log: a commit group that ends with change `last`.
    Group = 1,
    /// In a log: nothing but what is durable.
    Mark = 2,
    /// In an image: a slice of it. `last` counts them from 1.
    Slice = 3,
    /// In an image: its end. `last` is the change up to which the log must be there, `synced` the number of slices.
    End = 4,
}

/// The beginning of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: RecordKind,
    /// Of the payload.
    pub(crate) length: u64,
    /// The payload's checksum.
    pub(crate) check: u32,
    pub(crate) last: u64,
    /// Every change up to this one was durable when the record was written.
    pub(crate) synced: u64,
}

impl RecordHeader {
    pub(crate) fn encode(&self, seed: Seed, offset: u64) -> [u8; RECORD_HEADER] {
        let check = seal(&self.words(0), seed, offset);
        let mut bytes = [0; RECORD_HEADER];
        bytes.copy_from_slice(self.words(check).as_flattened());
        bytes
    }

    fn words(&self, check: u32) -> [[u8; 8]; 4] {
        let checks = u64::from(check) | u64::from(self.check) << 32;
        let length = self.length & LENGTH_MASK | u64::from(self.kind as u8) << KIND_SHIFT;
        [checks, length, self.last, self.synced].map(u64::to_le_bytes)
    }

    /// The header that stands at this offset of the file, if one does.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER], seed: Seed, offset: u64) -> Option<Self> {
        let ([checks, length, last, synced], []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [checks, length, last, synced] =
            [checks, length, last, synced].map(|word| u64::from_le_bytes(*word));
        let kind = match length >> KIND_SHIFT {
            1 => RecordKind::Group,
            2 => RecordKind::Mark,
            3 => RecordKind::Slice,
            4 => RecordKind::End,
            _ => return None,
        };
        let header = Self {
            kind,
            length: length & LENGTH_MASK,
            check: (checks >> 32) as u32,
            last,
            synced,
        };
        (seal(&header.words(0), seed, offset) == checks as u32).then_some(header)
    }
}

/// The checksum of a record's header, whose own place holds zero.
fn seal(words: &[[u8; 8]; 4], seed: Seed, offset: u64) -> u32 {
    crc32c_append(crc32c_append(seed.0, &offset.to_le_bytes()), words.as_flattened())
}

/// A record in the making: the payload is put behind the room for its header, so that both are written at once.
#[derive(Debug)]
pub(crate) struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; RECORD_HEADER],
        }
    }

    /// Where the payload is appended. What stands there already is the header's.
    pub(crate) fn payload(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of the payload.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(RECORD_HEADER)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins anew, in the same memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(RECORD_HEADER);
        self.bytes.shrink_to(KEPT);
    }

    /// The record as it stands at this offset of a file.
    pub(crate) fn seal(
        &mut self,
        kind: RecordKind,
        last: u64,
        synced: u64,
        seed: Seed,
        offset: u64,
    ) -> &[u8] {
        if self.bytes.len() < RECORD_HEADER {
            self.bytes.resize(RECORD_HEADER, 0);
        }
        if let Some((room, payload)) = self.bytes.split_first_chunk_mut::<RECORD_HEADER>() {
            let header = RecordHeader {
                kind,
                length: payload.len() as u64,
                check: crc32c(payload),
                last,
                synced,
            };
            *room = header.encode(seed, offset);
        }
        &self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_assert_ne, proptest};

    use super::*;

    const FILE: FileHeader = FileHeader {
        kind: FileKind::Log,
        number: 7,
        store: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
        previous: 41,
    };

    #[test]
    fn the_bytes_of_version_1_stay_what_they_are() {
        let mut draft = Draft::new();
        draft.payload().extend_from_slice(b"effects");
        let record = draft.seal(RecordKind::Group, 42, 41, FILE.seed(), 48);
        let shown = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let header = "4f5848455244004c01000000cc3f52b60700000000000000".to_owned()
            + "7766554433221100efcdab89674523012900000000000000";
        assert_eq!(shown(&FILE.encode()), header);
        let group = "19325f974b1ad6ea0700000000000001".to_owned()
            + "2a000000000000002900000000000000"
            + "65666665637473";
        assert_eq!(shown(record), group);
    }

    #[test]
    fn a_header_of_another_version_says_which() {
        let mut bytes = FILE.encode();
        bytes[8] = 3;
        assert_eq!(FileHeader::decode(&bytes), Err(HeaderFault::Garbled));
        bytes[12..16].fill(0);
        let check = crc32c(&bytes);
        bytes[12..16].copy_from_slice(&check.to_le_bytes());
        assert_eq!(FileHeader::decode(&bytes), Err(HeaderFault::Version(3)));
    }

    #[test]
    fn a_record_is_none_elsewhere() {
        let mut draft = Draft::new();
        let record = draft.seal(RecordKind::Mark, 42, 42, FILE.seed(), 48).to_vec();
        let bytes = record.first_chunk().unwrap();
        assert!(RecordHeader::decode(bytes, FILE.seed(), 48).is_some());
        assert_eq!(RecordHeader::decode(bytes, FILE.seed(), 49), None);
        let other = FileHeader { number: 8, ..FILE };
        assert_eq!(RecordHeader::decode(bytes, other.seed(), 48), None);
        assert_eq!(RecordHeader::decode(&[0; RECORD_HEADER], FILE.seed(), 48), None);
    }

    #[test]
    fn a_draft_used_again_holds_nothing_of_before() {
        let mut draft = Draft::new();
        draft.payload().resize(3 * KEPT, 1);
        draft.clear();
        assert!(draft.is_empty());
        assert!(draft.bytes.capacity() <= KEPT);
        draft.payload().clear();
        assert_eq!(
            draft.seal(RecordKind::Mark, 1, 1, FILE.seed(), 48).len(),
            RECORD_HEADER
        );
    }

    proptest! {
        #[test]
        fn headers_come_out_as_they_went_in(
            number in any::<u64>(), store in any::<u128>(), previous in any::<u64>(),
            length in 0..=LENGTH_MASK, check in any::<u32>(), last in any::<u64>(), synced in any::<u64>(),
            offset in any::<u64>(), flipped in 0..8 * FILE_HEADER,
        ) {
            let file = FileHeader { kind: FileKind::Image, number, store, previous };
            let mut bytes = file.encode();
            prop_assert_eq!(FileHeader::decode(&bytes), Ok(file));
            bytes[flipped / 8] ^= 1 << (flipped % 8);
            prop_assert_eq!(FileHeader::decode(&bytes), Err(HeaderFault::Garbled));

            let record = RecordHeader { kind: RecordKind::Slice, length, check, last, synced };
            let mut bytes = record.encode(file.seed(), offset);
            prop_assert_eq!(RecordHeader::decode(&bytes, file.seed(), offset), Some(record));
            let flipped = flipped % (8 * RECORD_HEADER);
            bytes[flipped / 8] ^= 1 << (flipped % 8);
            prop_assert_eq!(RecordHeader::decode(&bytes, file.seed(), offset), None);
            prop_assert!(file.seed() != FILE.seed() || file == FILE);
            prop_assert_ne!(bytes, [0; RECORD_HEADER]);
        }
    }
}
