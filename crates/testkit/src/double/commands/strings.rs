//! Commands on strings.

use crate::double::arguments::{Arguments, canonical_integer, integer};
use crate::double::keyspace::{Entry, Keyspace, Value};
use crate::double::reply::{Outcome, Refusal, Reply};

pub(super) fn get(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::bulk_or_nil(
        keyspace.get::<Vec<u8>>(&arguments[1])?.map(|text| &*text),
    ))
}

/// A key of another type reads as missing, as in Redis.
pub(super) fn mget(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut replies = Vec::with_capacity(arguments.len() - 1);
    for key in &arguments[1..] {
        let text = keyspace.get::<Vec<u8>>(key).unwrap_or_default();
        replies.push(Reply::bulk_or_nil(text.map(|text| &*text)));
    }
    Ok(Reply::Array(replies))
}

#[derive(Default)]
struct SetOptions {
    only_new: bool,
    only_existing: bool,
    returns_old: bool,
    keeps_expiry: bool,
    expires_at: Option<i64>,
}

impl SetOptions {
    fn read(mut arguments: Arguments<'_>, now_ms: i64) -> Result<Self, Refusal> {
        let mut options = Self::default();
        while !arguments.is_empty() {
            if !options.only_existing && arguments.take("NX") {
                options.only_new = true;
            } else if !options.only_new && arguments.take("XX") {
                options.only_existing = true;
            } else if arguments.take("GET") {
                options.returns_old = true;
            } else if options.expires_at.is_none() && arguments.take("KEEPTTL") {
                options.keeps_expiry = true;
            } else if options.may_expire() && arguments.take("EX") {
                options.expires_at = Some(expiry(&mut arguments, 1_000, now_ms)?);
            } else if options.may_expire() && arguments.take("PX") {
                options.expires_at = Some(expiry(&mut arguments, 1, now_ms)?);
            } else if options.may_expire() && arguments.take("EXAT") {
                options.expires_at = Some(expiry(&mut arguments, 1_000, 0)?);
            } else if options.may_expire() && arguments.take("PXAT") {
                options.expires_at = Some(expiry(&mut arguments, 1, 0)?);
            } else {
                return Err(Refusal::syntax());
            }
        }
        Ok(options)
    }

    fn may_expire(&self) -> bool {
        !self.keeps_expiry && self.expires_at.is_none()
    }
}

fn expiry(arguments: &mut Arguments<'_>, unit_ms: i64, base_ms: i64) -> Result<i64, Refusal> {
    let amount = arguments.next_integer()?;
    let at = if amount > 0 {
        amount.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms))
    } else {
        None
    };
    at.ok_or_else(|| Refusal::err("invalid expire time in 'set' command"))
}

pub(super) fn set(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let (key, text) = (rest.next()?, rest.next()?);
    let options = SetOptions::read(rest, keyspace.now_ms())?;
    let old = if options.returns_old {
        Reply::bulk_or_nil(keyspace.get::<Vec<u8>>(key)?.map(|text| &*text))
    } else {
        Reply::Nil
    };
    let current = keyspace.entry(key);
    if options.only_new && current.is_some() || options.only_existing && current.is_none() {
        return Ok(old);
    }
    let kept = current
        .and_then(|entry| entry.expires_at)
        .filter(|_| options.keeps_expiry);
    let entry = Entry {
        value: Value::Text(text.clone()),
        expires_at: options.expires_at.or(kept),
    };
    keyspace.insert(key, entry);
    Ok(if options.returns_old { old } else { Reply::ok() })
}

pub(super) fn incr(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    add(keyspace, &arguments[1], 1)
}

pub(super) fn decr(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    add(keyspace, &arguments[1], -1)
}

pub(super) fn incr_by(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let by = integer(&arguments[2])?;
    add(keyspace, &arguments[1], by)
}

fn add(keyspace: &mut Keyspace, key: &[u8], by: i64) -> Outcome {
    let current = match keyspace.get::<Vec<u8>>(key)? {
        None => 0,
        Some(text) => canonical_integer(text).ok_or_else(Refusal::not_an_integer)?,
    };
    let sum = current
        .checked_add(by)
        .ok_or_else(|| Refusal::err("increment or decrement would overflow"))?;
    // The key keeps its expiry.
    *keyspace.get_or_create::<Vec<u8>>(key)? = sum.to_string().into_bytes();
    Ok(Reply::Integer(sum))
}
