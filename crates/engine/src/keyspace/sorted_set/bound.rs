//! Borders of ranges by score and by member, as predicates over entries in order.
//!
//! A range's start is the number of entries before its lower border, its end the number up to its upper border.

use std::cmp::Ordering;
use std::ops::Bound;

/// One end of a range by member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LexBound<'bytes> {
    /// Before every member (`-`).
    Lowest,
    /// After every member (`+`).
    Highest,
    Included(&'bytes [u8]),
    Excluded(&'bytes [u8]),
}

impl LexBound<'_> {
    /// Whether a member lies before a range that starts here.
    pub(super) fn starts_after(self, member: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::Included(bytes) => member.cmp(bytes) == Ordering::Less,
            Self::Excluded(bytes) => member.cmp(bytes) != Ordering::Greater,
        }
    }

    /// Whether a member lies before the end of a range that ends here.
    pub(super) fn ends_after(self, member: &[u8]) -> bool {
        match self {
            Self::Lowest => false,
            Self::Highest => true,
            Self::Included(bytes) => member.cmp(bytes) != Ordering::Greater,
            Self::Excluded(bytes) => member.cmp(bytes) == Ordering::Less,
        }
    }
}

pub(super) fn starts_after(bound: Bound<f64>, score: f64) -> bool {
    match bound {
        Bound::Included(min) => score < min,
        Bound::Excluded(min) => score <= min,
        Bound::Unbounded => false,
    }
}

pub(super) fn ends_after(bound: Bound<f64>, score: f64) -> bool {
    match bound {
        Bound::Included(max) => score <= max,
        Bound::Excluded(max) => score < max,
        Bound::Unbounded => true,
    }
}
