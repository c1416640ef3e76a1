//! Commands on lists.

use crate::double::arguments::{Arguments, integer, is, span};
use crate::double::keyspace::{Keyspace, List};
use crate::double::reply::{Outcome, Refusal, Reply};

#[derive(Clone, Copy, PartialEq)]
enum End {
    Left,
    Right,
}

impl End {
    fn parse(argument: &[u8]) -> Result<Self, Refusal> {
        match () {
            () if is(argument, "LEFT") => Ok(Self::Left),
            () if is(argument, "RIGHT") => Ok(Self::Right),
            () => Err(Refusal::syntax()),
        }
    }

    fn push(self, list: &mut List, element: Vec<u8>) {
        match self {
            Self::Left => list.push_front(element),
            Self::Right => list.push_back(element),
        }
    }

    fn pop(self, list: &mut List) -> Option<Vec<u8>> {
        match self {
            Self::Left => list.pop_front(),
            Self::Right => list.pop_back(),
        }
    }
}

pub(super) fn lpush(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    push(keyspace, arguments, End::Left)
}

pub(super) fn rpush(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    push(keyspace, arguments, End::Right)
}

fn push(keyspace: &mut Keyspace, arguments: &[Vec<u8>], end: End) -> Outcome {
    let list = keyspace.get_or_create::<List>(&arguments[1])?;
    for element in &arguments[2..] {
        end.push(list, element.clone());
    }
    Ok(Reply::count(list.len()))
}

pub(super) fn lpop(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    pop(keyspace, arguments, End::Left, "lpop")
}

pub(super) fn rpop(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    pop(keyspace, arguments, End::Right, "rpop")
}

fn pop(keyspace: &mut Keyspace, arguments: &[Vec<u8>], end: End, name: &str) -> Outcome {
    let count = match arguments {
        [_, _] => None,
        [_, _, count] => {
            let count = integer(count).ok().and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or_else(|| Refusal::err("value is out of range, must be positive"))?)
        }
        _ => return Err(Refusal::wrong_arity(name)),
    };
    let Some(list) = keyspace.get::<List>(&arguments[1])? else {
        return Ok(Reply::Nil);
    };
    let reply = match count {
        None => end.pop(list).map_or(Reply::Nil, Reply::Bulk),
        Some(count) => {
            let count = count.min(list.len());
            Reply::Array(
                (0..count)
                    .filter_map(|_| end.pop(list))
                    .map(Reply::Bulk)
                    .collect(),
            )
        }
    };
    keyspace.remove_if_empty(&arguments[1]);
    Ok(reply)
}

pub(super) fn rpoplpush(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    shift(keyspace, arguments, End::Right, End::Left)
}

pub(super) fn lmove(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (from, to) = (End::parse(&arguments[3])?, End::parse(&arguments[4])?);
    shift(keyspace, arguments, from, to)
}

fn shift(keyspace: &mut Keyspace, arguments: &[Vec<u8>], from: End, to: End) -> Outcome {
    let (source, target) = (&arguments[1], &arguments[2]);
    if keyspace.get::<List>(source)?.is_none() {
        return Ok(Reply::Nil);
    }
    // The target's type is checked before anything is taken.
    keyspace.get::<List>(target)?;
    let element = keyspace.get::<List>(source)?.and_then(|list| from.pop(list));
    let Some(element) = element else {
        return Ok(Reply::Nil);
    };
    to.push(keyspace.get_or_create::<List>(target)?, element.clone());
    keyspace.remove_if_empty(source);
    Ok(Reply::Bulk(element))
}

pub(super) fn llen(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        keyspace.get::<List>(&arguments[1])?.map_or(0, |list| list.len()),
    ))
}

pub(super) fn lrange(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (start, stop) = (integer(&arguments[2])?, integer(&arguments[3])?);
    let Some(list) = keyspace.get::<List>(&arguments[1])? else {
        return Ok(Reply::Array(Vec::new()));
    };
    Ok(Reply::bulks(list.range(span(start, stop, list.len()))))
}

pub(super) fn lrem(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let count = integer(&arguments[2])?;
    let element = &arguments[3];
    let Some(list) = keyspace.get::<List>(&arguments[1])? else {
        return Ok(Reply::Integer(0));
    };
    let limit = if count == 0 {
        usize::MAX
    } else {
        usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
    };
    let mut positions: Vec<usize> = (0..list.len()).filter(|index| list[*index] == *element).collect();
    if count < 0 {
        positions.reverse();
    }
    positions.truncate(limit);
    // From the end, so that the positions still to come stay right.
    positions.sort_unstable_by(|left, right| right.cmp(left));
    for position in &positions {
        list.remove(*position);
    }
    keyspace.remove_if_empty(&arguments[1]);
    Ok(Reply::count(positions.len()))
}

pub(super) fn ltrim(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (start, stop) = (integer(&arguments[2])?, integer(&arguments[3])?);
    if let Some(list) = keyspace.get::<List>(&arguments[1])? {
        let kept = span(start, stop, list.len());
        list.truncate(kept.end);
        list.drain(..kept.start);
        keyspace.remove_if_empty(&arguments[1]);
    }
    Ok(Reply::ok())
}

pub(super) fn lindex(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let index = integer(&arguments[2])?;
    let list = keyspace.get::<List>(&arguments[1])?;
    Ok(Reply::bulk_or_nil(
        list.and_then(|list| list.get(position(index, list.len())?)),
    ))
}

pub(super) fn lset(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let list = keyspace
        .get::<List>(&arguments[1])?
        .ok_or_else(|| Refusal::err("no such key"))?;
    let index = integer(&arguments[2])?;
    let slot = position(index, list.len()).and_then(|position| list.get_mut(position));
    *slot.ok_or_else(|| Refusal::err("index out of range"))? = arguments[3].clone();
    Ok(Reply::ok())
}

/// An index, counted from the end when negative.
fn position(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index }).ok()
}

pub(super) fn lpos(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let (key, element) = (rest.next()?, rest.next()?);
    let (mut rank, mut count, mut max_length) = (1, None, 0);
    while !rest.is_empty() {
        if rest.take("RANK") {
            rank = rest.next_integer()?;
            if rank == 0 {
                return Err(Refusal::err(
                    "RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                     or use negative to start from the end of the list",
                ));
            }
        } else if rest.take("COUNT") {
            count = Some(not_negative(rest.next_integer()?, "COUNT")?);
        } else if rest.take("MAXLEN") {
            max_length = not_negative(rest.next_integer()?, "MAXLEN")?;
        } else {
            return Err(Refusal::syntax());
        }
    }
    let list = keyspace.get::<List>(key)?.cloned().unwrap_or_default();
    let compared = if max_length == 0 { list.len() } else { max_length };
    let indexes: Box<dyn Iterator<Item = usize>> = if rank > 0 {
        Box::new(0..list.len())
    } else {
        Box::new((0..list.len()).rev())
    };
    let skipped = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let mut found = indexes
        .take(compared)
        .filter(|index| list[*index] == *element)
        .skip(skipped)
        .map(Reply::count);
    Ok(match count {
        None => found.next().unwrap_or(Reply::Nil),
        Some(0) => Reply::Array(found.collect()),
        Some(count) => Reply::Array(found.take(count).collect()),
    })
}

fn not_negative(number: i64, option: &str) -> Result<usize, Refusal> {
    usize::try_from(number).map_err(|_| Refusal::err(format!("{option} can't be negative")))
}
