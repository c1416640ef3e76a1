//! Intersections, unions and differences, shown or stored.
//!
//! A stored result is built member by member, so that its encoding is the one that Redis would report.
use super::shown;
use crate::arguments::{Args, is};
use crate::context::Ctx;
use crate::keyspace::{Kind, Member, Set, Value};
use crate::number::parse_int;
use crate::reply::{Answer, Fault, Reply};

/// The sets at some keys; nothing for a key that is not there.
type Sources<'a> = Vec<Option<&'a Set>>;

/// How sets are combined; `track` is for the result.
type Combine = fn(&Sources<'_>, track: bool) -> Set;

fn sources<'a>(ctx: &'a mut Ctx<'_>, keys: &[&[u8]]) -> Result<Sources<'a>, Fault> {
    for key in keys {
        ctx.expect::<Set>(key)?;
    }
    let database = &*ctx.db();
    Ok(keys
        .iter()
        .map(|key| database.get(key).and_then(|entry| Set::of(&entry.value)))
        .collect())
}

fn show(ctx: &mut Ctx<'_>, args: Args<'_>, combine: Combine) -> Answer {
    let result = combine(&sources(ctx, args.tail(1))?, false);
    let mut members = Vec::with_capacity(result.len());
    members.extend(result.iter().map(shown));
    Ok(Reply::Set(members))
}

fn store(ctx: &mut Ctx<'_>, args: Args<'_>, combine: Combine) -> Answer {
    let track = ctx.tracks_changes();
    let result = combine(&sources(ctx, args.tail(2))?, track);
    let count = result.len();
    ctx.put(args.at(1), Value::Set(result));
    Ok(Reply::count(count))
}

pub(super) fn sinter(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let mut members = Vec::new();
    common(&sources(ctx, args.tail(1))?, usize::MAX, |member| {
        members.push(shown(member));
    });
    Ok(Reply::Set(members))
}

pub(super) fn sinterstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    store(ctx, args, |sources, track| {
        let mut result = Set::new(track);
        common(sources, usize::MAX, |member| {
            result.add_member(member);
        });
        result
    })
}

pub(super) fn sintercard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let count = parse_int(args.at(1))
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or(Fault::of("ERR numkeys should be greater than 0"))?;
    let Some((keys, _)) = args.tail(2).split_at_checked(count) else {
        return Err(Fault::of(
            "ERR Number of keys can't be greater than number of args",
        ));
    };
    let mut options = args.options(2 + count);
    let mut limit = 0;
    while let Some(word) = options.peek() {
        if !is(word, "LIMIT") || options.len() < 2 {
            return Err(Fault::SYNTAX);
        }
        options.next()?;
        limit = parse_int(options.next()?)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(Fault::of("ERR LIMIT can't be negative"))?;
    }
    let limit = if limit == 0 { usize::MAX } else { limit };
    Ok(Reply::count(common(&sources(ctx, keys)?, limit, |_| {})))
}

pub(super) fn sunion(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    show(ctx, args, union)
}

pub(super) fn sunionstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    store(ctx, args, union)
}

pub(super) fn sdiff(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    show(ctx, args, difference)
}

pub(super) fn sdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    store(ctx, args, difference)
}

/// Shows the members that all sets have, up to `limit` of them; how many there are.
fn common(sources: &Sources<'_>, limit: usize, mut see: impl FnMut(Member<'_>)) -> usize {
    let Some(mut sets) = sources.iter().copied().collect::<Option<Vec<&Set>>>() else {
        return 0;
    };
    // Each member of the smallest is asked for in the others, the likeliest to refuse it first.
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return 0;
    };
    let in_all = smallest
        .iter()
        .filter(|member| others.iter().all(|other| other.contains_member(*member)));
    in_all.take(limit).map(&mut see).count()
}

fn union(sources: &Sources<'_>, track: bool) -> Set {
    let mut result = Set::new(track);
    for member in sources.iter().flatten().flat_map(|set| set.iter()) {
        result.add_member(member);
    }
    result
}

/// The members of the first set that no other has.
fn difference(sources: &Sources<'_>, track: bool) -> Set {
    let mut result = Set::new(track);
    let Some((Some(first), others)) = sources.split_first() else {
        return result;
    };
    let mut others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|other| std::ptr::eq(*first, *other)) {
        return result;
    }
    let total: usize = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    // Asking all others for each member usually ends early; it counts half.
    if first.len() * (others.len() + 1) / 2 <= total {
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for member in first
            .iter()
            .filter(|member| !others.iter().any(|set| set.contains_member(*member)))
        {
            result.add_member(member);
        }
        return result;
    }
    for member in first.iter() {
        result.add_member(member);
    }
    let mut buffer = itoa::Buffer::new();
    for other in others {
        for member in other.iter() {
            result.remove(member.bytes(&mut buffer));
        }
        if result.is_empty() {
            break;
        }
    }
    result
}
