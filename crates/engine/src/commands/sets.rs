//! Sets: members without order or repetition under one key.
//!
//! Next: `sets/algebra.rs` (intersections, unions, differences), `sets/random.rs` (SPOP, SRANDMEMBER),
//! `scan.rs` (SSCAN's options).

mod algebra;
mod random;

#[cfg(test)]
mod tests;

use super::{Command, scan};
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::{Member, Set};
use crate::reply::{Answer, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("sadd", -3, sadd).grows().fast().key(),
    Command::write("srem", -3, srem).fast().key(),
    Command::read("smembers", 2, smembers).key(),
    Command::read("scard", 2, scard).fast().key(),
    Command::read("sismember", 3, sismember).fast().key(),
    Command::read("smismember", -3, smismember).fast().key(),
    Command::write("smove", 4, smove).fast().keys(1, 2, 1),
    Command::write("spop", -2, random::spop).fast().key(),
    Command::read("srandmember", -2, random::srandmember).key(),
    Command::read("sinter", -2, algebra::sinter).keys(1, -1, 1),
    Command::write("sinterstore", -3, algebra::sinterstore)
        .grows()
        .keys(1, -1, 1),
    Command::read("sintercard", -3, algebra::sintercard).counted_keys(1, 0),
    Command::read("sunion", -2, algebra::sunion).keys(1, -1, 1),
    Command::write("sunionstore", -3, algebra::sunionstore)
        .grows()
        .keys(1, -1, 1),
    Command::read("sdiff", -2, algebra::sdiff).keys(1, -1, 1),
    Command::write("sdiffstore", -3, algebra::sdiffstore)
        .grows()
        .keys(1, -1, 1),
    Command::read("sscan", -3, sscan).key(),
];

/// A member as a reply.
fn shown(member: Member<'_>) -> Reply {
    Reply::Bulk(member.to_vec())
}

fn sadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let set = ctx.create::<Set>(args.at(1))?;
    let added = args.tail(2).iter().filter(|member| set.add(member)).count();
    if added > 0 {
        ctx.touched(args.at(1));
    }
    Ok(Reply::count(added))
}

fn srem(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(set) = ctx.write::<Set>(args.at(1))? else {
        return Ok(Reply::Int(0));
    };
    let removed = args.tail(2).iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        ctx.touched(args.at(1));
    }
    Ok(Reply::count(removed))
}

fn smembers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let Some(set) = ctx.read::<Set>(args.at(1))? else {
        return Ok(Reply::Set(Vec::new()));
    };
    let mut members = Vec::with_capacity(set.len());
    members.extend(set.iter().map(shown));
    Ok(Reply::Set(members))
}

fn scard(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(ctx.read::<Set>(args.at(1))?.map_or(0, Set::len)))
}

fn sismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let set = ctx.read::<Set>(args.at(1))?;
    Ok(Reply::flag(set.is_some_and(|set| set.contains(args.at(2)))))
}

fn smismember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let set = ctx.read::<Set>(args.at(1))?;
    let is_member = |member: &&[u8]| Reply::flag(set.is_some_and(|set| set.contains(member)));
    Ok(Reply::Array(args.tail(2).iter().map(is_member).collect()))
}

fn smove(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to, member) = (args.at(1), args.at(2), args.at(3));
    let Some(source) = ctx.write::<Set>(from)? else {
        return Ok(Reply::Int(0));
    };
    let is_member = source.contains(member);
    // The other key's type counts even if there is nothing to move.
    ctx.write::<Set>(to)?;
    if from == to || !is_member {
        return Ok(Reply::flag(is_member));
    }
    if let Some(source) = ctx.write::<Set>(from)? {
        source.remove(member);
    }
    ctx.touched(from);
    if ctx.create::<Set>(to)?.add(member) {
        ctx.touched(to);
    }
    Ok(Reply::Int(1))
}

fn sscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let from = scan::cursor(args.at(2))?;
    let Some(set) = ctx.read::<Set>(args.at(1))? else {
        return Ok(scan::found(0, Vec::new()));
    };
    let options = scan::ScanOptions::read(args.options(3), false)?;
    let mut found = Vec::new();
    let next = set.scan(from, options.count, |member| {
        if options.wants(member) {
            found.push(Reply::bulk(member));
        }
    });
    Ok(scan::found(next, found))
}
