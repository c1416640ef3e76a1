//! Reading ranges: ZRANGE with its older forms, ZRANGESTORE, ZCOUNT, ZLEXCOUNT.

use std::ops::Range;

use super::bounds::{Bounds, By};
use super::listed;
use crate::arguments::{Args, Options};
use crate::context::Ctx;
use crate::keyspace::{SortedSet, Value};
use crate::reply::{Answer, Fault, Reply};

const LIMIT_OF_RANKS: Fault =
    Fault::of("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_OF_MEMBERS: Fault =
    Fault::of("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

/// Everything a command of the ZRANGE family asks for.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    bounds: Bounds<'a>,
    reversed: bool,
    with_scores: bool,
    offset: i64,
    /// Negative for all.
    limit: i64,
}

/// What the command's name says already. What is open may be said by options.
#[derive(Clone, Copy, Debug)]
struct Form {
    by: Option<By>,
    reversed: Option<bool>,
    stores: bool,
}

impl<'a> Query<'a> {
    /// Reads the two borders at `at` and the options behind them.
    fn read(args: Args<'a>, at: usize, form: Form) -> Result<Self, Fault> {
        let mut said = form;
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut options: Options<'a> = args.options(at + 2);
        while !options.is_empty() {
            if !form.stores && options.take("WITHSCORES") {
                with_scores = true;
            } else if options.len() >= 3 && options.take("LIMIT") {
                (offset, limit) = (options.next_int()?, options.next_int()?);
            } else if said.reversed.is_none() && options.take("REV") {
                said.reversed = Some(true);
            } else if said.by.is_none() && options.take("BYLEX") {
                said.by = Some(By::Member);
            } else if said.by.is_none() && options.take("BYSCORE") {
                said.by = Some(By::Score);
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        let (by, reversed) = (said.by.unwrap_or(By::Rank), said.reversed.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(LIMIT_OF_RANKS);
        }
        if with_scores && by == By::Member {
            return Err(SCORES_OF_MEMBERS);
        }
        // Backwards, scores and members are given from the highest; ranks count from there anyway.
        let (min, max) = match by {
            By::Score | By::Member if reversed => (args.at(at + 1), args.at(at)),
            _ => (args.at(at), args.at(at + 1)),
        };
        let bounds = Bounds::read(by, min, max)?;
        Ok(Self {
            bounds,
            reversed,
            with_scores,
            offset,
            limit,
        })
    }

    /// The ranks asked for, in ascending order.
    fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let ranks = self.bounds.within(set, self.reversed);
        if matches!(self.bounds, Bounds::Ranks(..)) {
            return ranks;
        }
        // Redis walks a negative offset past the end.
        let skipped = usize::try_from(self.offset)
            .unwrap_or(usize::MAX)
            .min(ranks.len());
        let taken = usize::try_from(self.limit)
            .unwrap_or(usize::MAX)
            .min(ranks.len() - skipped);
        if self.reversed {
            let end = ranks.end - skipped;
            end - taken..end
        } else {
            let start = ranks.start + skipped;
            start..start + taken
        }
    }
}

fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, by: Option<By>, reversed: Option<bool>) -> Answer {
    let query = Query::read(
        args,
        2,
        Form {
            by,
            reversed,
            stores: false,
        },
    )?;
    let Some(set) = ctx.read::<SortedSet>(args.at(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let ranks = query.ranks(set);
    let entries = if query.reversed {
        set.range_backwards(ranks)
    } else {
        set.range(ranks)
    };
    Ok(listed(entries, query.with_scores))
}

pub(super) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, None, None)
}

pub(super) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, Some(By::Rank), Some(true))
}

pub(super) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, Some(By::Score), Some(false))
}

pub(super) fn zrevrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, Some(By::Score), Some(true))
}

pub(super) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, Some(By::Member), Some(false))
}

pub(super) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, Some(By::Member), Some(true))
}

pub(super) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let query = Query::read(
        args,
        3,
        Form {
            by: None,
            reversed: None,
            stores: true,
        },
    )?;
    let mut stored = SortedSet::new(ctx.tracks_changes());
    if let Some(set) = ctx.read::<SortedSet>(args.at(2))? {
        for (member, score) in set.range(query.ranks(set)) {
            stored.set(member, score);
        }
    }
    Ok(store(ctx, args.at(1), stored))
}

/// Puts a result in the place of whatever the key held, or removes the key; answers how many members there are.
pub(super) fn store(ctx: &mut Ctx<'_>, key: &[u8], set: SortedSet) -> Reply {
    let count = set.len();
    if set.is_empty() {
        ctx.remove(key);
    } else {
        ctx.put(key, Value::SortedSet(Box::new(set)));
    }
    Reply::count(count)
}

pub(super) fn zcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    count(ctx, args, By::Score)
}

pub(super) fn zlexcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    count(ctx, args, By::Member)
}

fn count(ctx: &mut Ctx<'_>, args: Args<'_>, by: By) -> Answer {
    let bounds = Bounds::read(by, args.at(2), args.at(3))?;
    let set = ctx.read::<SortedSet>(args.at(1))?;
    Ok(Reply::count(set.map_or(0, |set| bounds.within(set, false).len())))
}
