//! The id of a stream entry: milliseconds and a sequence number, ordered in that order.
//!
//! Text is read as leniently as Redis reads it: leading zeros, blanks and signs of `strtoull` pass where they
//! pass there, so that an id a client got away with on Redis is not refused here.
//! Next: `log.rs` (what the ids order), `block.rs` (how they are stored as differences).

use std::fmt;

/// Longest text of an id that is looked at; Redis copies ids into a buffer of this size.
const LONGEST_TEXT: usize = 127;

/// Milliseconds and sequence number of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId {
    pub(crate) milliseconds: u64,
    pub(crate) sequence: u64,
}

/// What XADD is asked for: a whole id, or only its milliseconds (`1526919030474-*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WantedId {
    Exact(StreamId),
    NextIn(u64),
}

impl StreamId {
    pub(crate) const MIN: Self = Self::new(0, 0);
    pub(crate) const MAX: Self = Self::new(u64::MAX, u64::MAX);

    pub(crate) const fn new(milliseconds: u64, sequence: u64) -> Self {
        Self {
            milliseconds,
            sequence,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Self::MIN
    }

    /// The id right after this one, none after the greatest.
    pub(crate) fn next(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self::new(self.milliseconds.checked_add(1)?, 0)),
        }
    }

    /// The id right before this one, none before the smallest.
    pub(crate) fn previous(self) -> Option<Self> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self::new(self.milliseconds.checked_sub(1)?, u64::MAX)),
        }
    }

    /// Reads an id in full; text without a sequence number gets `missing_sequence`.
    pub(crate) fn parse(text: &[u8], missing_sequence: u64) -> Option<Self> {
        match Self::parse_wanted(text, missing_sequence)? {
            WantedId::Exact(id) => Some(id),
            WantedId::NextIn(_) => None,
        }
    }

    /// Reads a bound of a range: `-` and `+` are the ends of everything.
    pub(crate) fn parse_bound(text: &[u8], missing_sequence: u64) -> Option<Self> {
        match until_nul(text) {
            b"-" if text.len() <= LONGEST_TEXT => Some(Self::MIN),
            b"+" if text.len() <= LONGEST_TEXT => Some(Self::MAX),
            _ => Self::parse(text, missing_sequence),
        }
    }

    /// Reads what XADD accepts apart from `*`.
    pub(crate) fn parse_wanted(text: &[u8], missing_sequence: u64) -> Option<WantedId> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let text = until_nul(text);
        let Some(dash) = memchr::memchr(b'-', text) else {
            return Some(WantedId::Exact(Self::new(
                parse_unsigned(text)?,
                missing_sequence,
            )));
        };
        let (milliseconds, rest) = text.split_at_checked(dash)?;
        let milliseconds = parse_unsigned(milliseconds)?;
        match rest.strip_prefix(b"-")? {
            b"*" => Some(WantedId::NextIn(milliseconds)),
            sequence => Some(WantedId::Exact(Self::new(
                milliseconds,
                parse_unsigned(sequence)?,
            ))),
        }
    }

    /// Appends the id as clients see it.
    pub(crate) fn write_to(self, out: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        out.extend_from_slice(digits.format(self.milliseconds).as_bytes());
        out.push(b'-');
        out.extend_from_slice(digits.format(self.sequence).as_bytes());
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        self.write_to(&mut out);
        out
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// Redis handles ids as C strings.
fn until_nul(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// An unsigned number as Redis reads it: a plain signed number must not be negative; whatever is not a plain
/// number gets a second chance by the rules of C's `strtoull`, which skips blanks, takes signs and wraps.
fn parse_unsigned(text: &[u8]) -> Option<u64> {
    if is_plain_number(text)
        && let Some(number) = parse_digits::<i64>(text)
    {
        return u64::try_from(number).ok();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let start = text.iter().position(|byte| !blank(byte))?;
    let (_, number) = text.split_at_checked(start)?;
    let (negative, digits) = match number.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, number),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = parse_digits::<u64>(digits)?;
    Some(if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}

/// No blanks, no plus, no leading zeros.
fn is_plain_number(text: &[u8]) -> bool {
    match text {
        b"0" => true,
        [b'-', b'1'..=b'9', digits @ ..] | [b'1'..=b'9', digits @ ..] => {
            digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn parse_digits<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<StreamId> {
        StreamId::parse(text.as_bytes(), 7)
    }

    #[test]
    fn an_id_is_read_and_written() {
        for (milliseconds, sequence) in [(0, 0), (1, 2), (u64::MAX, u64::MAX), (1_526_919_030_474, 55)] {
            let id = StreamId::new(milliseconds, sequence);
            assert_eq!(StreamId::parse(&id.to_bytes(), 0), Some(id));
            assert_eq!(id.to_bytes(), id.to_string().into_bytes());
        }
        assert_eq!(parsed("5"), Some(StreamId::new(5, 7)));
    }

    #[test]
    fn what_strtoull_accepts_is_accepted() {
        assert_eq!(parsed(" 5-+6"), Some(StreamId::new(5, 6)));
        assert_eq!(parsed("005-00"), Some(StreamId::new(5, 0)));
        assert_eq!(parsed("1- -5"), Some(StreamId::new(1, 5_u64.wrapping_neg())));
        assert_eq!(parsed("1-1\0rest"), Some(StreamId::new(1, 1)));
        for refused in [
            "",
            "-",
            "+",
            "a",
            "1-",
            "-1",
            "1--5",
            "1-1-1",
            "1 ",
            "18446744073709551616",
            "1-*",
        ] {
            assert_eq!(parsed(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn bounds_know_both_ends() {
        assert_eq!(StreamId::parse_bound(b"-", 0), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_bound(b"+", 0), Some(StreamId::MAX));
        assert_eq!(
            StreamId::parse_bound(b"3", u64::MAX),
            Some(StreamId::new(3, u64::MAX))
        );
    }

    #[test]
    fn neighbours_carry_over_the_sequence() {
        let last_of_one = StreamId::new(1, u64::MAX);
        assert_eq!(last_of_one.next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(last_of_one));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn a_sequence_may_be_left_to_the_stream() {
        assert_eq!(StreamId::parse_wanted(b"5-*", 0), Some(WantedId::NextIn(5)));
        assert_eq!(
            StreamId::parse_wanted(b"5", 0),
            Some(WantedId::Exact(StreamId::new(5, 0)))
        );
        assert_eq!(StreamId::parse_wanted(b"*", 0), None);
    }
}
