//! Commands that change sorted sets.

use super::limit;
use crate::double::arguments::{Arguments, float, integer, span};
use crate::double::keyspace::Keyspace;
use crate::double::number;
use crate::double::reply::{Outcome, Refusal, Reply};
use crate::double::sorted_set::SortedSet;

#[derive(Default)]
struct AddOptions {
    only_new: bool,
    only_existing: bool,
    only_greater: bool,
    only_less: bool,
    counts_changed: bool,
}

impl AddOptions {
    fn read(arguments: &mut Arguments<'_>) -> Self {
        let mut options = Self::default();
        loop {
            if arguments.take("NX") {
                options.only_new = true;
            } else if arguments.take("XX") {
                options.only_existing = true;
            } else if arguments.take("GT") {
                options.only_greater = true;
            } else if arguments.take("LT") {
                options.only_less = true;
            } else if arguments.take("CH") {
                options.counts_changed = true;
            } else {
                return options;
            }
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.only_new && self.only_existing {
            return Err(Refusal::err(
                "XX and NX options at the same time are not compatible",
            ));
        }
        let bounds = [self.only_new, self.only_greater, self.only_less];
        if bounds.iter().filter(|is_set| **is_set).count() > 1 {
            return Err(Refusal::err(
                "GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        Ok(())
    }

    fn allow(&self, current: Option<f64>, new: f64) -> bool {
        match current {
            None => !self.only_existing,
            Some(current) => {
                !(self.only_new || self.only_greater && new <= current || self.only_less && new >= current)
            }
        }
    }
}

pub(in crate::double::commands) fn zadd(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let key = rest.next()?;
    let options = AddOptions::read(&mut rest);
    let pairs = rest
        .pairs()
        .filter(|_| !rest.is_empty())
        .ok_or_else(Refusal::syntax)?;
    options.check()?;
    let mut members = Vec::new();
    for (score, member) in pairs {
        members.push((float(score, "value is not a valid float")?, member));
    }
    if options.only_existing && keyspace.get::<SortedSet>(key)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let set = keyspace.get_or_create::<SortedSet>(key)?;
    let (mut added, mut changed) = (0, 0);
    for (score, member) in members {
        let current = set.score(member);
        if options.allow(current, score) {
            added += usize::from(current.is_none());
            changed += usize::from(current != Some(score));
            set.insert(member, score);
        }
    }
    keyspace.remove_if_empty(key);
    keyspace.has_arrivals |= added > 0;
    Ok(Reply::count(if options.counts_changed { changed } else { added }))
}

pub(in crate::double::commands) fn zrem(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    remove(keyspace, &arguments[1], |_| arguments[2..].to_vec())
}

pub(in crate::double::commands) fn zremrangebyscore(
    keyspace: &mut Keyspace,
    arguments: &[Vec<u8>],
) -> Outcome {
    let (low, high) = (limit(&arguments[2])?, limit(&arguments[3])?);
    remove(keyspace, &arguments[1], |set| {
        set.between(low, high).map(|(member, _)| member.clone()).collect()
    })
}

pub(in crate::double::commands) fn zremrangebyrank(
    keyspace: &mut Keyspace,
    arguments: &[Vec<u8>],
) -> Outcome {
    let (start, stop) = (integer(&arguments[2])?, integer(&arguments[3])?);
    remove(keyspace, &arguments[1], |set| {
        let span = span(start, stop, set.len());
        set.ascending()
            .skip(span.start)
            .take(span.len())
            .map(|(member, _)| member.clone())
            .collect()
    })
}

/// Removes the chosen members and counts those that were there.
fn remove(keyspace: &mut Keyspace, key: &[u8], choose: impl FnOnce(&SortedSet) -> Vec<Vec<u8>>) -> Outcome {
    let Some(set) = keyspace.get::<SortedSet>(key)? else {
        return Ok(Reply::Integer(0));
    };
    let removed = choose(set).iter().filter(|member| set.remove(member)).count();
    keyspace.remove_if_empty(key);
    Ok(Reply::count(removed))
}

pub(in crate::double::commands) fn zpopmin(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let count = match arguments {
        [_, _] => 1,
        [_, _, count] => {
            let count = integer(count).ok().and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| Refusal::err("value is out of range, must be positive"))?
        }
        _ => return Err(Refusal::syntax()),
    };
    let mut reply = Vec::new();
    for _ in 0..count {
        let Some((member, score)) = pop(keyspace, &arguments[1])? else {
            break;
        };
        reply.extend([Reply::Bulk(member), Reply::Bulk(number::score(score))]);
    }
    Ok(Reply::Array(reply))
}

/// Takes from the first key that has something, without waiting; waiting is the connection's business.
pub(in crate::double::commands) fn bzpopmin(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (timeout, keys) = arguments[1..].split_last().ok_or_else(Refusal::syntax)?;
    let timeout = float(timeout, "timeout is not a float or out of range")?;
    if timeout < 0.0 {
        return Err(Refusal::err("timeout is negative"));
    }
    for key in keys {
        if let Some((member, score)) = pop(keyspace, key)? {
            let reply = [
                Reply::bulk(key.clone()),
                Reply::Bulk(member),
                Reply::Bulk(number::score(score)),
            ];
            return Ok(Reply::Array(reply.into()));
        }
    }
    Ok(Reply::Nil)
}

fn pop(keyspace: &mut Keyspace, key: &[u8]) -> Result<Option<(Vec<u8>, f64)>, Refusal> {
    let Some(set) = keyspace.get::<SortedSet>(key)? else {
        return Ok(None);
    };
    let lowest = set
        .ascending()
        .next()
        .map(|(member, score)| (member.clone(), score));
    if let Some((member, _)) = &lowest {
        set.remove(member);
    }
    keyspace.remove_if_empty(key);
    Ok(lowest)
}
