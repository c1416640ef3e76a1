//! PFADD, PFCOUNT and PFMERGE: how many different elements a key has seen.
//!
//! The values are strings; `../keyspace/hyperloglog.rs` knows their format.

use super::Command;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::hyperloglog::{self as log, Corrupted, Registers};
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("pfadd", -2, pfadd).grows().fast().key(),
    Command::read("pfcount", -2, pfcount).keys(1, -1, 1),
    Command::write("pfmerge", -2, pfmerge).grows().keys(1, -1, 1),
];

impl From<Corrupted> for Fault {
    fn from(_: Corrupted) -> Self {
        Self::of("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The value of a key; a string of another kind is refused.
fn value<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<&'a Vec<u8>>, Fault> {
    match ctx.read::<Vec<u8>>(key)? {
        Some(value) if !log::is_valid(value) => Err(Fault::of(
            "WRONGTYPE Key is not a valid HyperLogLog string value.",
        )),
        value => Ok(value),
    }
}

/// The value of a key, made if the key is not there; the second says whether it was made.
fn value_to_change<'a>(ctx: &'a mut Ctx<'_>, key: &[u8]) -> Result<(&'a mut Vec<u8>, bool), Fault> {
    let is_new = value(ctx, key)?.is_none();
    let value = ctx.create::<Vec<u8>>(key)?;
    if is_new {
        *value = log::empty();
    }
    Ok((value, is_new))
}

fn pfadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (value, is_new) = value_to_change(ctx, args.at(1))?;
    let mut has_changed = is_new;
    let mut outcome = Ok(());
    for element in args.tail(2) {
        match log::add(value, element) {
            Ok(changed) => has_changed |= changed,
            Err(corrupted) => {
                outcome = Err(corrupted);
                break;
            }
        }
    }
    if has_changed {
        ctx.touched(args.at(1));
    }
    outcome?;
    Ok(Reply::flag(has_changed))
}

fn pfcount(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() > 2 {
        let (union, _) = union(ctx, args.tail(1))?;
        return Ok(count_reply(union.count()));
    }
    if value(ctx, args.at(1))?.is_none() {
        return Ok(Reply::Int(0));
    }
    let Some(value) = ctx.write::<Vec<u8>>(args.at(1))? else {
        return Ok(Reply::Int(0));
    };
    let (count, has_changed) = log::count(value)?;
    if has_changed {
        // The count is kept in the value, where the next reader finds it.
        ctx.touched(args.at(1));
    }
    Ok(count_reply(count))
}

fn count_reply(count: u64) -> Reply {
    Reply::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// The registers of all keys, and whether any of them is past the sparse encoding.
fn union(ctx: &mut Ctx<'_>, keys: &[&[u8]]) -> Result<(Registers, bool), Fault> {
    let (mut union, mut any_dense) = (Registers::new(), false);
    for key in keys {
        if let Some(value) = value(ctx, key)? {
            union.merge(value)?;
            any_dense |= log::is_dense(value);
        }
    }
    Ok((union, any_dense))
}

fn pfmerge(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (union, any_dense) = union(ctx, args.tail(1))?;
    let (value, _) = value_to_change(ctx, args.at(1))?;
    let outcome = log::merge_into(value, &union, any_dense);
    ctx.touched(args.at(1));
    outcome?;
    Ok(Reply::OK)
}

#[cfg(test)]
mod tests {
    use crate::reply::{Fault, Reply};
    use crate::testing::Session;

    #[test]
    fn different_elements_are_counted_once() {
        let session = Session::new();
        assert_eq!(session.ask("PFADD one a b c a"), Reply::Int(1));
        assert_eq!(session.ask("PFADD one a b"), Reply::Int(0));
        assert_eq!(session.ask("PFADD other c d"), Reply::Int(1));
        assert_eq!(session.ask("PFADD other"), Reply::Int(0));
        assert_eq!(session.ask("PFCOUNT one"), Reply::Int(3));
        assert_eq!(session.ask("PFCOUNT one other none"), Reply::Int(4));
        assert_eq!(session.ask("PFMERGE all one other none"), Reply::OK);
        assert_eq!(session.ask("PFCOUNT all"), Reply::Int(4));
        assert_eq!(session.ask("PFADD empty"), Reply::Int(1));
        assert_eq!(session.ask("PFCOUNT empty"), Reply::Int(0));
    }

    #[test]
    fn other_values_are_refused_and_left_alone() {
        let session = Session::new();
        session.ask("SET text hello");
        session.ask("SADD set a");
        let not_one = Reply::Error(Fault::of(
            "WRONGTYPE Key is not a valid HyperLogLog string value.",
        ));
        for line in [
            "PFADD text a",
            "PFCOUNT text",
            "PFCOUNT none text",
            "PFMERGE text",
            "PFMERGE none text",
        ] {
            assert_eq!(session.ask(line), not_one, "{line}");
            assert_eq!(session.ask("EXISTS none"), Reply::Int(0));
        }
        assert_eq!(session.ask("PFADD set a"), Reply::Error(Fault::WRONG_TYPE));
        assert_eq!(session.ask("GET text"), Reply::bulk("hello"));
    }

    #[test]
    fn registers_that_cannot_be_read_are_reported() {
        let session = Session::new();
        session.ask_args(&[b"SET", b"short", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f"]);
        let corrupted = Reply::Error(Fault::of("INVALIDOBJ Corrupted HLL object detected"));
        for line in ["PFADD short a", "PFCOUNT short", "PFMERGE all short"] {
            assert_eq!(session.ask(line), corrupted, "{line}");
        }
        assert_eq!(session.ask("EXISTS all"), Reply::Int(0));
    }
}
