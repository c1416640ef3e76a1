//! Keys as such: whether they are there, how long they live, what they are called.
//!
//! SCAN is in `scan.rs`, SORT in `sort.rs`.

use super::{Command, Subcommand};
use crate::arguments::{self, Args, is, shown};
use crate::context::Ctx;
use crate::glob;
use crate::keyspace::{Entry, NEVER};
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("del", -2, del).keys(1, -1, 1),
    Command::write("unlink", -2, del).fast().keys(1, -1, 1),
    Command::read("exists", -2, exists).fast().keys(1, -1, 1),
    Command::read("touch", -2, touch).fast().keys(1, -1, 1),
    Command::read("type", 2, type_of).fast().key(),
    Command::write("expire", -3, expire).fast().key(),
    Command::write("pexpire", -3, pexpire).fast().key(),
    Command::write("expireat", -3, expireat).fast().key(),
    Command::write("pexpireat", -3, pexpireat).fast().key(),
    Command::write("persist", 2, persist).fast().key(),
    Command::read("ttl", 2, ttl).fast().key(),
    Command::read("pttl", 2, pttl).fast().key(),
    Command::read("expiretime", 2, expiretime).fast().key(),
    Command::read("pexpiretime", 2, pexpiretime).fast().key(),
    Command::write("rename", 3, rename).keys(1, 2, 1),
    Command::write("renamenx", 3, renamenx).fast().keys(1, 2, 1),
    Command::write("copy", -3, copy).grows().keys(1, 2, 1),
    Command::write("move", 3, move_to).fast().key(),
    Command::read("keys", 2, keys),
    Command::read("randomkey", 1, randomkey),
    Command::read("object", -2, object)
        .subcommands(OBJECT_SUBCOMMANDS)
        .keys(2, 2, 1),
];

const OBJECT_SUBCOMMANDS: &[Subcommand] = &[
    ("encoding", 3),
    ("refcount", 3),
    ("idletime", 3),
    ("freq", 3),
    ("help", 2),
];

fn del(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(
        args.tail(1).iter().filter(|key| ctx.remove(key)).count(),
    ))
}

fn exists(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(
        args.tail(1).iter().filter(|key| ctx.entry(key).is_some()).count(),
    ))
}

fn touch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    exists(ctx, args)
}

fn type_of(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let name = ctx
        .peek(args.at(1))
        .map_or("none", |entry| entry.value.type_name());
    Ok(Reply::status(name))
}

fn expire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    expire_at(ctx, args, "expire", 1000, true)
}

fn pexpire(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    expire_at(ctx, args, "pexpire", 1, true)
}

fn expireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    expire_at(ctx, args, "expireat", 1000, false)
}

fn pexpireat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    expire_at(ctx, args, "pexpireat", 1, false)
}

/// When an expiry may replace another one.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    if_none: bool,
    if_any: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Condition {
    fn read(args: Args<'_>) -> Result<Self, Fault> {
        let mut condition = Self::default();
        for option in args.tail(3) {
            match option {
                option if is(option, "NX") => condition.if_none = true,
                option if is(option, "XX") => condition.if_any = true,
                option if is(option, "GT") => condition.if_later = true,
                option if is(option, "LT") => condition.if_earlier = true,
                other => {
                    let other = shown(other);
                    return Err(Fault::err(format!("Unsupported option {other}")));
                }
            }
        }
        if condition.if_none && (condition.if_any || condition.if_later || condition.if_earlier) {
            return Err(Fault::of(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.if_later && condition.if_earlier {
            return Err(Fault::of(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(condition)
    }

    /// A key that does not expire counts as expiring later than any time.
    fn holds(self, current: u64, wanted: i64) -> bool {
        let has_expiry = current != NEVER;
        let wanted = u64::try_from(wanted).unwrap_or(0);
        !((self.if_none && has_expiry)
            || (self.if_any && !has_expiry)
            || (self.if_later && wanted <= current)
            || (self.if_earlier && wanted >= current))
    }
}

fn expire_at(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, scale: i64, is_relative: bool) -> Answer {
    let condition = Condition::read(args)?;
    let (key, number) = (args.at(1), args.int(2)?);
    let now = i64::try_from(ctx.now()).unwrap_or(i64::MAX);
    let base = if is_relative { now } else { 0 };
    let at = number
        .checked_mul(scale)
        .and_then(|millis| millis.checked_add(base))
        .ok_or_else(|| Fault::err(format!("invalid expire time in '{command}' command")))?;
    let Some(current) = ctx.peek(key).map(|entry| entry.expires) else {
        return Ok(Reply::Int(0));
    };
    if !condition.holds(current, at) {
        return Ok(Reply::Int(0));
    }
    match u64::try_from(at) {
        Ok(future) if at > now => ctx.set_expiry(key, future),
        // What would expire in the past is gone at once.
        _ => ctx.remove(key),
    };
    Ok(Reply::Int(1))
}

fn persist(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let expires = ctx.peek(args.at(1)).is_some_and(|entry| entry.expires != NEVER);
    if expires {
        ctx.set_expiry(args.at(1), NEVER);
    }
    Ok(Reply::flag(expires))
}

fn ttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let now = ctx.now();
    Ok(lifetime(ctx, args.at(1), |at| {
        (at.saturating_sub(now) + 500) / 1000
    }))
}

fn pttl(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let now = ctx.now();
    Ok(lifetime(ctx, args.at(1), |at| at.saturating_sub(now)))
}

fn expiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(lifetime(ctx, args.at(1), |at| (at + 500) / 1000))
}

fn pexpiretime(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(lifetime(ctx, args.at(1), |at| at))
}

/// -2 without the key, -1 without an expiry.
fn lifetime(ctx: &mut Ctx<'_>, key: &[u8], show: impl FnOnce(u64) -> u64) -> Reply {
    match ctx.peek(key).map(|entry| entry.expires) {
        None => Reply::Int(-2),
        Some(NEVER) => Reply::Int(-1),
        Some(at) => Reply::Int(i64::try_from(show(at)).unwrap_or(i64::MAX)),
    }
}

fn rename(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to) = (args.at(1), args.at(2));
    if !ctx.exists(from) {
        return Err(Fault::NO_SUCH_KEY);
    }
    move_key(ctx, from, ctx.db_index(), to);
    Ok(Reply::OK)
}

fn renamenx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to) = (args.at(1), args.at(2));
    if !ctx.exists(from) {
        return Err(Fault::NO_SUCH_KEY);
    }
    if from == to || ctx.exists(to) {
        return Ok(Reply::Int(0));
    }
    move_key(ctx, from, ctx.db_index(), to);
    Ok(Reply::Int(1))
}

/// Moves a key that is there to another name or database, with its expiry.
fn move_key(ctx: &mut Ctx<'_>, from: &[u8], db: usize, to: &[u8]) {
    let (selected, by) = (ctx.db_index(), ctx.client.seat);
    if selected != db || from != to {
        ctx.core.relocate((selected, from), (db, to), by);
    }
}

fn copy(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (from, to) = (args.at(1), args.at(2));
    let (mut db, mut replaces) = (ctx.db_index(), false);
    let mut options = args.options(3);
    while !options.is_empty() {
        if options.take("REPLACE") {
            replaces = true;
        } else if let Some(number) = options.take_with_value("DB") {
            db = database_number(ctx, number)?;
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    if db == ctx.db_index() && from == to {
        return Err(Fault::of("ERR source and destination objects are the same"));
    }
    let Some(entry) = ctx.entry(from) else {
        return Ok(Reply::Int(0));
    };
    let (value, expires) = (entry.value.clone(), entry.expires);
    let by = ctx.client.seat;
    ctx.core.forget_if_due(db, to);
    if ctx.core.database(db).contains(to) && !replaces {
        return Ok(Reply::Int(0));
    }
    // Not an overwritten key but a new one: it serves who waits for what it holds now.
    ctx.core.remove(db, to, by);
    ctx.core.put(db, to, value, expires, by);
    Ok(Reply::Int(1))
}

fn move_to(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let db = database_number(ctx, args.at(2))?;
    if db == ctx.db_index() {
        return Err(Fault::of("ERR source and destination objects are the same"));
    }
    ctx.core.forget_if_due(db, key);
    if !ctx.exists(key) || ctx.core.database(db).contains(key) {
        return Ok(Reply::Int(0));
    }
    move_key(ctx, key, db, key);
    Ok(Reply::Int(1))
}

/// The number of a database that exists.
pub(super) fn database_number(ctx: &Ctx<'_>, argument: &[u8]) -> Result<usize, Fault> {
    let number = arguments::int(argument)?;
    if i32::try_from(number).is_err() {
        return Err(Fault::of(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    usize::try_from(number)
        .ok()
        .filter(|number| *number < ctx.core.database_count())
        .ok_or(Fault::of("ERR DB index is out of range"))
}

fn keys(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (pattern, now) = (args.at(1), ctx.now());
    let all = ctx.db().iter();
    let is_all = pattern == b"*";
    let matching = all.filter(|(key, entry)| entry.expires > now && (is_all || glob::matches(pattern, key)));
    Ok(Reply::Array(matching.map(|(key, _)| Reply::bulk(key)).collect()))
}

fn randomkey(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    let mut rng = ctx.rng().fork();
    while let Some(key) = ctx.db().random(&mut rng) {
        let key = key.to_vec();
        // Looking for one that is due removes it.
        if ctx.exists(&key) {
            return Ok(Reply::Bulk(key));
        }
    }
    Ok(Reply::Nil)
}

const OBJECT_HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

fn object(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (verb, key) = (args.at(1), args.at(2));
    let show: fn(&Entry, u64) -> Answer = match verb {
        verb if is(verb, "encoding") => |entry, _| Ok(Reply::bulk(entry.value.encoding())),
        verb if is(verb, "refcount") => |_, _| Ok(Reply::Int(1)),
        verb if is(verb, "idletime") => |entry, now| {
            Ok(Reply::Int(
                i64::try_from(now / 1000).unwrap_or(0) - i64::from(entry.accessed),
            ))
        },
        verb if is(verb, "freq") => |_, _| {
            Err(Fault::of(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ))
        },
        _ => return Ok(super::help(OBJECT_HELP)),
    };
    let now = ctx.now();
    ctx.peek(key).map_or(Ok(Reply::Nil), |entry| show(entry, now))
}

#[cfg(test)]
mod tests {
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn no_expired_key_is_picked_while_many_wait_to_be_removed() {
        let session = Session::new();
        session.ask("SET lasting x");
        for number in 0..3_500 {
            session.ask(&format!("SET key:{number} x PX 5"));
        }
        session.advance(5);
        assert_eq!(session.ask("RANDOMKEY"), Reply::bulk("lasting"));
    }
}
