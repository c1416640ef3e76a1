//! Commands on sets.

use crate::double::keyspace::{Keyspace, Set};
use crate::double::reply::{Outcome, Reply};

pub(super) fn sadd(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let set = keyspace.get_or_create::<Set>(&arguments[1])?;
    Ok(Reply::count(
        arguments[2..]
            .iter()
            .filter(|member| set.insert((*member).clone()))
            .count(),
    ))
}

pub(super) fn srem(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let Some(set) = keyspace.get::<Set>(&arguments[1])? else {
        return Ok(Reply::Integer(0));
    };
    let removed = arguments[2..].iter().filter(|member| set.remove(*member)).count();
    keyspace.remove_if_empty(&arguments[1]);
    Ok(Reply::count(removed))
}

pub(super) fn smembers(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::bulks(
        keyspace
            .get::<Set>(&arguments[1])?
            .into_iter()
            .flat_map(|set| set.iter()),
    ))
}

pub(super) fn scard(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        keyspace.get::<Set>(&arguments[1])?.map_or(0, |set| set.len()),
    ))
}

pub(super) fn sismember(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let set = keyspace.get::<Set>(&arguments[1])?;
    Ok(Reply::flag(set.is_some_and(|set| set.contains(&arguments[2]))))
}
