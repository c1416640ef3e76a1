//! How one item lies in a chunk: its length, its bytes, its length again.
//!
//! The length is a varint before the bytes and the same varint reversed behind them, so a chunk can be walked
//! from either end. Items below 128 bytes cost two bytes on top of their own.
//! Readers take any bytes without panicking.
//! Next: `chunk.rs` (many entries in one buffer).

use smallvec::SmallVec;

/// The varint of one length.
pub(super) type Length = SmallVec<[u8; 16]>;

/// The bytes an item of `len` bytes takes in a chunk.
pub(super) const fn encoded_len(len: usize) -> usize {
    let mut varint = 1;
    let mut rest = len >> 7;
    while rest > 0 {
        varint += 1;
        rest >>= 7;
    }
    varint * 2 + len
}

/// The length as written before the bytes; reversed it stands behind them.
pub(super) fn length(len: usize) -> Length {
    let mut varint = Length::new();
    let mut rest = len;
    while rest > 0x7f {
        varint.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    varint.push(rest as u8);
    varint
}

/// Appends the item to a buffer.
pub(super) fn append(buffer: &mut Vec<u8>, value: &[u8]) {
    if value.len() < 0x80 {
        let length = value.len() as u8;
        buffer.push(length);
        buffer.extend_from_slice(value);
        buffer.push(length);
        return;
    }
    let mut varint = length(value.len());
    buffer.extend_from_slice(&varint);
    buffer.extend_from_slice(value);
    varint.reverse();
    buffer.extend_from_slice(&varint);
}

/// Writes the item into a place of exactly its encoded length.
pub(super) fn write(place: &mut [u8], value: &[u8]) {
    let mut varint = length(value.len());
    let Some((before, rest)) = place.split_at_mut_checked(varint.len()) else {
        return;
    };
    let Some((middle, behind)) = rest.split_at_mut_checked(value.len()) else {
        return;
    };
    if behind.len() != varint.len() {
        return;
    }
    before.copy_from_slice(&varint);
    middle.copy_from_slice(value);
    varint.reverse();
    behind.copy_from_slice(&varint);
}

/// The first item of the bytes and the length of its entry.
#[inline]
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (&byte, rest) = bytes.split_first()?;
    let (len, varint) = if byte < 0x80 {
        (usize::from(byte), 1)
    } else {
        varint(bytes.iter())?
    };
    let rest = if varint == 1 { rest } else { bytes.get(varint..)? };
    let total = len.checked_add(varint * 2)?;
    if total > bytes.len() {
        return None;
    }
    Some((rest.get(..len)?, total))
}

/// The last item of the bytes and the length of its entry.
#[inline]
pub(super) fn last(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let &byte = bytes.last()?;
    let (len, varint) = if byte < 0x80 {
        (usize::from(byte), 1)
    } else {
        varint(bytes.iter().rev())?
    };
    let total = len.checked_add(varint * 2)?;
    let entry = bytes.get(bytes.len().checked_sub(total)?..)?;
    Some((entry.get(varint..varint + len)?, total))
}

fn varint<'a>(bytes: impl Iterator<Item = &'a u8>) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (position, &byte) in bytes.take(9).enumerate() {
        value |= usize::from(byte & 0x7f) << (position * 7);
        if byte < 0x80 {
            return Some((value, position + 1));
        }
    }
    None
}
