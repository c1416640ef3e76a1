//! ZUNION, ZINTER, ZDIFF, their storing forms and ZINTERCARD.
//!
//! Operands are taken from the smallest to the largest, as Redis does: sums of doubles depend on the order.
//! Next: `operands.rs` (how they are read).

use super::listed;
use super::operands::{Aggregate, Operation, Purpose, Request, Source, zero_if_nan};
use super::range::store;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::SortedSet;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, "zunion", Operation::Union)
}

pub(super) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, "zinter", Operation::Intersection)
}

pub(super) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    answer(ctx, args, "zdiff", Operation::Difference)
}

pub(super) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    combine_and_store(ctx, args, "zunionstore", Operation::Union)
}

pub(super) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    combine_and_store(ctx, args, "zinterstore", Operation::Intersection)
}

pub(super) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    combine_and_store(ctx, args, "zdiffstore", Operation::Difference)
}

fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, operation: Operation) -> Answer {
    let request = Request::read(ctx, args, 1, command, (operation, Purpose::Answer))?;
    let result = with_sources(ctx, &request, |sources| {
        combine(sources, operation, request.aggregate, SortedSet::result(false))
    })?;
    Ok(listed(result.iter(), request.with_scores))
}

fn combine_and_store(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, operation: Operation) -> Answer {
    let request = Request::read(ctx, args, 2, command, (operation, Purpose::Store))?;
    let into = SortedSet::result(ctx.tracks_changes());
    let mut result = with_sources(ctx, &request, |sources| {
        combine(sources, operation, request.aggregate, into)
    })?;
    result.settle();
    Ok(store(ctx, args.at(1), result))
}

pub(super) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let purpose = (Operation::Intersection, Purpose::Count);
    let request = Request::read(ctx, args, 1, "zintercard", purpose)?;
    let limit = request.limit.unwrap_or(usize::MAX);
    let count = with_sources(ctx, &request, |mut sources| {
        sources.sort_by_key(|(source, _)| source.len());
        let mut count = 0;
        if let Some(((smallest, _), rest)) = sources.split_first() {
            smallest.visit(|member, _| {
                count += usize::from(rest.iter().all(|(source, _)| source.score(member).is_some()));
                count < limit
            });
        }
        count
    })?;
    Ok(Reply::count(count))
}

/// An operand and its weight.
type Weighted<'a> = (Source<'a>, f64);

/// Runs `work` on the operands where they lie.
fn with_sources<T>(
    ctx: &mut Ctx<'_>,
    request: &Request<'_>,
    work: impl FnOnce(Vec<Weighted<'_>>) -> T,
) -> Result<T, Fault> {
    // Reading the request has removed what was due, so looking changes nothing any more.
    let db = &*ctx.db();
    let weights = request.weights.iter().copied().chain(std::iter::repeat(1.0));
    let sources = request.keys.iter().zip(weights).map(|(key, weight)| {
        let source = Source::of(db.get(key).map(|entry| &entry.value))?;
        Ok((source, weight))
    });
    Ok(work(sources.collect::<Result<_, Fault>>()?))
}

fn combine(
    mut sources: Vec<Weighted<'_>>,
    operation: Operation,
    aggregate: Aggregate,
    into: SortedSet,
) -> SortedSet {
    if operation != Operation::Difference {
        sources.sort_by_key(|(source, _)| source.len());
    }
    match operation {
        Operation::Union => unite(&sources, aggregate, into),
        Operation::Intersection => intersect(&sources, aggregate, into),
        Operation::Difference => subtract(&sources, into),
    }
}

fn unite(sources: &[Weighted<'_>], aggregate: Aggregate, mut into: SortedSet) -> SortedSet {
    for (source, weight) in sources {
        source.visit(|member, score| {
            let score = zero_if_nan(weight * score);
            let join = |present: Option<f64>| present.map_or(score, |present| aggregate.join(present, score));
            let change = into.change(member, |present| Some(join(present)));
            if let (Some(before), Some(0.0)) = (change.before, change.after) {
                // 0 and -0 are equal, so the change of sign has not been written.
                into.replace(member, join(Some(before)));
            }
            true
        });
    }
    into
}

fn intersect(sources: &[Weighted<'_>], aggregate: Aggregate, mut into: SortedSet) -> SortedSet {
    let Some(((smallest, weight), rest)) = sources.split_first() else {
        return into;
    };
    smallest.visit(|member, score| {
        let first = zero_if_nan(weight * score);
        let joined = rest.iter().try_fold(first, |joined, (source, weight)| {
            Some(aggregate.join(joined, weight * source.score(member)?))
        });
        if let Some(score) = joined {
            into.set(member, score);
        }
        true
    });
    into
}

fn subtract(sources: &[Weighted<'_>], mut into: SortedSet) -> SortedSet {
    let Some(((first, _), rest)) = sources.split_first() else {
        return into;
    };
    // Whichever is less work: looking up each member, or walking over what is to be left out.
    let rest_total: usize = rest.iter().map(|(source, _)| source.len()).sum();
    if first.len().saturating_mul(rest.len()) <= first.len().saturating_add(rest_total) {
        first.visit(|member, score| {
            if rest.iter().all(|(source, _)| source.score(member).is_none()) {
                into.set(member, score);
            }
            true
        });
        return into;
    }
    first.visit(|member, score| {
        into.set(member, score);
        true
    });
    for (source, _) in rest {
        source.visit(|member, _| {
            into.remove(member);
            !into.is_empty()
        });
    }
    into
}
