//! Strings: whole values, parts of them, and numbers in them.
//!
//! Bits are in `bits.rs`.

use super::Command;
use crate::arguments::{self, Args, Options, span};
use crate::context::Ctx;
use crate::keyspace::{NEVER, Value};
use crate::long_double;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("get", 2, get).fast().key(),
    Command::write("set", -3, set).grows().key(),
    Command::write("setnx", 3, setnx).grows().fast().key(),
    Command::write("setex", 4, setex).grows().key(),
    Command::write("psetex", 4, psetex).grows().key(),
    Command::write("getset", 3, getset).grows().fast().key(),
    Command::write("getdel", 2, getdel).fast().key(),
    Command::write("getex", -2, getex).fast().key(),
    Command::read("mget", -2, mget).fast().keys(1, -1, 1),
    Command::write("mset", -3, mset).grows().keys(1, -1, 2),
    Command::write("msetnx", -3, msetnx).grows().keys(1, -1, 2),
    Command::write("append", 3, append).grows().fast().key(),
    Command::read("strlen", 2, strlen).fast().key(),
    Command::read("getrange", 4, getrange).key(),
    Command::read("substr", 4, getrange).key(),
    Command::write("setrange", 4, setrange).grows().key(),
    Command::write("incr", 2, incr).grows().fast().key(),
    Command::write("decr", 2, decr).grows().fast().key(),
    Command::write("incrby", 3, incrby).grows().fast().key(),
    Command::write("decrby", 3, decrby).grows().fast().key(),
    Command::write("incrbyfloat", 3, incrbyfloat).grows().fast().key(),
];

/// The longest string: Redis's proto-max-bulk-len.
pub(super) const LONGEST: usize = 512 * 1024 * 1024;

/// The refusal of a string that would be longer.
pub(super) const TOO_LONG: Fault = Fault::of("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

fn get(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::bulk_or_nil(ctx.read::<Vec<u8>>(args.at(1))?))
}

/// What SET was told beside key and value.
#[derive(Debug, Default)]
struct SetOptions<'a> {
    if_absent: bool,
    if_present: bool,
    wants_old: bool,
    keeps_expiry: bool,
    deadline: Option<Deadline<'a>>,
}

/// An expiry as it was written: its unit's name and its number.
#[derive(Clone, Copy, Debug)]
struct Deadline<'a> {
    unit: &'static str,
    number: &'a [u8],
}

impl<'a> SetOptions<'a> {
    fn read(mut options: Options<'a>) -> Result<Self, Fault> {
        let mut read = Self::default();
        while !options.is_empty() {
            if !read.if_present && options.take("NX") {
                read.if_absent = true;
            } else if !read.if_absent && options.take("XX") {
                read.if_present = true;
            } else if options.take("GET") {
                read.wants_old = true;
            } else if read.deadline.is_none() && options.take("KEEPTTL") {
                read.keeps_expiry = true;
            } else if !read.keeps_expiry {
                read.deadline = Some(Deadline::read(&mut options, read.deadline).ok_or(Fault::SYNTAX)?);
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(read)
    }
}

impl<'a> Deadline<'a> {
    /// Reads one if it stands next; after an `earlier` one only in the same unit, which then replaces it.
    fn read(options: &mut Options<'a>, earlier: Option<Self>) -> Option<Self> {
        let mut units = ["EX", "PX", "EXAT", "PXAT"].into_iter();
        units.find_map(|unit| {
            if earlier.is_some_and(|earlier| earlier.unit != unit) {
                return None;
            }
            let number = options.take_with_value(unit)?;
            Some(Self { unit, number })
        })
    }

    /// The expiry in milliseconds since 1970.
    fn at(self, command: &str, now: u64) -> Result<u64, Fault> {
        let number = arguments::int(self.number)?;
        let (scale, is_relative) = match self.unit {
            "EX" => (1000, true),
            "PX" => (1, true),
            "EXAT" => (1000, false),
            _ => (1, false),
        };
        expiry(number, scale, is_relative, now).ok_or_else(|| invalid_expiry(command))
    }
}

/// A positive number of some unit as an absolute expiry.
fn expiry(number: i64, scale: i64, is_relative: bool, now: u64) -> Option<u64> {
    let millis = u64::try_from(number.checked_mul(scale)?)
        .ok()
        .filter(|millis| *millis > 0)?;
    let at = if is_relative {
        millis.checked_add(now)?
    } else {
        millis
    };
    (at <= i64::MAX.unsigned_abs()).then_some(at)
}

fn invalid_expiry(command: &str) -> Fault {
    Fault::err(format!("invalid expire time in '{command}' command"))
}

fn set(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    if args.len() == 3 {
        ctx.put(key, Value::String(args.at(2).to_vec()));
        return Ok(Reply::OK);
    }
    let options = SetOptions::read(args.options(3))?;
    let mut expires = NEVER;
    if let Some(deadline) = options.deadline {
        expires = deadline.at("set", ctx.now())?;
    }
    let old = if options.wants_old {
        Some(Reply::bulk_or_nil(ctx.read::<Vec<u8>>(key)?))
    } else {
        None
    };
    let before = ctx.peek(key).map(|entry| entry.expires);
    if (options.if_absent && before.is_some()) || (options.if_present && before.is_none()) {
        return Ok(old.unwrap_or(Reply::Nil));
    }
    if options.keeps_expiry {
        expires = before.unwrap_or(NEVER);
    }
    ctx.put_until(key, Value::String(args.at(2).to_vec()), expires);
    Ok(old.unwrap_or(Reply::OK))
}

fn setnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let is_free = !ctx.exists(args.at(1));
    if is_free {
        ctx.put(args.at(1), Value::String(args.at(2).to_vec()));
    }
    Ok(Reply::flag(is_free))
}

fn setex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    set_for(ctx, args, "setex", 1000)
}

fn psetex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    set_for(ctx, args, "psetex", 1)
}

fn set_for(ctx: &mut Ctx<'_>, args: Args<'_>, command: &str, scale: i64) -> Answer {
    let expires = expiry(args.int(2)?, scale, true, ctx.now()).ok_or_else(|| invalid_expiry(command))?;
    ctx.put_until(args.at(1), Value::String(args.at(3).to_vec()), expires);
    Ok(Reply::OK)
}

fn getset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let old = Reply::bulk_or_nil(ctx.read::<Vec<u8>>(args.at(1))?);
    ctx.put(args.at(1), Value::String(args.at(2).to_vec()));
    Ok(old)
}

fn getdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let old = Reply::bulk_or_nil(ctx.read::<Vec<u8>>(args.at(1))?);
    ctx.remove(args.at(1));
    Ok(old)
}

fn getex(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let mut options = args.options(2);
    let (mut persists, mut deadline) = (false, None);
    while !options.is_empty() {
        if deadline.is_none() && options.take("PERSIST") {
            persists = true;
        } else if !persists {
            deadline = Some(Deadline::read(&mut options, deadline).ok_or(Fault::SYNTAX)?);
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    let Some(value) = ctx.read::<Vec<u8>>(key)?.cloned() else {
        return Ok(Reply::Nil);
    };
    if let Some(deadline) = deadline {
        let (at, now) = (deadline.at("getex", ctx.now())?, ctx.now());
        if at <= now {
            ctx.remove(key);
        } else {
            ctx.set_expiry(key, at);
        }
    } else if persists && ctx.peek(key).is_some_and(|entry| entry.expires != NEVER) {
        ctx.set_expiry(key, NEVER);
    }
    Ok(Reply::Bulk(value))
}

fn mget(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    // A key of another type reads as absent.
    let values = args.tail(1).iter().map(|key| match ctx.read::<Vec<u8>>(key) {
        Ok(value) => Reply::bulk_or_nil(value),
        Err(_wrong_type) => Reply::Nil,
    });
    Ok(Reply::Array(values.collect()))
}

fn mset(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len().is_multiple_of(2) {
        return Err(Fault::arity("mset"));
    }
    set_pairs(ctx, args);
    Ok(Reply::OK)
}

fn msetnx(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len().is_multiple_of(2) {
        return Err(Fault::arity("msetnx"));
    }
    if args.tail(1).iter().step_by(2).any(|key| ctx.exists(key)) {
        return Ok(Reply::Int(0));
    }
    set_pairs(ctx, args);
    Ok(Reply::Int(1))
}

fn set_pairs(ctx: &mut Ctx<'_>, args: Args<'_>) {
    for pair in args.tail(1).chunks_exact(2) {
        if let [key, value] = pair {
            ctx.put(key, Value::String(value.to_vec()));
        }
    }
}

fn append(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, more) = (args.at(1), args.at(2));
    let length = ctx.read::<Vec<u8>>(key)?.map_or(0, Vec::len);
    if length.saturating_add(more.len()) > LONGEST {
        return Err(TOO_LONG);
    }
    let value = ctx.create::<Vec<u8>>(key)?;
    let end = value.len();
    value.extend_from_slice(more);
    let length = value.len();
    ctx.touched_bytes(key, end..length);
    Ok(Reply::count(length))
}

fn strlen(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    Ok(Reply::count(ctx.read::<Vec<u8>>(args.at(1))?.map_or(0, Vec::len)))
}

fn getrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(value) = ctx.read::<Vec<u8>>(args.at(1))? else {
        return Ok(Reply::bulk(""));
    };
    // Two ends before the beginning, in the wrong order, are nothing; otherwise ends are clamped one by one.
    if start < 0 && stop < 0 && start > stop {
        return Ok(Reply::bulk(""));
    }
    let length = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let stop = if stop < 0 {
        stop.saturating_add(length).max(0)
    } else {
        stop
    };
    Ok(Reply::bulk(
        value.get(span(start, stop, value.len())).unwrap_or_default(),
    ))
}

fn setrange(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, part) = (args.at(1), args.at(3));
    let offset = usize::try_from(args.int(2)?).map_err(|_| Fault::of("ERR offset is out of range"))?;
    let length = ctx.read::<Vec<u8>>(key)?.map_or(0, Vec::len);
    if part.is_empty() {
        return Ok(Reply::count(length));
    }
    let end = offset.saturating_add(part.len());
    if end > LONGEST {
        return Err(TOO_LONG);
    }
    let value = ctx.create::<Vec<u8>>(key)?;
    if value.len() < end {
        value.resize(end, 0);
    }
    if let Some(place) = value.get_mut(offset..end) {
        place.copy_from_slice(part);
    }
    let length = value.len();
    ctx.touched_bytes(key, offset..end);
    Ok(Reply::count(length))
}

fn incr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    add(ctx, args.at(1), 1)
}

fn decr(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    add(ctx, args.at(1), -1)
}

fn incrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let step = args.int(2)?;
    add(ctx, args.at(1), step)
}

fn decrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let step = args
        .int(2)?
        .checked_neg()
        .ok_or(Fault::of("ERR decrement would overflow"))?;
    add(ctx, args.at(1), step)
}

fn add(ctx: &mut Ctx<'_>, key: &[u8], step: i64) -> Answer {
    let number = match ctx.read::<Vec<u8>>(key)? {
        Some(value) => arguments::int(value)?,
        None => 0,
    };
    let sum = number
        .checked_add(step)
        .ok_or(Fault::of("ERR increment or decrement would overflow"))?;
    let value = ctx.create::<Vec<u8>>(key)?;
    value.clear();
    value.extend_from_slice(itoa::Buffer::new().format(sum).as_bytes());
    ctx.touched(key);
    Ok(Reply::Int(sum))
}

fn incrbyfloat(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let old = ctx.read::<Vec<u8>>(key)?.map_or(&b"0"[..], Vec::as_slice);
    let sum = long_double::sum(old, args.at(2))?;
    let value = ctx.create::<Vec<u8>>(key)?;
    value.clear();
    value.extend_from_slice(sum.as_bytes());
    ctx.touched(key);
    Ok(Reply::bulk(sum))
}

#[cfg(test)]
mod tests {
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn a_value_is_read_back_until_it_expires() {
        let session = Session::new();
        assert_eq!(session.ask("SET greeting hello PX 100"), Reply::OK);
        assert_eq!(session.ask("GET greeting"), Reply::bulk("hello"));
        session.advance(99);
        assert_eq!(session.ask("PTTL greeting"), Reply::Int(1));
        session.advance(1);
        assert_eq!(session.ask("GET greeting"), Reply::Nil);
    }
}
