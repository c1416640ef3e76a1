//! Effects as bytes, and back.
//!
//! Every effect begins with one byte that says what it is; numbers are seven bits a byte. Effects of one sort on one
//! value that stand side by side are a run: the value's number and their count once, then the parts alone; a small
//! hash is one run of its fields. A value's number is written as the difference to the one before, so what
//! [`encode`] wrote can be read from its start only; several of its results in a row can be read as one.
//! Reading never panics, borrows from the payload, and allocates in proportion to what it has read. A byte it does
//! not know is refused, so new sorts of effects can be added; what a byte means must never change
//! (`fixtures/effects.txt` holds it to that).
//! Next: `codec/write.rs`, `codec/read.rs`.

mod numbers;
mod read;
mod write;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
pub(super) mod tests;

use std::fmt;

pub(crate) use read::Effects;

use crate::effect::Effect;

/// Appends effects to a payload.
pub(crate) fn encode(effects: &[Effect<'_>], into: &mut Vec<u8>) {
    write::append(effects, into);
}

/// The effects in a payload, up to the first thing that cannot be read.
pub(crate) fn decode(payload: &[u8]) -> Effects<'_> {
    Effects::of(payload)
}

/// What an effect, or a run of them, begins with.
mod tag {
    /// Differences between values' numbers count from 0 here.
    pub(super) const START: u8 = 1;
    pub(super) const DATABASES: u8 = 2;
    pub(super) const GONE: u8 = 3;
    pub(super) const KEY: u8 = 4;
    pub(super) const EXPIRING_KEY: u8 = 5;
    pub(super) const STRING: u8 = 6;
    /// A part of a string that is known.
    pub(super) const BYTES: u8 = 7;
    /// A whole collection and a run of its parts.
    pub(super) const LIST: u8 = 8;
    pub(super) const HASH: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const SORTED_SET: u8 = 11;
    /// A new stream; its parts come in runs of their own.
    pub(super) const STREAM: u8 = 12;
    /// A run of parts of a collection that is known.
    pub(super) const CHUNKS: u8 = 13;
    pub(super) const FIELDS: u8 = 14;
    pub(super) const MEMBERS: u8 = 15;
    pub(super) const SCORES: u8 = 16;
    pub(super) const ENTRIES_GONE: u8 = 17;
    pub(super) const ENTRIES: u8 = 18;
    pub(super) const STREAM_STATE: u8 = 19;
    pub(super) const GROUP: u8 = 20;
    pub(super) const CONSUMERS: u8 = 21;
    pub(super) const PENDING: u8 = 22;
}

/// What is known of a group.
mod group {
    pub(super) const IS_NEW: u64 = 1;
    pub(super) const IS_THERE: u64 = 2;
    pub(super) const HAS_ENTRIES_READ: u64 = 4;
    pub(super) const ALL: u64 = IS_NEW | IS_THERE | HAS_ENTRIES_READ;
}

/// How a score is written: gone, its eight bytes, or a whole number above these.
mod score {
    pub(super) const GONE: u64 = 0;
    pub(super) const BYTES: u64 = 1;
    pub(super) const WHOLE: u64 = 2;
    /// Whole numbers up to here are exact.
    pub(super) const GREATEST_WHOLE: f64 = 9_007_199_254_740_992.0;
}

/// Bytes that are not what [`encode`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled {
    /// Where in the payload the part begins that cannot be read.
    pub(crate) offset: usize,
    pub(crate) trouble: Trouble,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The payload ends before it.
    CutOff,
    /// No sort of effect known to this version begins so.
    UnknownEffect(u8),
    /// The payload does not begin as effects do.
    NoStart(u8),
    /// A number of more than 64 bits.
    NumberTooLong,
    /// A score that is not a number.
    NotANumber,
    /// What a group is said to be is unknown to this version.
    UnknownMarks(u64),
}

impl fmt::Display for Garbled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trouble {
            Trouble::CutOff => write!(formatter, "effects are cut off")?,
            Trouble::UnknownEffect(tag) => {
                write!(
                    formatter,
                    "an effect of sort {tag}, which this version does not know"
                )?;
            }
            Trouble::NoStart(tag) => write!(formatter, "effects begin with {tag}")?,
            Trouble::NumberTooLong => write!(formatter, "a number of more than 64 bits")?,
            Trouble::NotANumber => write!(formatter, "a score that is not a number")?,
            Trouble::UnknownMarks(marks) => {
                write!(
                    formatter,
                    "a group marked {marks}, which this version does not know"
                )?;
            }
        }
        write!(formatter, ", at byte {} of the record's contents", self.offset)
    }
}

impl std::error::Error for Garbled {}
