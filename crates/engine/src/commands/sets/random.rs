//! SPOP and SRANDMEMBER: members by chance.
use super::shown;
use crate::arguments::Args;
use crate::commands::hashes::random::Draw;
use crate::context::Ctx;
use crate::keyspace::Set;
use crate::number::parse_int;
use crate::reply::{Answer, Fault, Reply};

pub(super) fn spop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.len() {
        2 => {}
        3 => return pop_many(ctx, args),
        _ => return Err(Fault::SYNTAX),
    }
    let mut random = ctx.rng().fork();
    let popped = ctx.write::<Set>(args.at(1))?.and_then(|set| set.pop(&mut random));
    if popped.is_some() {
        ctx.touched(args.at(1));
    }
    Ok(popped.map_or(Reply::Nil, Reply::Bulk))
}

fn pop_many(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let count = parse_int(args.at(2))
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(Fault::of("ERR value is out of range, must be positive"))?;
    let mut random = ctx.rng().fork();
    let Some(set) = ctx.write::<Set>(args.at(1))?.filter(|_| count > 0) else {
        return Ok(Reply::Set(Vec::new()));
    };
    if count >= set.len() {
        let all = set.iter().map(shown).collect();
        ctx.remove(args.at(1));
        return Ok(Reply::Set(all));
    }
    let popped = (0..count)
        .map_while(|_| set.pop(&mut random).map(Reply::Bulk))
        .collect();
    ctx.touched(args.at(1));
    Ok(Reply::Set(popped))
}

pub(super) fn srandmember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let mut random = ctx.rng().fork();
    match args.len() {
        2 => {
            let member = ctx
                .read::<Set>(args.at(1))?
                .and_then(|set| set.random(&mut random));
            return Ok(member.map_or(Reply::Nil, shown));
        }
        3 => {}
        _ => return Err(Fault::SYNTAX),
    }
    let draw = Draw::read(args.int(2)?)?;
    let Some(set) = ctx.read::<Set>(args.at(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    Ok(Reply::Array(match draw {
        Draw::Different(count) => set.sample(count, &mut random).into_iter().map(shown).collect(),
        Draw::Repeating(count) => (0..count)
            .map_while(|_| set.random(&mut random).map(shown))
            .collect(),
    }))
}
