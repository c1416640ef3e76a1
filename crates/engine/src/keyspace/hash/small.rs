//! A small hash: for each field its length, its value's length, the field, the value.
use super::{PACKED_BYTES, PACKED_ENTRIES, Packed};
use crate::keyspace::packed::{length_size, put, put_length, take_length};

/// Where an entry is.
struct Place {
    start: usize,
    value: usize,
    end: usize,
}

/// Bytes an entry takes.
pub(super) fn entry_size(field: &[u8], value: &[u8]) -> usize {
    length_size(field.len()) + length_size(value.len()) + field.len() + value.len()
}

#[inline]
fn find(packed: &Packed, field: &[u8]) -> Option<Place> {
    let bytes = packed.bytes();
    let mut rest = bytes;
    loop {
        let start = bytes.len() - rest.len();
        let (field_len, after) = take_length(rest)?;
        let (value_len, after) = take_length(after)?;
        if field_len == field.len() && after.starts_with(field) {
            let value = bytes.len() - after.len() + field_len;
            return Some(Place {
                start,
                value,
                end: value + value_len,
            });
        }
        rest = after.get(field_len + value_len..)?;
    }
}

pub(super) fn get<'a>(packed: &'a Packed, field: &[u8]) -> Option<&'a [u8]> {
    let place = find(packed, field)?;
    packed.bytes().get(place.value..place.end)
}

/// Stores a value and answers whether the field is new; nothing happens if the hash would not stay small.
pub(super) fn set(packed: &mut Packed, field: &[u8], value: &[u8]) -> Option<bool> {
    let size = entry_size(field, value);
    let found = find(packed, field);
    let is_new = found.is_none();
    let place = found.unwrap_or(Place {
        start: packed.used(),
        value: packed.used(),
        end: packed.used(),
    });
    if !is_new && place.end - place.value == value.len() {
        put(packed.bytes_mut().get_mut(place.value..place.end)?, value);
        return Some(false);
    }
    let old = place.end - place.start;
    if packed.used() - old + size > PACKED_BYTES || (is_new && usize::from(packed.count) >= PACKED_ENTRIES) {
        return None;
    }
    let room = packed.splice(place.start, old, size);
    put(
        put(put_length(put_length(room, field.len()), value.len()), field),
        value,
    );
    packed.count += u16::from(is_new);
    Some(is_new)
}

pub(super) fn remove(packed: &mut Packed, field: &[u8]) -> bool {
    let Some(place) = find(packed, field) else {
        return false;
    };
    packed.splice(place.start, place.end - place.start, 0);
    packed.count -= 1;
    true
}

/// Fields and values in the order in which the fields came.
pub(super) fn iter(packed: &Packed) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    let mut rest = packed.bytes();
    std::iter::from_fn(move || {
        let (field_len, after) = take_length(rest)?;
        let (value_len, after) = take_length(after)?;
        let (field, after) = after.split_at_checked(field_len)?;
        let (value, after) = after.split_at_checked(value_len)?;
        rest = after;
        Some((field, value))
    })
}
