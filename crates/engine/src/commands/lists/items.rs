//! Items by position and by value.
//!
//! Positions may be negative: -1 is the last item.

use super::at_least;
use crate::arguments::{self, Args, is, span};
use crate::context::Ctx;
use crate::keyspace::List;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn llen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(ctx.read::<List>(args.at(1))?.map_or(0, List::len)))
}

pub(super) fn lrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(list) = ctx.read::<List>(args.at(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let span = span(start, stop, list.len());
    Ok(Reply::bulks(list.range(span.start, span.len())))
}

/// The position an index means in a list of this length.
fn position(index: i64, length: usize) -> Option<usize> {
    if index >= 0 {
        return usize::try_from(index).ok();
    }
    length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
}

pub(super) fn lindex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    // Without a list even a wrong index is answered with nothing.
    let Some(list) = ctx.read::<List>(args.at(1))? else {
        return Ok(Reply::Nil);
    };
    let index = position(args.int(2)?, list.len());
    Ok(Reply::bulk_or_nil(index.and_then(|index| list.get(index))))
}

pub(super) fn lset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let list = ctx.write::<List>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    let index = position(args.int(2)?, list.len());
    if !index.is_some_and(|index| list.set(index, args.at(3))) {
        return Err(Fault::of("ERR index out of range"));
    }
    ctx.touched(key);
    Ok(Reply::OK)
}

pub(super) fn linsert(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, pivot, value) = (args.at(1), args.at(3), args.at(4));
    let is_before = args.is(2, "before");
    if !is_before && !args.is(2, "after") {
        return Err(Fault::SYNTAX);
    }
    let Some(list) = ctx.write::<List>(key)? else {
        return Ok(Reply::Int(0));
    };
    let is_found = if is_before {
        list.insert_before(pivot, value)
    } else {
        list.insert_after(pivot, value)
    };
    let length = list.len();
    if !is_found {
        ctx.searched(key);
        return Ok(Reply::Int(-1));
    }
    ctx.touched(key);
    Ok(Reply::count(length))
}

pub(super) fn lrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, count) = (args.at(1), args.int(2)?);
    let Some(list) = ctx.write::<List>(key)? else {
        return Ok(Reply::Int(0));
    };
    let removed = list.remove(count, args.at(3));
    if removed > 0 {
        ctx.touched(key);
    } else {
        ctx.searched(key);
    }
    Ok(Reply::count(removed))
}

pub(super) fn ltrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, start, stop) = (args.at(1), args.int(2)?, args.int(3)?);
    let Some(list) = ctx.write::<List>(key)? else {
        return Ok(Reply::OK);
    };
    let length = list.len();
    let span = span(start, stop, length);
    list.trim(span.start, span.len());
    if span.len() < length {
        ctx.touched(key);
    }
    Ok(Reply::OK)
}

/// What LPOS is told beside the value.
struct Search {
    rank: i64,
    count: Option<usize>,
    max_len: usize,
}

impl Search {
    fn read(args: Args<'_>) -> Result<Self, Fault> {
        let mut search = Self {
            rank: 1,
            count: None,
            max_len: 0,
        };
        let mut options = args.options(3);
        while !options.is_empty() {
            let (option, value) = (options.next()?, options.next()?);
            if is(option, "rank") {
                search.rank = rank(value)?;
            } else if is(option, "count") {
                search.count = Some(at_least(value, 0, Fault::of("ERR COUNT can't be negative"))?);
            } else if is(option, "maxlen") {
                search.max_len = at_least(value, 0, Fault::of("ERR MAXLEN can't be negative"))?;
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(search)
    }
}

fn rank(argument: &[u8]) -> Result<i64, Fault> {
    match arguments::int(argument)? {
        0 => Err(Fault::of(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
             start from the end of the list",
        )),
        rank => Ok(rank),
    }
}

pub(super) fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let search = Search::read(args)?;
    let (key, value) = (args.at(1), args.at(2));
    let absent = if search.count.is_some() {
        Reply::Array(Vec::new())
    } else {
        Reply::Nil
    };
    if ctx.read::<List>(key)?.is_none() {
        return Ok(absent);
    }
    // A search may build the list's index, which is no change anybody sees but in memory.
    let Some(list) = ctx.write::<List>(key)? else {
        return Ok(absent);
    };
    let (mut rank, mut count) = (search.rank, search.count.unwrap_or(1));
    if rank == i64::MIN {
        // Its negation overflows in Redis 7.0, which then begins at the last occurrence and never stops counting.
        (rank, count) = (-1, 0);
    }
    let positions = list.positions(value, rank, count, search.max_len);
    ctx.searched(key);
    let mut positions = positions.into_iter().map(Reply::count);
    match search.count {
        Some(_) => Ok(Reply::Array(positions.collect())),
        None => Ok(positions.next().unwrap_or(absent)),
    }
}
