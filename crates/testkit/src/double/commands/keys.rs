//! Commands on keys of any type: existence, names and expiry.

use crate::double::arguments::{Arguments, integer};
use crate::double::glob;
use crate::double::keyspace::Keyspace;
use crate::double::reply::{Outcome, Refusal, Reply};

pub(super) fn exists(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        arguments[1..]
            .iter()
            .filter(|key| keyspace.entry(key).is_some())
            .count(),
    ))
}

pub(super) fn delete(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        arguments[1..]
            .iter()
            .filter_map(|key| keyspace.remove(key))
            .count(),
    ))
}

pub(super) fn type_of(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let name = keyspace
        .entry(&arguments[1])
        .map_or("none", |entry| entry.value.type_name());
    Ok(Reply::Status(name.to_owned()))
}

pub(super) fn rename(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let entry = keyspace
        .remove(&arguments[1])
        .ok_or_else(|| Refusal::err("no such key"))?;
    keyspace.insert(&arguments[2], entry);
    keyspace.has_arrivals = true;
    Ok(Reply::ok())
}

pub(super) fn expire(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    expire_by(keyspace, arguments, 1_000, "expire")
}

pub(super) fn pexpire(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    expire_by(keyspace, arguments, 1, "pexpire")
}

fn expire_by(keyspace: &mut Keyspace, arguments: &[Vec<u8>], unit_ms: i64, name: &str) -> Outcome {
    let invalid = || Refusal::err(format!("invalid expire time in '{name}' command"));
    let duration = integer(&arguments[2])?.checked_mul(unit_ms).ok_or_else(invalid)?;
    let at = keyspace.now_ms().checked_add(duration).ok_or_else(invalid)?;
    let conditions = Conditions::read(&arguments[3..])?;
    let now = keyspace.now_ms();
    let Some(entry) = keyspace.entry(&arguments[1]) else {
        return Ok(Reply::flag(false));
    };
    if !conditions.allow(entry.expires_at, at) {
        return Ok(Reply::flag(false));
    }
    entry.expires_at = Some(at);
    if at <= now {
        keyspace.remove(&arguments[1]);
    }
    Ok(Reply::flag(true))
}

/// The options NX, XX, GT and LT of EXPIRE.
#[derive(Default)]
struct Conditions {
    only_without: bool,
    only_with: bool,
    only_later: bool,
    only_sooner: bool,
}

impl Conditions {
    fn read(options: &[Vec<u8>]) -> Result<Self, Refusal> {
        let mut conditions = Self::default();
        for option in options {
            match option.to_ascii_uppercase().as_slice() {
                b"NX" => conditions.only_without = true,
                b"XX" => conditions.only_with = true,
                b"GT" => conditions.only_later = true,
                b"LT" => conditions.only_sooner = true,
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Err(Refusal::err(format!("Unsupported option {option}")));
                }
            }
        }
        let bounds = conditions.only_with || conditions.only_later || conditions.only_sooner;
        if conditions.only_without && bounds {
            return Err(Refusal::err(
                "NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.only_later && conditions.only_sooner {
            return Err(Refusal::err(
                "GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// A key without expiry counts as expiring never.
    fn allow(&self, current: Option<i64>, new: i64) -> bool {
        let current_end = current.unwrap_or(i64::MAX);
        !(self.only_without && current.is_some()
            || self.only_with && current.is_none()
            || self.only_later && new <= current_end
            || self.only_sooner && new >= current_end)
    }
}

pub(super) fn persist(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let had_expiry = keyspace
        .entry(&arguments[1])
        .and_then(|entry| entry.expires_at.take())
        .is_some();
    Ok(Reply::flag(had_expiry))
}

pub(super) fn pttl(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::Integer(remaining_ms(keyspace, &arguments[1])))
}

pub(super) fn ttl(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let remaining = remaining_ms(keyspace, &arguments[1]);
    Ok(Reply::Integer(if remaining < 0 {
        remaining
    } else {
        (remaining + 500) / 1_000
    }))
}

/// -2 without the key, -1 without expiry.
fn remaining_ms(keyspace: &mut Keyspace, key: &[u8]) -> i64 {
    let now = keyspace.now_ms();
    match keyspace.entry(key) {
        None => -2,
        Some(entry) => entry.expires_at.map_or(-1, |at| at - now),
    }
}

pub(super) fn keys(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let pattern = Arguments::of(arguments).next()?;
    Ok(Reply::bulks(
        keyspace
            .live()
            .map(|(key, _)| key)
            .filter(|key| glob::matches(pattern, key)),
    ))
}
