//! How large Redis's listpack node would be that holds the entries of a block.
//!
//! Approximate trimming removes whole nodes, so clients see where nodes begin: in the length of a stream
//! after `XADD … MAXLEN ~ n`. Blocks are therefore cut exactly where Redis cuts its nodes with its default
//! settings, which takes the size a node would have in the listpack format (documented with that format).
//! Next: `block.rs`.

/// A node is full with this many entries, deleted ones counted.
pub(super) const NODE_ENTRIES: u16 = 100;
/// A node is full when its bytes and the plain bytes of the next entry reach this.
pub(super) const NODE_BYTES: u64 = 4096;

/// Header and end mark, the counts of living and deleted entries, the end of the field names.
const EMPTY_NODE: u64 = 6 + 1 + 2 + 2 + 2;

/// A node before its first entry: it names that entry's fields once.
pub(super) fn of_empty_node(field_count: usize, names: u64) -> u64 {
    EMPTY_NODE + of_integer(field_count as i64) + names
}

/// What surrounds an entry's strings: flags, differences to the id of the node, count of elements at the end.
/// `names_repeated` when the fields are not those of the node's first entry.
pub(super) fn of_entry_frame(
    milliseconds_difference: u64,
    sequence_difference: u64,
    field_count: usize,
    names_repeated: bool,
) -> u64 {
    let fields = field_count as i64;
    let flags = 2;
    let id = of_integer(milliseconds_difference as i64) + of_integer(sequence_difference as i64);
    let counts = if names_repeated {
        of_integer(fields) + of_integer(2 * fields + 4)
    } else {
        of_integer(fields + 3)
    };
    flags + id + counts
}

/// A string; one that reads as an integer is stored as such.
pub(super) fn of_string(text: &[u8]) -> u64 {
    if let Some(integer) = as_integer(text) {
        return of_integer(integer);
    }
    let length = text.len() as u64;
    let encoded = length
        + match length {
            0..=63 => 1,
            64..=4095 => 2,
            _ => 5,
        };
    encoded + back_length(encoded)
}

fn of_integer(integer: i64) -> u64 {
    const LIMIT_24: i64 = 1 << 23;
    let encoded = match integer {
        0..=127 => 1,
        -4096..=4095 => 2,
        -32_768..=32_767 => 3,
        _ if (-LIMIT_24..LIMIT_24).contains(&integer) => 4,
        _ if i32::try_from(integer).is_ok() => 5,
        _ => 9,
    };
    encoded + 1
}

/// Each element is followed by its own length, read backwards, seven bits a byte.
fn back_length(encoded: u64) -> u64 {
    match encoded {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

fn as_integer(text: &[u8]) -> Option<i64> {
    if text == b"0" {
        return Some(0);
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let starts_as_number = matches!(digits.first(), Some(b'1'..=b'9'));
    if !starts_as_number || text.len() > 20 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_room_of_numbers() {
        for (text, size) in [
            ("0", 2),
            ("127", 2),
            ("128", 3),
            ("-1", 3),
            ("4096", 4),
            ("-32769", 5),
        ] {
            assert_eq!(of_string(text.as_bytes()), size, "{text}");
        }
        assert_eq!(of_string(b"8388608"), 6);
        assert_eq!(of_string(b"9223372036854775807"), 10);
        assert_eq!(of_string(b"9223372036854775808"), 19 + 1 + 1);
        assert_eq!(of_string(b"-0"), 2 + 1 + 1);
        assert_eq!(of_string(b"01"), 2 + 1 + 1);
    }

    #[test]
    fn long_strings_have_longer_frames() {
        assert_eq!(of_string(&[b'x'; 63]), 63 + 1 + 1);
        assert_eq!(of_string(&[b'x'; 64]), 64 + 2 + 1);
        assert_eq!(of_string(&[b'x'; 4095]), 4095 + 2 + 2);
        assert_eq!(of_string(&[b'x'; 4096]), 4096 + 5 + 2);
    }
}
