//! Registers as runs: `00llllll` is up to 64 zeros, `01llllll llllllll` up to 16384 zeros, and `1vvvvvll` up to
//! four registers of the same level up to 32; lengths and levels are written less one.
//!
//! The order of splitting and joining is the one of the reference server, so that the same additions give the
//! same bytes.
use super::{Corrupted, HEADER, REGISTERS, SPARSE_MOST};

/// All registers at zero.
pub(super) const EMPTY: [u8; 2] = [0x7f, 0xff];
const HIGHEST_LEVEL: u8 = 32;
const LONGEST_LEVEL_RUN: usize = 4;
const LONGEST_SHORT_ZEROS: usize = 64;
/// Runs looked at for joining after a change.
const JOIN_REACH: usize = 5;

/// What became of raising a register.
pub(super) enum Raised {
    No,
    Yes,
    /// It does not fit this encoding, and nothing was done.
    TooLarge,
}

/// A run of registers of the same level.
#[derive(Clone, Copy)]
struct Run {
    level: u8,
    len: usize,
    /// Bytes of its code.
    size: usize,
}

fn read(bytes: &[u8]) -> Option<Run> {
    let (&first, rest) = bytes.split_first()?;
    let low = usize::from(first & 0x3f);
    Some(match first >> 6 {
        0 => Run {
            level: 0,
            len: low + 1,
            size: 1,
        },
        1 => Run {
            level: 0,
            len: (low << 8 | usize::from(*rest.first()?)) + 1,
            size: 2,
        },
        _ => Run {
            level: (first >> 2 & 0x1f) + 1,
            len: usize::from(first & 3) + 1,
            size: 1,
        },
    })
}

fn level_run(level: u8, len: usize) -> u8 {
    0x80 | (level - 1) << 2 | (len - 1) as u8
}

/// The code of up to three runs that take the place of one.
#[derive(Default)]
struct Code {
    bytes: [u8; 5],
    len: usize,
}

impl Code {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn run(&mut self, level: u8, len: usize) {
        if len == 0 {
            return;
        }
        if level > 0 {
            self.push(level_run(level, len));
        } else if len <= LONGEST_SHORT_ZEROS {
            self.push((len - 1) as u8);
        } else {
            self.push(0x40 | ((len - 1) >> 8) as u8);
            self.push((len - 1) as u8);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Shows each run's level and length; they must make up all registers.
pub(super) fn each_run(mut bytes: &[u8], mut see: impl FnMut(u8, usize)) -> Result<(), Corrupted> {
    let mut left = REGISTERS;
    while !bytes.is_empty() {
        let run = read(bytes).ok_or(Corrupted)?;
        left = left.checked_sub(run.len).ok_or(Corrupted)?;
        see(run.level, run.len);
        bytes = bytes.get(run.size..).unwrap_or_default();
    }
    if left == 0 { Ok(()) } else { Err(Corrupted) }
}

/// Raises a register to `level` if it is below.
pub(super) fn raise(value: &mut Vec<u8>, index: usize, level: u8) -> Result<Raised, Corrupted> {
    if level > HIGHEST_LEVEL {
        return Ok(Raised::TooLarge);
    }
    let (mut at, mut first, mut previous) = (HEADER, 0, HEADER);
    let run = loop {
        let run = value.get(at..).and_then(read).ok_or(Corrupted)?;
        if index < first + run.len {
            break run;
        }
        previous = at;
        first += run.len;
        at += run.size;
    };
    if run.level >= level {
        return Ok(Raised::No);
    }

    let mut code = Code::default();
    code.run(run.level, index - first);
    code.run(level, 1);
    code.run(run.level, first + run.len - 1 - index);
    let code = code.bytes();
    if code.len() > run.size && value.len() + code.len() - run.size > SPARSE_MOST {
        return Ok(Raised::TooLarge);
    }
    value.splice(at..at + run.size, code.iter().copied());
    join(value, previous);
    Ok(Raised::Yes)
}

/// Joins neighbouring runs of the same level, a few runs from `at` on.
fn join(value: &mut Vec<u8>, mut at: usize) {
    let mut reach = JOIN_REACH;
    while reach > 0 {
        reach -= 1;
        let Some(run) = value.get(at..).and_then(read) else {
            return;
        };
        let next = value.get(at + run.size..).and_then(read);
        if let Some(next) = next
            && run.level > 0
            && next.level == run.level
            && run.len + next.len <= LONGEST_LEVEL_RUN
        {
            value.remove(at);
            if let Some(place) = value.get_mut(at) {
                *place = level_run(run.level, run.len + next.len);
            }
        } else {
            at += run.size;
        }
    }
}
