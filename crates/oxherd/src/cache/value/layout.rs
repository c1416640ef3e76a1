//! Where each field of an envelope lies. The scripts in `lua/cache/` know the first 52 bytes by the same numbers.
//!
//! | At | Bytes | Constant | In Lua | What |
//! |---|---|---|---|---|
//! | 0 | 2 | [`MAGIC`] | `sub(1, 2)` | `C5 4F` |
//! | 2 | 1 | [`FORMAT`] | `byte(3)` | version of this format |
//! | 3 | 1 | [`AT_FLAGS`] | `byte(4)` | [`flag`] |
//! | 4 | 16 | [`AT_ID`] | `sub(5, 20)` | id of the entry: the token of its fill, or a random one |
//! | 20 | 8 | [`AT_VERSION`] | `sub(21, 28)` | version, big-endian (compares as a string); 0 is none |
//! | 28 | 8 | [`AT_INCARNATION`] | `sub(29, 36)` | incarnation; scripts may write it |
//! | 36 | 16 | [`AT_AS_OF`] | `sub(37, 52)` | decimal digits, zeros in front; scripts may write it |
//! | 52 | 8 | [`AT_CREATED`] | – | ms since 1970, big-endian |
//! | 60 | … | [`AT_REST`] | – | varints: ttl ms, stale-while-revalidate ms, stale-if-error ms, load µs, count of tags; each tag: its length, its bytes |
//! | … | 8 | | – | hash of the plain bytes, big-endian; zero if sealed (it would tell what is inside) or a counter |
//! | … | 4 | | – | id of the key, big-endian; only if sealed |
//! | … | … | | – | varint: length of the plain bytes |
//! | … | … | | – | payload; if sealed 24 bytes nonce, ciphertext, 16 bytes tag |
//!
//! Varints are LEB128: seven bits a byte, the low ones first, the high bit says that more follow.
//!
//! A counter's payload is the decimal text of an `i64`: neither compressed, sealed nor hashed, because scripts rewrite it.
//! The byte before it is its length (1 to 20, never a digit), so `string.match(envelope, '%-?%d+$')` is the number, and the
//! envelope with another number is `head .. string.char(#text) .. text`.

pub(super) const MAGIC: [u8; 2] = [0xc5, 0x4f];
/// The format this version writes, and the only one it reads.
pub(super) const FORMAT: u8 = 1;
pub(super) const AT_FORMAT: usize = 2;
pub(super) const AT_FLAGS: usize = 3;
pub(crate) const AT_ID: usize = 4;
pub(crate) const AT_VERSION: usize = 20;
pub(crate) const AT_INCARNATION: usize = 28;
pub(crate) const AT_AS_OF: usize = 36;
pub(super) const AT_CREATED: usize = 52;
pub(super) const AT_REST: usize = 60;

/// The highest `as_of` that sixteen digits hold; scripts count in doubles and end below it.
pub(super) const MAX_AS_OF: u64 = 9_999_999_999_999_999;

/// The bits of the flags.
pub(super) mod flag {
    /// JSON 0, MessagePack 1, postcard 2, counter 3.
    pub(in super::super) const CODEC: u8 = 0b0000_0011;
    /// None 0, lz4 1, zstd 2.
    pub(in super::super) const COMPRESSION: u8 = 0b0000_1100;
    pub(in super::super) const COMPRESSION_SHIFT: u32 = 2;
    pub(in super::super) const SEALED: u8 = 0b0001_0000;
    pub(in super::super) const ABSENT: u8 = 0b0010_0000;
    pub(in super::super) const SLIDING: u8 = 0b0100_0000;
    /// Means nothing yet, so whoever set it knows more than this version.
    pub(in super::super) const UNKNOWN: u8 = 0b1000_0000;
}

/// The field of `N` bytes at `at`, if the envelope reaches that far.
pub(crate) fn field<const N: usize>(envelope: &[u8], at: usize) -> Option<[u8; N]> {
    envelope.get(at..)?.first_chunk().copied()
}
