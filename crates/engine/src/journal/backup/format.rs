//! A backup as bytes: the files of a state in one stream.
//!
//! A header of 48 bytes, pieces, and an end that says how much there was: without it a backup is not whole. A piece is a
//! header of 32 bytes and up to a mebibyte of one file, both with checksums of their own (CRC32C). A piece's header is
//! only valid in its backup and at its offset. Files come in the order in which they are read, each from its first byte
//! to its last. All numbers are little endian.
//!
//! | header | | piece | |
//! |---|---|---|---|
//! | 0 | `OXHERD\0B` | 0 | checksum u32 of backup, offset and this header |
//! | 8 | format version u32 | 4 | checksum u32 of the contents |
//! | 12 | checksum u32 of this header | 8 | length of the contents, 56 bits; kind u8: `I`, `L` as files have it, `E` |
//! | 16 | the store u128 | 16 | the file's number u64; of the end: how many files |
//! | 32 | taken at u64, milliseconds since 1970 | 24 | where in the file u64; of the end: bytes of all files |
//! | 40 | 0 | 32 | contents; of the end: the last change u64, 1 if something is missing, else 0, u64 |
//!
//! Every version keeps the first 16 bytes and the header's length.
//! Next: `write.rs` (putting one together), `read.rs` (taking one apart).

use crc32c::{crc32c, crc32c_append};

use crate::journal::frame::FileKind;

/// The version of the format that this program writes and reads.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a backup's header.
pub(super) const HEADER: usize = 48;
/// Bytes of a piece's header.
pub(super) const PIECE_HEADER: usize = 32;
/// The longest contents of a piece.
pub(super) const PIECE: usize = 1 << 20;
/// Bytes of the end's contents.
pub(super) const END: usize = 16;

const MAGIC: u64 = u64::from_le_bytes(*b"OXHERD\0B");
const KIND_SHIFT: u32 = 56;
const LENGTH_MASK: u64 = (1 << KIND_SHIFT) - 1;

/// The beginning of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// The directory that the files were made in.
    pub(crate) store: u128,
    /// In milliseconds since 1970.
    pub(crate) taken_at: u64,
}

/// Why a header is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// It does not begin as backups do.
    Foreign,
    Garbled,
    /// It is whole, but of this version.
    Version(u32),
}

/// What a piece is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File(FileKind),
    End,
}

/// The beginning of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PieceHeader {
    pub(super) kind: Kind,
    pub(super) length: u64,
    /// The contents' checksum.
    pub(super) check: u32,
    pub(super) number: u64,
    pub(super) at: u64,
}

/// What makes the checksums of a backup's pieces its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER] {
        let check = crc32c(self.words(0).as_flattened());
        let mut bytes = [0; HEADER];
        bytes.copy_from_slice(self.words(check).as_flattened());
        bytes
    }

    fn words(&self, check: u32) -> [[u8; 8]; 6] {
        let (low, high) = (self.store as u64, (self.store >> 64) as u64);
        let version = u64::from(VERSION) | u64::from(check) << 32;
        [MAGIC, version, low, high, self.taken_at, 0].map(u64::to_le_bytes)
    }

    pub(super) fn decode(bytes: &[u8; HEADER]) -> Result<Self, HeaderFault> {
        let ([magic, version, low, high, taken_at, rest], []) = bytes.as_chunks::<8>() else {
            return Err(HeaderFault::Garbled);
        };
        let [magic, version, low, high, taken_at, rest] =
            [magic, version, low, high, taken_at, rest].map(|word| u64::from_le_bytes(*word));
        if magic != MAGIC {
            return Err(HeaderFault::Foreign);
        }
        let plain = version & u64::from(u32::MAX);
        let words = [magic, plain, low, high, taken_at, rest].map(u64::to_le_bytes);
        if crc32c(words.as_flattened()) != (version >> 32) as u32 {
            return Err(HeaderFault::Garbled);
        }
        if plain != u64::from(VERSION) {
            return Err(HeaderFault::Version(plain as u32));
        }
        let store = u128::from(high) << 64 | u128::from(low);
        Ok(Self { store, taken_at })
    }

    pub(super) fn seed(&self) -> Seed {
        Seed(crc32c(&self.encode()))
    }
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::File(kind) => kind as u8,
            Self::End => b'E',
        }
    }

    fn of(byte: u64) -> Option<Self> {
        let kinds = [Self::File(FileKind::Image), Self::File(FileKind::Log), Self::End];
        kinds.into_iter().find(|kind| u64::from(kind.byte()) == byte)
    }
}

impl PieceHeader {
    pub(super) fn encode(&self, seed: Seed, offset: u64) -> [u8; PIECE_HEADER] {
        let check = seal(&self.words(0), seed, offset);
        let mut bytes = [0; PIECE_HEADER];
        bytes.copy_from_slice(self.words(check).as_flattened());
        bytes
    }

    fn words(&self, check: u32) -> [[u8; 8]; 4] {
        let checks = u64::from(check) | u64::from(self.check) << 32;
        let length = self.length & LENGTH_MASK | u64::from(self.kind.byte()) << KIND_SHIFT;
        [checks, length, self.number, self.at].map(u64::to_le_bytes)
    }

    /// The header that stands at this offset of the backup, if one does.
    pub(super) fn decode(bytes: &[u8; PIECE_HEADER], seed: Seed, offset: u64) -> Option<Self> {
        let ([checks, length, number, at], []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let [checks, length, number, at] = [checks, length, number, at].map(|word| u64::from_le_bytes(*word));
        let header = Self {
            kind: Kind::of(length >> KIND_SHIFT)?,
            length: length & LENGTH_MASK,
            check: (checks >> 32) as u32,
            number,
            at,
        };
        (seal(&header.words(0), seed, offset) == checks as u32).then_some(header)
    }
}

/// The checksum of a piece's header, whose own place holds zero.
fn seal(words: &[[u8; 8]; 4], seed: Seed, offset: u64) -> u32 {
    crc32c_append(crc32c_append(seed.0, &offset.to_le_bytes()), words.as_flattened())
}
