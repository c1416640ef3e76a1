//! Commands on hashes.

use crate::double::arguments::{Arguments, canonical_integer, integer};
use crate::double::keyspace::{Hash, Keyspace};
use crate::double::reply::{Outcome, Refusal, Reply};

pub(super) fn hset(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    write(keyspace, arguments, "hset").map(Reply::count)
}

pub(super) fn hmset(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    write(keyspace, arguments, "hmset").map(|_| Reply::ok())
}

/// Sets the fields and counts the new ones.
fn write(keyspace: &mut Keyspace, arguments: &[Vec<u8>], name: &str) -> Result<usize, Refusal> {
    let mut rest = Arguments::of(arguments);
    let key = rest.next()?;
    let pairs = rest.pairs().ok_or_else(|| Refusal::wrong_arity(name))?;
    let hash = keyspace.get_or_create::<Hash>(key)?;
    Ok(pairs
        .filter(|(field, value)| hash.insert((*field).clone(), (*value).clone()).is_none())
        .count())
}

pub(super) fn hget(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let hash = keyspace.get::<Hash>(&arguments[1])?;
    Ok(Reply::bulk_or_nil(hash.and_then(|hash| hash.get(&arguments[2]))))
}

pub(super) fn hmget(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let hash = keyspace.get::<Hash>(&arguments[1])?.map(|hash| &*hash);
    let value = |field: &Vec<u8>| Reply::bulk_or_nil(hash.and_then(|hash| hash.get(field)));
    Ok(Reply::Array(arguments[2..].iter().map(value).collect()))
}

pub(super) fn hgetall(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let hash = keyspace.get::<Hash>(&arguments[1])?;
    Ok(Reply::bulks(
        hash.into_iter()
            .flat_map(|hash| hash.iter())
            .flat_map(|(field, value)| [field, value]),
    ))
}

pub(super) fn hdel(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let Some(hash) = keyspace.get::<Hash>(&arguments[1])? else {
        return Ok(Reply::Integer(0));
    };
    let removed = arguments[2..]
        .iter()
        .filter_map(|field| hash.remove(field))
        .count();
    keyspace.remove_if_empty(&arguments[1]);
    Ok(Reply::count(removed))
}

pub(super) fn hexists(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let hash = keyspace.get::<Hash>(&arguments[1])?;
    Ok(Reply::flag(
        hash.is_some_and(|hash| hash.contains_key(&arguments[2])),
    ))
}

pub(super) fn hincrby(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let by = integer(&arguments[3])?;
    let field = &arguments[2];
    let current = match keyspace
        .get::<Hash>(&arguments[1])?
        .and_then(|hash| hash.get(field))
    {
        None => 0,
        Some(text) => canonical_integer(text).ok_or_else(|| Refusal::err("hash value is not an integer"))?,
    };
    let sum = current
        .checked_add(by)
        .ok_or_else(|| Refusal::err("increment or decrement would overflow"))?;
    keyspace
        .get_or_create::<Hash>(&arguments[1])?
        .insert(field.clone(), sum.to_string().into_bytes());
    Ok(Reply::Integer(sum))
}

pub(super) fn hlen(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        keyspace.get::<Hash>(&arguments[1])?.map_or(0, |hash| hash.len()),
    ))
}
