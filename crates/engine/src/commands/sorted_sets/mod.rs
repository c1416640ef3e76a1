//! Sorted sets.
//!
//! Every range, whatever it is given by, becomes a range of ranks (`bounds.rs`); reading, counting, storing and
//! removing go on from there.
//! Next: `add.rs`, `range.rs`, `remove.rs`, `pop.rs`, `combine.rs` (unions and the like), `sample.rs`.

mod add;
mod bounds;
mod combine;
mod operands;
mod pop;
mod range;
mod remove;
mod sample;
#[cfg(test)]
mod tests;

use super::{Command, flag, scan};
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::SortedSet;
use crate::number;
use crate::reply::{Answer, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("zadd", -4, add::zadd).grows().fast().key(),
    Command::write("zincrby", 4, add::zincrby).grows().fast().key(),
    Command::read("zscore", 3, zscore).fast().key(),
    Command::read("zmscore", -3, zmscore).fast().key(),
    Command::read("zcard", 2, zcard).fast().key(),
    Command::read("zrank", 3, zrank).fast().key(),
    Command::read("zrevrank", 3, zrevrank).fast().key(),
    Command::read("zcount", 4, range::zcount).fast().key(),
    Command::read("zlexcount", 4, range::zlexcount).fast().key(),
    Command::read("zrange", -4, range::zrange).key(),
    Command::read("zrevrange", -4, range::zrevrange).key(),
    Command::read("zrangebyscore", -4, range::zrangebyscore).key(),
    Command::read("zrevrangebyscore", -4, range::zrevrangebyscore).key(),
    Command::read("zrangebylex", -4, range::zrangebylex).key(),
    Command::read("zrevrangebylex", -4, range::zrevrangebylex).key(),
    Command::write("zrangestore", -5, range::zrangestore)
        .grows()
        .keys(1, 2, 1),
    Command::write("zrem", -3, remove::zrem).fast().key(),
    Command::write("zremrangebyrank", 4, remove::zremrangebyrank).key(),
    Command::write("zremrangebyscore", 4, remove::zremrangebyscore).key(),
    Command::write("zremrangebylex", 4, remove::zremrangebylex).key(),
    Command::write("zpopmin", -2, pop::zpopmin).fast().key(),
    Command::write("zpopmax", -2, pop::zpopmax).fast().key(),
    Command::write("zmpop", -4, pop::zmpop).counted_keys(1, 0),
    Command::write("bzpopmin", -3, pop::bzpopmin)
        .with(flag::NO_SCRIPT | flag::BLOCKING)
        .fast()
        .keys(1, -2, 1),
    Command::write("bzpopmax", -3, pop::bzpopmax)
        .with(flag::NO_SCRIPT | flag::BLOCKING)
        .fast()
        .keys(1, -2, 1),
    Command::write("bzmpop", -5, pop::bzmpop)
        .with(flag::BLOCKING)
        .counted_keys(2, 0),
    Command::read("zunion", -3, combine::zunion).counted_keys(1, 0),
    Command::read("zinter", -3, combine::zinter).counted_keys(1, 0),
    Command::read("zdiff", -3, combine::zdiff).counted_keys(1, 0),
    Command::read("zintercard", -3, combine::zintercard).counted_keys(1, 0),
    Command::write("zunionstore", -4, combine::zunionstore)
        .grows()
        .counted_keys(2, 1),
    Command::write("zinterstore", -4, combine::zinterstore)
        .grows()
        .counted_keys(2, 1),
    Command::write("zdiffstore", -4, combine::zdiffstore)
        .grows()
        .counted_keys(2, 1),
    Command::read("zrandmember", -2, sample::zrandmember).key(),
    Command::read("zscan", -3, zscan).key(),
];

fn zscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let score = ctx
        .read::<SortedSet>(args.at(1))?
        .and_then(|set| set.score(args.at(2)));
    Ok(score.map_or(Reply::Nil, Reply::Double))
}

fn zmscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let set = ctx.read::<SortedSet>(args.at(1))?;
    let score = |member: &&[u8]| {
        set.and_then(|set| set.score(member))
            .map_or(Reply::Nil, Reply::Double)
    };
    Ok(Reply::Array(args.tail(2).iter().map(score).collect()))
}

fn zcard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(
        ctx.read::<SortedSet>(args.at(1))?.map_or(0, SortedSet::len),
    ))
}

fn zrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let found = ctx
        .read::<SortedSet>(args.at(1))?
        .and_then(|set| set.rank(args.at(2)));
    Ok(found.map_or(Reply::Nil, |(rank, _)| Reply::count(rank)))
}

fn zrevrank(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(set) = ctx.read::<SortedSet>(args.at(1))? else {
        return Ok(Reply::Nil);
    };
    let found = set.rank(args.at(2));
    Ok(found.map_or(Reply::Nil, |(rank, _)| Reply::count(set.len() - 1 - rank)))
}

fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let start = scan::cursor(args.at(2))?;
    // A key that is not there answers before the options are looked at, as in Redis.
    let Some(set) = ctx.read::<SortedSet>(args.at(1))? else {
        return Ok(scan::found(0, Vec::new()));
    };
    let options = scan::ScanOptions::read(args.options(3), false)?;
    let is_packed = set.encoding() == "listpack";
    let mut elements = Vec::new();
    let next = set.scan(start, options.count, |member, score| {
        if options.wants(member) {
            elements.extend([Reply::bulk(member), scanned_score(score, is_packed)]);
        }
    });
    Ok(scan::found(next, elements))
}

/// Redis's packed encoding keeps whole scores up to 2^62 as integers, and ZSCAN shows what it finds there.
fn scanned_score(score: f64, is_packed: bool) -> Reply {
    const LARGEST: f64 = 4_611_686_018_427_387_904.0;
    if is_packed && score.fract() == 0.0 && score.abs() <= LARGEST {
        #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
        let whole = score as i64;
        return Reply::Bulk(number::decimal(whole));
    }
    scan::score(score)
}

/// Members, or members with their scores, as a reply.
fn listed<'set>(entries: impl Iterator<Item = (&'set [u8], f64)>, with_scores: bool) -> Reply {
    if with_scores {
        Reply::Pairs(
            entries
                .map(|(member, score)| (Reply::bulk(member), Reply::Double(score)))
                .collect(),
        )
    } else {
        Reply::bulks(entries.map(|(member, _)| member))
    }
}
