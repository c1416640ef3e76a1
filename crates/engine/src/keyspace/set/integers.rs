//! A small set of integers: sorted, little-endian, each as wide as the widest needs.
use super::Packed;

/// `set-max-intset-entries`.
const MOST: usize = 512;
/// Bytes an integer takes to begin with.
pub(super) const NARROWEST: u8 = 2;

fn width_of(number: i64) -> u8 {
    if i16::try_from(number).is_ok() {
        2
    } else if i32::try_from(number).is_ok() {
        4
    } else {
        8
    }
}

fn decode(bytes: &[u8]) -> i64 {
    match *bytes {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}

fn encode(room: &mut [u8], number: i64) {
    let bytes = number.to_le_bytes();
    for (place, byte) in room.iter_mut().zip(bytes) {
        *place = byte;
    }
}

/// Where the number is, or where it belongs.
fn search(packed: &Packed, number: i64) -> Result<usize, usize> {
    let (bytes, width) = (packed.bytes(), usize::from(packed.mark));
    let (mut low, mut high) = (0, usize::from(packed.count));
    while low < high {
        let middle = (low + high) / 2;
        let other = bytes.get(middle * width..(middle + 1) * width).map_or(0, decode);
        match other.cmp(&number) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Equal => return Ok(middle),
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Err(low)
}

pub(super) fn contains(packed: &Packed, number: i64) -> bool {
    search(packed, number).is_ok()
}

pub(super) fn iter(packed: &Packed) -> impl Iterator<Item = i64> {
    packed.bytes().chunks_exact(usize::from(packed.mark)).map(decode)
}

/// Adds a number and answers whether it is new; nothing happens if there would be too many.
pub(super) fn add(packed: &mut Packed, number: i64) -> Option<bool> {
    let Err(index) = search(packed, number) else {
        return Some(false);
    };
    if usize::from(packed.count) >= MOST {
        return None;
    }
    if width_of(number) > packed.mark {
        widen(packed, width_of(number));
    }
    let width = usize::from(packed.mark);
    encode(packed.splice(index * width, 0, width), number);
    packed.count += 1;
    Some(true)
}

fn widen(packed: &mut Packed, width: u8) {
    let mut wide = Packed::new(packed.track);
    wide.mark = width;
    let width = usize::from(width);
    wide.reserve((usize::from(packed.count) + 1) * width);
    let room = wide.splice(0, 0, usize::from(packed.count) * width);
    for (place, number) in room.chunks_exact_mut(width).zip(iter(packed)) {
        encode(place, number);
    }
    wide.count = packed.count;
    *packed = wide;
}

pub(super) fn remove(packed: &mut Packed, number: i64) -> bool {
    let Ok(index) = search(packed, number) else {
        return false;
    };
    let width = usize::from(packed.mark);
    packed.splice(index * width, width, 0);
    packed.count -= 1;
    true
}
