//! The borders of ranges as commands write them: ranks, scores (`5`, `(5`, `-inf`), members (`[a`, `(a`, `-`, `+`).

use std::ops::{Bound, Range};

use crate::arguments::{int, span};
use crate::keyspace::{LexBound, SortedSet};
use crate::number;
use crate::reply::Fault;

const NO_SCORES: Fault = Fault::of("ERR min or max is not a float");
const NO_MEMBERS: Fault = Fault::of("ERR min or max not valid string range item");

/// What a range is given by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Member,
}

/// A range that was understood, to be looked up in any set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(Bound<f64>, Bound<f64>),
    Members(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    pub(super) fn read(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, Fault> {
        match by {
            By::Rank => Ok(Self::Ranks(int(min)?, int(max)?)),
            By::Score => {
                let bounds = score(min).zip(score(max)).ok_or(NO_SCORES)?;
                Ok(Self::Scores(bounds.0, bounds.1))
            }
            By::Member => {
                let bounds = member(min).zip(member(max)).ok_or(NO_MEMBERS)?;
                Ok(Self::Members(bounds.0, bounds.1))
            }
        }
    }

    /// The (ascending) ranks within; `reversed` counts given ranks from the highest score.
    pub(super) fn within(self, set: &SortedSet, reversed: bool) -> Range<usize> {
        match self {
            Self::Ranks(start, stop) => {
                let ranks = span(start, stop, set.len());
                if reversed {
                    set.len() - ranks.end..set.len() - ranks.start
                } else {
                    ranks
                }
            }
            Self::Scores(min, max) => set.ranks_by_score(min, max),
            Self::Members(min, max) => set.ranks_by_member(min, max),
        }
    }
}

fn score(text: &[u8]) -> Option<Bound<f64>> {
    match text.strip_prefix(b"(") {
        Some(text) => lenient_float(text).map(Bound::Excluded),
        None => lenient_float(text).map(Bound::Included),
    }
}

/// Borders are read by `strtod` alone, which is looser than the reader of scores: white space may stand in front,
/// nothing at all is zero, a NUL ends the text and what is too large is infinite.
fn lenient_float(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let text = text.get(start..)?;
    let plain = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    plain
        .or_else(|| number::parse_float(text))
        .filter(|score| !score.is_nan())
}

fn member(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', bytes @ ..] => Some(LexBound::Included(bytes)),
        [b'(', bytes @ ..] => Some(LexBound::Excluded(bytes)),
        _ => None,
    }
}
