//! ZRANDMEMBER.

use hashbrown::HashSet;

use super::listed;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::SortedSet;
use crate::reply::{Answer, Fault, Reply};

const OUT_OF_RANGE: Fault = Fault::of("ERR value is out of range");
const NOT_NEGATABLE: Fault =
    Fault::of("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");

pub(super) fn zrandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    // Its own generator, so that the set can be borrowed meanwhile.
    let mut random = ctx.rng().fork();
    let key = args.at(1);
    if args.len() == 2 {
        let Some(set) = ctx.read::<SortedSet>(key)? else {
            return Ok(Reply::Nil);
        };
        return Ok(Reply::bulk_or_nil(
            set.at(random.usize(..set.len().max(1))).map(|(member, _)| member),
        ));
    }
    let count = args.int(2)?;
    if count == i64::MIN {
        return Err(NOT_NEGATABLE);
    }
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 3 && !with_scores {
        return Err(Fault::SYNTAX);
    }
    if with_scores && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(OUT_OF_RANGE);
    }
    let Some(set) = ctx.read::<SortedSet>(key)? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        // With repetitions.
        let entries = (0..wanted).filter_map(|_| set.at(random.usize(..set.len().max(1))));
        return Ok(listed(entries, with_scores));
    }
    if wanted >= set.len() {
        // All of them come in the order in which Redis walks over sets: from the end.
        return Ok(listed(set.range_backwards(0..set.len()), with_scores));
    }
    let ranks = distinct(wanted, set.len(), &mut random);
    Ok(listed(
        ranks.into_iter().filter_map(|rank| set.at(rank)),
        with_scores,
    ))
}

/// `count` different numbers below `end`, every choice equally likely (Floyd's method: one draw for each).
fn distinct(count: usize, end: usize, random: &mut fastrand::Rng) -> Vec<usize> {
    let mut seen = HashSet::with_capacity_and_hasher(count, foldhash::fast::FixedState::default());
    let mut chosen = Vec::with_capacity(count);
    for upper in end - count..end {
        let drawn = random.usize(..=upper);
        let number = if seen.insert(drawn) { drawn } else { upper };
        seen.insert(number);
        chosen.push(number);
    }
    chosen
}
