//! XLEN, XRANGE and XREVRANGE: looking into a stream.
//!
//! Next: `keyspace/stream/range.rs`.

use super::{entry_reply, first_of_range, last_of_range, natural};
use crate::arguments::{Args, int};
use crate::context::Ctx;
use crate::keyspace::stream::Stream;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn xlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(
        ctx.read::<Stream>(args.at(1))?.map_or(0, Stream::len),
    ))
}

pub(super) fn xrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    range(ctx, args, false)
}

pub(super) fn xrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    range(ctx, args, true)
}

fn range(ctx: &mut Ctx<'_>, args: Args<'_>, reversed: bool) -> Answer {
    let (first, last) = if reversed {
        (args.at(3), args.at(2))
    } else {
        (args.at(2), args.at(3))
    };
    let (first, last) = (first_of_range(first)?, last_of_range(last)?);
    let mut count = usize::MAX;
    let mut options = args.options(4);
    while !options.is_empty() {
        let number = options.take_with_value("COUNT").ok_or(Fault::SYNTAX)?;
        count = natural(int(number)?);
    }
    let Some(stream) = ctx.read::<Stream>(args.at(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    if count == 0 {
        return Ok(Reply::NilArray);
    }
    let entries: Vec<Reply> = if reversed {
        stream
            .log()
            .range_reversed(first, last)
            .take(count)
            .map(|entry| entry_reply(&entry))
            .collect()
    } else {
        stream
            .log()
            .range(first, last)
            .take(count)
            .map(|entry| entry_reply(&entry))
            .collect()
    };
    Ok(Reply::Array(entries))
}
