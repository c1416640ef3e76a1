//! A small set of any members: each preceded by its length, in the order in which they came.
use super::{PACKED_BYTES, PACKED_ENTRIES, Packed};
use crate::keyspace::packed::{length_size, put, put_length, take_length};

/// Where a member with its length is.
fn find(packed: &Packed, member: &[u8]) -> Option<std::ops::Range<usize>> {
    let bytes = packed.bytes();
    let mut rest = bytes;
    loop {
        let start = bytes.len() - rest.len();
        let (len, after) = take_length(rest)?;
        if len == member.len() && after.starts_with(member) {
            return Some(start..bytes.len() - after.len() + len);
        }
        rest = after.get(len..)?;
    }
}

pub(super) fn contains(packed: &Packed, member: &[u8]) -> bool {
    find(packed, member).is_some()
}

/// Adds a member and answers whether it is new; nothing happens if the set would not stay small.
pub(super) fn add(packed: &mut Packed, member: &[u8]) -> Option<bool> {
    if contains(packed, member) {
        return Some(false);
    }
    let size = length_size(member.len()) + member.len();
    if packed.used() + size > PACKED_BYTES || usize::from(packed.count) >= PACKED_ENTRIES {
        return None;
    }
    let room = packed.splice(packed.used(), 0, size);
    put(put_length(room, member.len()), member);
    packed.count += 1;
    Some(true)
}

pub(super) fn remove(packed: &mut Packed, member: &[u8]) -> bool {
    let Some(place) = find(packed, member) else {
        return false;
    };
    packed.splice(place.start, place.len(), 0);
    packed.count -= 1;
    true
}

pub(super) fn iter(packed: &Packed) -> impl Iterator<Item = &[u8]> {
    let mut rest = packed.bytes();
    std::iter::from_fn(move || {
        let (len, after) = take_length(rest)?;
        let (member, after) = after.split_at_checked(len)?;
        rest = after;
        Some(member)
    })
}
