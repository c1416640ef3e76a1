//! Lists: both ends, positions, values, and waiting for an item.
//!
//! Every command that takes an item comes for both ends; [`End`] is the difference.
//! Next: `push.rs`, `pop.rs` (also waiting), `transfer.rs` (from list to list), `items.rs` (by position and value),
//! `../../keyspace/list/`.

mod items;
mod pop;
mod push;
#[cfg(test)]
mod tests;
mod transfer;

use super::{Command, flag};
use crate::arguments::{self, is};
use crate::keyspace::List;
use crate::reply::Fault;

pub(super) const COMMANDS: &[Command] = &[
    Command::write("lpush", -3, push::lpush).grows().fast().key(),
    Command::write("rpush", -3, push::rpush).grows().fast().key(),
    Command::write("lpushx", -3, push::lpushx).grows().fast().key(),
    Command::write("rpushx", -3, push::rpushx).grows().fast().key(),
    Command::write("lpop", -2, pop::lpop).fast().key(),
    Command::write("rpop", -2, pop::rpop).fast().key(),
    Command::write("lmpop", -4, pop::lmpop).counted_keys(1, 0),
    Command::write("blpop", -3, pop::blpop).with(WAITS).keys(1, -2, 1),
    Command::write("brpop", -3, pop::brpop).with(WAITS).keys(1, -2, 1),
    Command::write("blmpop", -5, pop::blmpop)
        .with(flag::BLOCKING)
        .counted_keys(2, 0),
    Command::write("lmove", 5, transfer::lmove).grows().keys(1, 2, 1),
    Command::write("rpoplpush", 3, transfer::rpoplpush)
        .grows()
        .keys(1, 2, 1),
    Command::write("blmove", 6, transfer::blmove)
        .grows()
        .with(WAITS)
        .keys(1, 2, 1),
    Command::write("brpoplpush", 4, transfer::brpoplpush)
        .grows()
        .with(WAITS)
        .keys(1, 2, 1),
    Command::read("llen", 2, items::llen).fast().key(),
    Command::read("lrange", 4, items::lrange).key(),
    Command::read("lindex", 3, items::lindex).key(),
    Command::read("lpos", -3, items::lpos).key(),
    Command::write("lset", 4, items::lset).grows().key(),
    Command::write("linsert", 5, items::linsert).grows().key(),
    Command::write("lrem", 4, items::lrem).key(),
    Command::write("ltrim", 4, items::ltrim).key(),
];

const WAITS: u16 = flag::BLOCKING | flag::NO_SCRIPT;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl End {
    fn read(word: &[u8]) -> Result<Self, Fault> {
        if is(word, "left") {
            Ok(Self::Left)
        } else if is(word, "right") {
            Ok(Self::Right)
        } else {
            Err(Fault::SYNTAX)
        }
    }

    fn push(self, list: &mut List, value: &[u8]) {
        match self {
            Self::Left => list.push_front(value),
            Self::Right => list.push_back(value),
        }
    }

    fn pop(self, list: &mut List) -> Option<Vec<u8>> {
        match self {
            Self::Left => list.pop_front(),
            Self::Right => list.pop_back(),
        }
    }
}

/// A number of at least `least`; anything else is refused with the same words.
fn at_least(argument: &[u8], least: i64, refusal: Fault) -> Result<usize, Fault> {
    let number = arguments::int(argument).ok().filter(|number| *number >= least);
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or(refusal)
}
