//! Taking items from an end: one, several, from the first list that has some, and waiting for one.
//!
//! Next: `transfer.rs` (taken items that go to another list).

use super::{End, at_least};
use crate::arguments::{Args, Options};
use crate::blocked::Awaited;
use crate::context::{Ctx, timeout_seconds};
use crate::keyspace::List;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn lpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop(ctx, args, "lpop", End::Left)
}

pub(super) fn rpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop(ctx, args, "rpop", End::Right)
}

fn pop(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, end: End) -> Answer {
    let key = args.at(1);
    match args.tail(2) {
        [] => {
            let Some(list) = ctx.write::<List>(key)? else {
                return Ok(Reply::Nil);
            };
            let item = end.pop(list);
            ctx.touched(key);
            Ok(item.map_or(Reply::Nil, Reply::Bulk))
        }
        [count] => {
            let refusal = Fault::of("ERR value is out of range, must be positive");
            let count = at_least(count, 0, refusal)?;
            Ok(take(ctx, key, end, count)?.unwrap_or(Reply::NilArray))
        }
        _ => Err(Fault::arity(command)),
    }
}

/// Up to `count` items as an array; `None` when there is no list.
fn take(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> Result<Option<Reply>, Fault> {
    let Some(list) = ctx.write::<List>(key)? else {
        return Ok(None);
    };
    let count = count.min(list.len());
    let items = (0..count)
        .filter_map(|_| end.pop(list).map(Reply::Bulk))
        .collect();
    if count > 0 {
        ctx.touched(key);
    }
    Ok(Some(Reply::Array(items)))
}

/// What LMPOP and BLMPOP are told: keys, end and number of items.
struct Several<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> Several<'a> {
    fn read(args: Args<'a>, at: usize) -> Result<Self, Fault> {
        let keys = at_least(args.at(at), 1, Fault::of("ERR numkeys should be greater than 0"))?;
        let (keys, rest) = args.tail(at + 1).split_at_checked(keys).ok_or(Fault::SYNTAX)?;
        let mut rest: Options<'_> = Args::new(rest).options(0);
        let end = End::read(rest.next()?)?;
        let mut count = 1;
        if let Some(number) = rest.take_with_value("COUNT") {
            count = at_least(number, 1, Fault::of("ERR count should be greater than 0"))?;
        }
        if rest.is_empty() {
            Ok(Self { keys, end, count })
        } else {
            Err(Fault::SYNTAX)
        }
    }

    fn take(&self, ctx: &mut Ctx<'_>) -> Result<Option<Reply>, Fault> {
        for key in self.keys {
            if !ctx.may_serve::<List>(key) {
                continue;
            }
            if let Some(items) = take(ctx, key, self.end, self.count)? {
                return Ok(Some(Reply::Array(vec![Reply::bulk(key), items])));
            }
        }
        Ok(None)
    }
}

pub(super) fn lmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let several = Several::read(args, 1)?;
    Ok(several.take(ctx)?.unwrap_or(Reply::NilArray))
}

pub(super) fn blmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let several = Several::read(args, 2)?;
    let limit = timeout_seconds(args.at(1))?;
    match several.take(ctx)? {
        Some(reply) => Ok(reply),
        None => ctx.block(args, Awaited::List, several.keys, limit, Reply::NilArray),
    }
}

pub(super) fn blpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    wait_and_pop(ctx, args, End::Left)
}

pub(super) fn brpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    wait_and_pop(ctx, args, End::Right)
}

fn wait_and_pop(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Answer {
    let (limit, keys) = args.tail(1).split_last().ok_or(Fault::SYNTAX)?;
    let limit = timeout_seconds(limit)?;
    for key in keys {
        if !ctx.may_serve::<List>(key) {
            continue;
        }
        let Some(list) = ctx.write::<List>(key)? else {
            continue;
        };
        let Some(item) = end.pop(list) else { continue };
        ctx.touched(key);
        return Ok(Reply::Array(vec![Reply::bulk(key), Reply::Bulk(item)]));
    }
    ctx.block(args, Awaited::List, keys, limit, Reply::NilArray)
}
