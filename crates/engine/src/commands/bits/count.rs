//! BITCOUNT and BITPOS: how many bits are set, and where the first one is.
//!
//! Both look at a range of bytes or bits; a range of bytes is one of bits.

use std::ops::Range;

use crate::arguments::{self, Args, is, span};
use crate::context::Ctx;
use crate::reply::{Answer, Fault, Reply};

/// A range as it was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    start: i64,
    stop: i64,
    is_in_bits: bool,
}

impl Asked {
    const ALL: Self = Self {
        start: 0,
        stop: -1,
        is_in_bits: false,
    };

    /// The bits of a string of this length.
    fn bits(self, length: usize) -> Range<usize> {
        // Ends before the beginning are the beginning: two such ends still mean the first byte.
        let clamp = |index: i64, length: usize| {
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            if index < 0 {
                index.saturating_add(length).max(0)
            } else {
                index
            }
        };
        let whole = |length| span(clamp(self.start, length), clamp(self.stop, length), length);
        if self.is_in_bits {
            return whole(length * 8);
        }
        let bytes = whole(length);
        bytes.start * 8..bytes.end * 8
    }
}

fn is_in_bits(word: &[u8]) -> Result<bool, Fault> {
    if is(word, "bit") {
        Ok(true)
    } else if is(word, "byte") {
        Ok(false)
    } else {
        Err(Fault::SYNTAX)
    }
}

/// The bits of a range, byte by byte, and where each byte begins; bits outside the range read as `outside`.
fn bytes(value: &[u8], range: &Range<usize>, outside: bool) -> impl Iterator<Item = (usize, u8)> {
    let range = range.clone();
    let first = range.start / 8;
    let held = value.get(first..range.end.div_ceil(8)).unwrap_or_default();
    held.iter().enumerate().map(move |(number, byte)| {
        let begin = (first + number) * 8;
        let mut inside = 0xff_u8;
        if begin < range.start {
            inside &= 0xff >> (range.start - begin);
        }
        if begin + 8 > range.end {
            inside &= 0xff << (begin + 8 - range.end);
        }
        (begin, if outside { byte | !inside } else { byte & inside })
    })
}

pub(super) fn bitcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(value) = ctx.read::<Vec<u8>>(args.at(1))? else {
        return Ok(Reply::Int(0));
    };
    let asked = match args.tail(2) {
        [] => Asked::ALL,
        [start, stop, unit @ ..] if unit.len() < 2 => {
            let (start, stop) = (arguments::int(start)?, arguments::int(stop)?);
            if start < 0 && stop < 0 && start > stop {
                // Redis answers this before it looks at the unit.
                return Ok(Reply::Int(0));
            }
            let is_in_bits = unit.first().map_or(Ok(false), |unit| is_in_bits(unit))?;
            Asked {
                start,
                stop,
                is_in_bits,
            }
        }
        _ => return Err(Fault::SYNTAX),
    };
    let range = asked.bits(value.len());
    Ok(Reply::Int(count(value, &range)))
}

fn count(value: &[u8], range: &Range<usize>) -> i64 {
    let whole = range.start.div_ceil(8)..range.end / 8;
    let Some(middle) = value.get(whole.clone()) else {
        // Not even one byte lies wholly inside.
        return bytes(value, range, false)
            .map(|(_, byte)| i64::from(byte.count_ones()))
            .sum();
    };
    let (words, rest) = middle.as_chunks::<8>();
    let words = words
        .iter()
        .map(|word| i64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum::<i64>();
    let rest = rest.iter().map(|byte| i64::from(byte.count_ones())).sum::<i64>();
    let edges = [range.start..whole.start * 8, whole.end * 8..range.end];
    let edges = edges
        .iter()
        .filter(|edge| !edge.is_empty())
        .flat_map(|edge| bytes(value, edge, false));
    words + rest + edges.map(|(_, byte)| i64::from(byte.count_ones())).sum::<i64>()
}

pub(super) fn bitpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let is_set = match args.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(Fault::of("ERR The bit argument must be 1 or 0.")),
    };
    let Some(value) = ctx.read::<Vec<u8>>(args.at(1))? else {
        return Ok(Reply::Int(if is_set { -1 } else { 0 }));
    };
    let rest = args.tail(3);
    let asked = match rest {
        [] => Asked::ALL,
        [start] => Asked {
            start: arguments::int(start)?,
            ..Asked::ALL
        },
        [start, stop, unit @ ..] if unit.len() < 2 => Asked {
            start: arguments::int(start)?,
            is_in_bits: unit.first().map_or(Ok(false), |unit| is_in_bits(unit))?,
            stop: arguments::int(stop)?,
        },
        _ => return Err(Fault::SYNTAX),
    };
    let range = asked.bits(value.len());
    if range.is_empty() {
        return Ok(Reply::Int(-1));
    }
    match first(value, &range, is_set) {
        Some(position) => Ok(Reply::count(position)),
        // Behind the string there are zeros, unless the end of the range was given.
        None if !is_set && rest.len() < 2 => Ok(Reply::count(value.len() * 8)),
        None => Ok(Reply::Int(-1)),
    }
}

fn first(value: &[u8], range: &Range<usize>, is_set: bool) -> Option<usize> {
    let idle = if is_set { 0 } else { 0xff };
    let mut bytes = bytes(value, range, !is_set);
    let (begin, byte) = bytes.find(|(_, byte)| *byte != idle)?;
    let distance = if is_set {
        byte.leading_zeros()
    } else {
        byte.leading_ones()
    };
    Some(begin + distance as usize)
}
