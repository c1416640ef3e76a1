//! ZREM and the removal of ranges.

use super::bounds::{Bounds, By};
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::SortedSet;
use crate::reply::{Answer, Reply};

pub(super) fn zrem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let Some(set) = ctx.write::<SortedSet>(key)? else {
        return Ok(Reply::Int(0));
    };
    let removed = args
        .tail(2)
        .iter()
        .filter(|member| set.remove(member).is_some())
        .count();
    if removed > 0 {
        ctx.touched(key);
    }
    Ok(Reply::count(removed))
}

pub(super) fn zremrangebyrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    remove_range(ctx, args, By::Rank)
}

pub(super) fn zremrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    remove_range(ctx, args, By::Score)
}

pub(super) fn zremrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    remove_range(ctx, args, By::Member)
}

fn remove_range(ctx: &mut Ctx<'_>, args: Args<'_>, by: By) -> Answer {
    let key = args.at(1);
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let Some(set) = ctx.write::<SortedSet>(key)? else {
        return Ok(Reply::Int(0));
    };
    let removed = set.remove_ranks(bounds.within(set, false));
    if removed > 0 {
        ctx.touched(key);
    }
    Ok(Reply::count(removed))
}
