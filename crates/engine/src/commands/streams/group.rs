//! XGROUP: making, moving and removing groups and their consumers.
//!
//! Next: `keyspace/stream/groups.rs`.

use super::{id, no_group, signed, subcommand_syntax};
use crate::arguments::{Args, int, is};
use crate::commands::{Subcommand, help};
use crate::context::Ctx;
use crate::keyspace::stream::{GroupMut, Stream, StreamId};
use crate::reply::{Answer, Fault, Reply};

const HELP: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

const NO_KEY: Fault = Fault::of(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

pub(super) const SUBCOMMANDS: &[Subcommand] = &[
    ("create", -5),
    ("setid", -5),
    ("destroy", 4),
    ("createconsumer", 5),
    ("delconsumer", 5),
    ("help", 2),
];

pub(super) fn xgroup(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "CREATE") => create(ctx, args),
        verb if is(verb, "SETID") => set_id(ctx, args),
        verb if is(verb, "DESTROY") => destroy(ctx, args),
        verb if is(verb, "CREATECONSUMER") => create_consumer(ctx, args),
        verb if is(verb, "DELCONSUMER") => delete_consumer(ctx, args),
        _ => Ok(help(HELP)),
    }
}

/// MKSTREAM and ENTRIESREAD.
fn position_options(args: Args<'_>, may_create: bool) -> Result<(bool, Option<u64>), Fault> {
    let (mut makes_stream, mut entries_read) = (false, None);
    let mut options = args.options(5);
    while !options.is_empty() {
        if may_create && options.take("MKSTREAM") {
            makes_stream = true;
        } else if let Some(number) = options.take_with_value("ENTRIESREAD") {
            entries_read = match int(number)? {
                -1 => None,
                number => Some(
                    u64::try_from(number)
                        .map_err(|_| Fault::of("ERR value for ENTRIESREAD must be positive or -1"))?,
                ),
            };
        } else {
            return Err(subcommand_syntax("XGROUP", args.at(1)));
        }
    }
    Ok((makes_stream, entries_read))
}

fn create(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (makes_stream, entries_read) = position_options(args, true)?;
    let (key, name) = (args.at(2), args.at(3));
    let last_id = ctx.read::<Stream>(key)?.map(|stream| stream.log().last_id());
    if last_id.is_none() && !makes_stream {
        return Err(NO_KEY);
    }
    // MKSTREAM with ENTRIESREAD and one more option too many is refused by number, after all else.
    if args.len() > 8 {
        return Err(subcommand_syntax("XGROUP", args.at(1)));
    }
    let position = match args.at(4) {
        b"$" => last_id.unwrap_or_default(),
        argument => id(argument)?,
    };
    let created = ctx
        .create::<Stream>(key)?
        .create_group(name, position, entries_read);
    if last_id.is_none() {
        ctx.touched(key);
    } else if created {
        ctx.noted(key);
    }
    if created {
        Ok(Reply::OK)
    } else {
        Err(Fault::of("BUSYGROUP Consumer Group name already exists"))
    }
}

fn set_id(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (_, entries_read) = position_options(args, false)?;
    let key = args.at(2);
    let last_id = ctx
        .read::<Stream>(key)?
        .map(|stream| stream.log().last_id())
        .ok_or(NO_KEY)?;
    let mut group = existing(ctx, key, args.at(3))?;
    if args.len() != 5 && args.len() != 7 {
        return Err(subcommand_syntax("XGROUP", args.at(1)));
    }
    let position = match args.at(4) {
        b"$" => last_id,
        argument => StreamId::parse_bound(argument, 0).ok_or(super::INVALID_ID)?,
    };
    group.set_position(position, entries_read);
    drop(group);
    ctx.noted(key);
    Ok(Reply::OK)
}

fn destroy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(2);
    let destroyed = ctx.write::<Stream>(key)?.ok_or(NO_KEY)?.destroy_group(args.at(3));
    if destroyed {
        ctx.noted(key);
        // Whoever waits for the group must hear that it is gone.
        let db = ctx.db_index();
        ctx.core.blocked.changed(db, key);
    }
    Ok(Reply::flag(destroyed))
}

fn create_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, now) = (args.at(2), signed(ctx.now()));
    let created = existing(ctx, key, args.at(3))?
        .create_consumer(args.at(4), now)
        .is_some();
    if created {
        ctx.noted(key);
    }
    Ok(Reply::flag(created))
}

fn delete_consumer(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(2);
    let deleted = existing(ctx, key, args.at(3))?.delete_consumer(args.at(4));
    if deleted.is_some() {
        ctx.noted(key);
    }
    Ok(Reply::count(deleted.unwrap_or_default()))
}

/// A group that must be there.
fn existing<'c>(ctx: &'c mut Ctx<'_>, key: &[u8], name: &[u8]) -> Result<GroupMut<'c>, Fault> {
    let stream = ctx.write::<Stream>(key)?.ok_or(NO_KEY)?;
    stream
        .group_mut(name)
        .map(|(group, _)| group)
        .ok_or_else(|| no_group(key, name))
}
