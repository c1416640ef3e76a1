//! LCS: the longest common subsequence of two strings.
//!
//! The table of lengths is walked from its end, so matches are reported last first; where two ways are equally long
//! the second string is shortened first, as Redis does, which decides what the answer is.

use super::Command;
use super::strings::LONGEST;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[Command::read("lcs", -3, lcs).keys(1, 2, 1)];

const TOO_MUCH: Fault =
    Fault::of("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");

/// What LCS was told beside its keys.
#[derive(Debug, Default)]
struct Wishes {
    length: bool,
    matches: bool,
    match_lengths: bool,
    shortest_match: usize,
}

impl Wishes {
    fn read(args: Args<'_>) -> Result<Self, Fault> {
        let mut wishes = Self::default();
        let mut options = args.options(3);
        while !options.is_empty() {
            if options.take("IDX") {
                wishes.matches = true;
            } else if options.take("LEN") {
                wishes.length = true;
            } else if options.take("WITHMATCHLEN") {
                wishes.match_lengths = true;
            } else if let Some(shortest) = options.take_with_value("MINMATCHLEN") {
                let shortest = crate::arguments::int(shortest)?;
                wishes.shortest_match = usize::try_from(shortest).unwrap_or(0);
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        if wishes.length && wishes.matches {
            return Err(Fault::of(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(wishes)
    }
}

fn lcs(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let first = string(ctx, args.at(1))?;
    let second = string(ctx, args.at(2))?;
    let wishes = Wishes::read(args)?;
    let cells = (first.len() + 1).checked_mul(second.len() + 1);
    if cells
        .and_then(|cells| cells.checked_mul(size_of::<u32>()))
        .is_none_or(|bytes| bytes > LONGEST)
    {
        return Err(TOO_MUCH);
    }
    let table = Table::new(&first, &second);
    if wishes.length {
        return Ok(Reply::count(table.length()));
    }
    let runs = table.runs(&first, &second);
    if !wishes.matches {
        let common = runs
            .iter()
            .rev()
            .filter_map(|run| first.get(run.first..run.first + run.length));
        return Ok(Reply::Bulk(common.collect::<Vec<_>>().concat()));
    }
    let wanted = runs.iter().filter(|run| run.length >= wishes.shortest_match);
    let matches = wanted.map(|run| run.reply(wishes.match_lengths)).collect();
    Ok(Reply::Map(vec![
        (Reply::bulk("matches"), Reply::Array(matches)),
        (Reply::bulk("len"), Reply::count(table.length())),
    ]))
}

fn string(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Vec<u8>, Fault> {
    match ctx.read::<Vec<u8>>(key) {
        Ok(value) => Ok(value.cloned().unwrap_or_default()),
        Err(_) => Err(Fault::of("ERR The specified keys must contain string values")),
    }
}

/// The length of the longest common subsequence of every two beginnings, row by row of the first string.
struct Table {
    width: usize,
    cells: Vec<u32>,
}

/// A run of equal bytes.
struct Run {
    first: usize,
    second: usize,
    length: usize,
}

impl Table {
    fn new(first: &[u8], second: &[u8]) -> Self {
        let width = second.len() + 1;
        let mut cells = vec![0; width];
        cells.reserve_exact(width * first.len());
        let mut above = vec![0; width];
        for byte in first {
            let (mut left, mut diagonal) = (0, 0);
            cells.push(0);
            for (other, up) in second.iter().zip(above.iter_mut().skip(1)) {
                let cell = if byte == other {
                    diagonal + 1
                } else {
                    left.max(*up)
                };
                diagonal = std::mem::replace(up, cell);
                left = cell;
                cells.push(cell);
            }
        }
        Self { width, cells }
    }

    fn at(&self, first: usize, second: usize) -> u32 {
        self.cells
            .get(first * self.width + second)
            .copied()
            .unwrap_or_default()
    }

    fn length(&self) -> usize {
        self.cells.last().copied().unwrap_or_default() as usize
    }

    /// The runs the subsequence consists of, the last first.
    fn runs(&self, first: &[u8], second: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut row, mut column) = (first.len(), second.len());
        while row > 0 && column > 0 {
            if first.get(row - 1) != second.get(column - 1) {
                if self.at(row - 1, column) > self.at(row, column - 1) {
                    row -= 1;
                } else {
                    column -= 1;
                }
                continue;
            }
            match runs
                .last_mut()
                .filter(|run| run.first == row && run.second == column)
            {
                Some(run) => {
                    run.first -= 1;
                    run.second -= 1;
                    run.length += 1;
                }
                None => runs.push(Run {
                    first: row - 1,
                    second: column - 1,
                    length: 1,
                }),
            }
            row -= 1;
            column -= 1;
        }
        runs
    }
}

impl Run {
    fn reply(&self, with_length: bool) -> Reply {
        let range = |start| Reply::Array(vec![Reply::count(start), Reply::count(start + self.length - 1)]);
        let mut parts = vec![range(self.first), range(self.second)];
        if with_length {
            parts.push(Reply::count(self.length));
        }
        Reply::Array(parts)
    }
}
