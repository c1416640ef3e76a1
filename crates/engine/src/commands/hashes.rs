//! Hashes: fields and their values under one key.
//!
//! Next: `hashes/random.rs` (HRANDFIELD), `scan.rs` (HSCAN's options).

pub(super) mod random;

#[cfg(test)]
mod tests;

use super::{Command, scan};
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::Hash;
use crate::long_double::LongDouble;
use crate::number::parse_int;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("hset", -4, hset).grows().fast().key(),
    Command::write("hmset", -4, hmset).grows().fast().key(),
    Command::write("hsetnx", 4, hsetnx).grows().fast().key(),
    Command::read("hget", 3, hget).fast().key(),
    Command::read("hmget", -3, hmget).fast().key(),
    Command::read("hgetall", 2, hgetall).key(),
    Command::write("hdel", -3, hdel).fast().key(),
    Command::read("hexists", 3, hexists).fast().key(),
    Command::read("hlen", 2, hlen).fast().key(),
    Command::read("hstrlen", 3, hstrlen).fast().key(),
    Command::read("hkeys", 2, hkeys).key(),
    Command::read("hvals", 2, hvals).key(),
    Command::write("hincrby", 4, hincrby).grows().fast().key(),
    Command::write("hincrbyfloat", 4, hincrbyfloat)
        .grows()
        .fast()
        .key(),
    Command::read("hrandfield", -2, random::hrandfield).key(),
    Command::read("hscan", -3, hscan).key(),
];

fn hset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    set_pairs(ctx, args, "hset").map(Reply::count)
}

fn hmset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    set_pairs(ctx, args, "hmset").map(|_| Reply::OK)
}

/// Stores the pairs of fields and values; how many fields are new.
fn set_pairs(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str) -> Result<usize, Fault> {
    if !args.len().is_multiple_of(2) {
        return Err(Fault::arity(command));
    }
    let (pairs, _) = args.tail(2).as_chunks();
    let added = ctx
        .create::<Hash>(args.at(1))?
        .set_all(pairs.iter().map(|&[field, value]| (field, value)));
    ctx.touched(args.at(1));
    Ok(added)
}

fn hsetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.create::<Hash>(args.at(1))?;
    if hash.contains(args.at(2)) {
        return Ok(Reply::Int(0));
    }
    hash.set(args.at(2), args.at(3));
    ctx.touched(args.at(1));
    Ok(Reply::Int(1))
}

fn hget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    Ok(Reply::bulk_or_nil(hash.and_then(|hash| hash.get(args.at(2)))))
}

fn hmget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    let values = args
        .tail(2)
        .iter()
        .map(|field| Reply::bulk_or_nil(hash.and_then(|hash| hash.get(field))));
    Ok(Reply::Array(values.collect()))
}

fn hgetall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(hash) = ctx.read::<Hash>(args.at(1))? else {
        return Ok(Reply::Map(Vec::new()));
    };
    let mut pairs = Vec::with_capacity(hash.len());
    pairs.extend(
        hash.iter()
            .map(|(field, value)| (Reply::bulk(field), Reply::bulk(value))),
    );
    Ok(Reply::Map(pairs))
}

fn hdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(hash) = ctx.write::<Hash>(args.at(1))? else {
        return Ok(Reply::Int(0));
    };
    let removed = args.tail(2).iter().filter(|field| hash.remove(field)).count();
    if removed > 0 {
        ctx.touched(args.at(1));
    }
    Ok(Reply::count(removed))
}

fn hexists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    Ok(Reply::flag(hash.is_some_and(|hash| hash.contains(args.at(2)))))
}

fn hlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(ctx.read::<Hash>(args.at(1))?.map_or(0, Hash::len)))
}

fn hstrlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    Ok(Reply::count(
        hash.and_then(|hash| hash.get(args.at(2))).map_or(0, <[u8]>::len),
    ))
}

fn hkeys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    Ok(Reply::bulks(
        hash.into_iter()
            .flat_map(|hash| hash.iter().map(|(field, _)| field)),
    ))
}

fn hvals(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let hash = ctx.read::<Hash>(args.at(1))?;
    Ok(Reply::bulks(
        hash.into_iter()
            .flat_map(|hash| hash.iter().map(|(_, value)| value)),
    ))
}

fn hincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, field, step) = (args.at(1), args.at(2), args.int(3)?);
    let number = match ctx.write::<Hash>(key)?.and_then(|hash| hash.get(field)) {
        Some(value) => parse_int(value).ok_or(Fault::of("ERR hash value is not an integer"))?,
        None => 0,
    };
    let sum = number
        .checked_add(step)
        .ok_or(Fault::of("ERR increment or decrement would overflow"))?;
    ctx.create::<Hash>(key)?
        .set(field, itoa::Buffer::new().format(sum).as_bytes());
    ctx.touched(key);
    Ok(Reply::Int(sum))
}

fn hincrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, field) = (args.at(1), args.at(2));
    let step = LongDouble::parse(args.at(3)).ok_or(Fault::NOT_A_FLOAT)?;
    if step == LongDouble::Infinite {
        return Err(Fault::of("ERR value is NaN or Infinity"));
    }
    let old = ctx
        .write::<Hash>(key)?
        .and_then(|hash| hash.get(field))
        .unwrap_or(b"0");
    let sum = LongDouble::parse(old)
        .ok_or(Fault::of("ERR hash value is not a float"))?
        .sum(&step)
        .ok_or(Fault::of("ERR increment would produce NaN or Infinity"))?
        .to_string();
    ctx.create::<Hash>(key)?.set(field, sum.as_bytes());
    ctx.touched(key);
    Ok(Reply::bulk(sum))
}

fn hscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let from = scan::cursor(args.at(2))?;
    let Some(hash) = ctx.read::<Hash>(args.at(1))? else {
        return Ok(scan::found(0, Vec::new()));
    };
    let options = scan::ScanOptions::read(args.options(3), false)?;
    let mut shown = Vec::new();
    let next = hash.scan(from, options.count, |field, value| {
        if options.wants(field) {
            shown.extend([Reply::bulk(field), Reply::bulk(value)]);
        }
    });
    Ok(scan::found(next, shown))
}
