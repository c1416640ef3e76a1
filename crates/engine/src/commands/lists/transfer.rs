//! From the end of one list to the end of another, or of the same.
//!
//! The item is in one of the two lists at any time a client can look: a command is one step.

use super::End;
use crate::arguments::Args;
use crate::blocked::Awaited;
use crate::context::{Ctx, timeout_seconds};
use crate::keyspace::List;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn lmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to) = (End::read(args.at(3))?, End::read(args.at(4))?);
    Ok(transfer(ctx, args.at(1), from, args.at(2), to)?.unwrap_or(Reply::Nil))
}

pub(super) fn rpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(transfer(ctx, args.at(1), End::Right, args.at(2), End::Left)?.unwrap_or(Reply::Nil))
}

pub(super) fn blmove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to) = (End::read(args.at(3))?, End::read(args.at(4))?);
    wait_and_transfer(ctx, args, from, to, args.at(5))
}

pub(super) fn brpoplpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    wait_and_transfer(ctx, args, End::Right, End::Left, args.at(3))
}

fn wait_and_transfer(ctx: &mut Ctx<'_>, args: Args<'_>, from: End, to: End, limit: &[u8]) -> Answer {
    let limit = timeout_seconds(limit)?;
    let source = args.at(1);
    if ctx.may_serve::<List>(source)
        && let Some(moved) = transfer(ctx, source, from, args.at(2), to)?
    {
        return Ok(moved);
    }
    let answer = ctx.block(args, Awaited::List, &[source], limit, Reply::Nil);
    if let Some(wait) = &mut ctx.wait {
        // Where nothing waits the answer is no value, but after a wait it is no array.
        wait.on_timeout = Reply::NilArray;
    }
    answer
}

/// The item that went over; `None` when there is no source.
fn transfer(
    ctx: &mut Ctx<'_>,
    source: &[u8],
    from: End,
    target: &[u8],
    to: End,
) -> Result<Option<Reply>, Fault> {
    if ctx.write::<List>(source)?.is_none() {
        return Ok(None);
    }
    // Refused before anything is taken.
    ctx.write::<List>(target)?;
    let Some(list) = ctx.write::<List>(source)? else {
        return Ok(None);
    };
    let Some(item) = from.pop(list) else {
        return Ok(None);
    };
    if source == target {
        to.push(list, &item);
    } else {
        to.push(ctx.create::<List>(target)?, &item);
        ctx.touched(target);
    }
    ctx.touched(source);
    Ok(Some(Reply::Bulk(item)))
}
