//! LPUSH, RPUSH and their cautious forms, which do not make a list.

use super::End;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::List;
use crate::reply::{Answer, Reply};

pub(super) fn lpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    push(ctx, args, End::Left)
}

pub(super) fn rpush(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    push(ctx, args, End::Right)
}

pub(super) fn lpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    push_if_present(ctx, args, End::Left)
}

pub(super) fn rpushx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    push_if_present(ctx, args, End::Right)
}

fn push(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Answer {
    let key = args.at(1);
    let list = ctx.create::<List>(key)?;
    args.tail(2).iter().for_each(|value| end.push(list, value));
    let length = list.len();
    ctx.touched(key);
    Ok(Reply::count(length))
}

fn push_if_present(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Answer {
    match ctx.write::<List>(args.at(1))? {
        Some(_) => push(ctx, args, end),
        None => Ok(Reply::Int(0)),
    }
}
