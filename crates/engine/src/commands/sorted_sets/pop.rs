//! Taking members from either end: ZPOPMIN, ZPOPMAX, ZMPOP and the forms that wait.
//!
//! Three shapes of answer: a flat list (in RESP3 pairs, if a count was given), the key with one entry (BZPOPMIN), the
//! key with a list of pairs in either protocol (ZMPOP).

use crate::arguments::{Args, int};
use crate::blocked::Awaited;
use crate::context::{Ctx, timeout_seconds};
use crate::keyspace::SortedSet;
use crate::reply::{Answer, Fault, Reply};

const NEGATIVE: Fault = Fault::of("ERR value is out of range, must be positive");
const NO_KEYS: Fault = Fault::of("ERR numkeys should be greater than 0");
const NO_COUNT: Fault = Fault::of("ERR count should be greater than 0");

#[derive(Clone, Copy, Debug)]
enum End {
    Min,
    Max,
}

type Popped = Vec<(Box<[u8]>, f64)>;

/// Takes up to `count` members; the key must hold a sorted set or nothing.
fn pop(ctx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> Result<Popped, Fault> {
    let Some(set) = ctx.write::<SortedSet>(key)? else {
        return Ok(Vec::new());
    };
    let next = || match end {
        End::Min => set.pop_min(),
        End::Max => set.pop_max(),
    };
    let popped: Popped = std::iter::from_fn(next).take(count).collect();
    if !popped.is_empty() {
        ctx.touched(key);
    }
    Ok(popped)
}

pub(super) fn zpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop_from_key(ctx, args, End::Min)
}

pub(super) fn zpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop_from_key(ctx, args, End::Max)
}

fn pop_from_key(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Answer {
    let has_count = args.len() == 3;
    if args.len() > 3 {
        return Err(Fault::SYNTAX);
    }
    let count = if has_count { positive(args.at(2))? } else { 1 };
    let popped = pop(ctx, args.at(1), end, count)?;
    let entries = popped
        .into_iter()
        .map(|(member, score)| (Reply::Bulk(member.into()), Reply::Double(score)));
    if has_count {
        return Ok(Reply::Pairs(entries.collect()));
    }
    Ok(Reply::Array(
        entries.flat_map(|(member, score)| [member, score]).collect(),
    ))
}

fn positive(count: &[u8]) -> Result<usize, Fault> {
    int(count)
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(NEGATIVE)
}

pub(super) fn bzpopmin(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop_or_wait(ctx, args, End::Min)
}

pub(super) fn bzpopmax(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    pop_or_wait(ctx, args, End::Max)
}

fn pop_or_wait(ctx: &mut Ctx<'_>, args: Args<'_>, end: End) -> Answer {
    let (timeout, keys) = args.tail(1).split_last().ok_or(Fault::SYNTAX)?;
    let limit = timeout_seconds(timeout)?;
    match pop_first(ctx, keys, end, 1)? {
        Some((key, popped)) => {
            let entry = popped
                .into_iter()
                .flat_map(|(member, score)| [Reply::Bulk(member.into()), Reply::Double(score)]);
            Ok(Reply::Array(
                std::iter::once(Reply::bulk(key)).chain(entry).collect(),
            ))
        }
        None => ctx.block(args, Awaited::SortedSet, keys, limit, Reply::NilArray),
    }
}

/// Takes from the first of the keys that has members.
fn pop_first<'a>(
    ctx: &mut Ctx<'_>,
    keys: &[&'a [u8]],
    end: End,
    count: usize,
) -> Result<Option<(&'a [u8], Popped)>, Fault> {
    for key in keys {
        if !ctx.may_serve::<SortedSet>(key) {
            continue;
        }
        let popped = pop(ctx, key, end, count)?;
        if !popped.is_empty() {
            return Ok(Some((key, popped)));
        }
    }
    Ok(None)
}

pub(super) fn zmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let wanted = Wanted::read(args, 1)?;
    let popped = pop_first(ctx, wanted.keys, wanted.end, wanted.count)?;
    Ok(popped.map_or(Reply::NilArray, several))
}

pub(super) fn bzmpop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let wanted = Wanted::read(args, 2)?;
    let limit = timeout_seconds(args.at(1))?;
    match pop_first(ctx, wanted.keys, wanted.end, wanted.count)? {
        Some(popped) => Ok(several(popped)),
        None => ctx.block(args, Awaited::SortedSet, wanted.keys, limit, Reply::NilArray),
    }
}

fn several((key, popped): (&[u8], Popped)) -> Reply {
    let entry = |(member, score): (Box<[u8]>, f64)| {
        Reply::Array(vec![Reply::Bulk(member.into()), Reply::Double(score)])
    };
    Reply::Array(vec![
        Reply::bulk(key),
        Reply::Array(popped.into_iter().map(entry).collect()),
    ])
}

/// The arguments of ZMPOP: `numkeys key ... MIN|MAX [COUNT count]`.
struct Wanted<'a> {
    keys: &'a [&'a [u8]],
    end: End,
    count: usize,
}

impl<'a> Wanted<'a> {
    fn read(args: Args<'a>, at: usize) -> Result<Self, Fault> {
        let count = at_least_one(args.at(at)).ok_or(NO_KEYS)?;
        let keys = args.tail(at + 1).get(..count).ok_or(Fault::SYNTAX)?;
        let mut options = args.options(at + 1 + count);
        let end = if options.take("MIN") {
            End::Min
        } else if options.take("MAX") {
            End::Max
        } else {
            return Err(Fault::SYNTAX);
        };
        let mut count = None;
        while !options.is_empty() {
            let number = options
                .take_with_value("COUNT")
                .filter(|_| count.is_none())
                .ok_or(Fault::SYNTAX)?;
            count = Some(at_least_one(number).ok_or(NO_COUNT)?);
        }
        Ok(Self {
            keys,
            end,
            count: count.unwrap_or(1),
        })
    }
}

fn at_least_one(argument: &[u8]) -> Option<usize> {
    usize::try_from(int(argument).ok()?)
        .ok()
        .filter(|number| *number > 0)
}
