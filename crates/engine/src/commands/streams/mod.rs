//! Streams: appending, reading, and groups of consumers.
//!
//! Errors come in Redis's order: some commands look at the key before they read their ids, some after.
//! What only concerns groups is `noted`, not `touched`: a client that watches or tracks a stream is not told that
//! somebody has read from it.
//! Next: `add.rs`, `range.rs`, `read.rs`, `group.rs`, `pending.rs`, `claim.rs`, `info.rs`.

mod add;
mod claim;
mod group;
mod info;
mod pending;
mod range;
mod read;
mod remove;
#[cfg(test)]
mod tests;
mod trim;
mod waiting;

use super::{Command, Keys, flag};
use crate::keyspace::stream::{Entry, StreamId};
use crate::reply::{Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("xadd", -5, add::xadd).grows().fast().key(),
    Command::write("xtrim", -4, trim::xtrim).key(),
    Command::write("xdel", -3, remove::xdel).fast().key(),
    Command::write("xsetid", -3, add::xsetid).grows().fast().key(),
    Command::read("xlen", 2, range::xlen).fast().key(),
    Command::read("xrange", -4, range::xrange).key(),
    Command::read("xrevrange", -4, range::xrevrange).key(),
    Command::read("xread", -4, read::xread)
        .with(flag::BLOCKING)
        .keys_at(Keys::Streams),
    Command::write("xreadgroup", -7, read::xreadgroup)
        .with(flag::BLOCKING)
        .keys_at(Keys::Streams),
    Command::write("xgroup", -2, group::xgroup)
        .keys(2, 2, 1)
        .subcommands(group::SUBCOMMANDS),
    Command::write("xack", -4, pending::xack).fast().key(),
    Command::read("xpending", -3, pending::xpending).key(),
    Command::write("xclaim", -6, claim::xclaim).fast().key(),
    Command::write("xautoclaim", -6, claim::xautoclaim).fast().key(),
    Command::read("xinfo", -2, info::xinfo)
        .keys(2, 2, 1)
        .subcommands(info::SUBCOMMANDS),
];

const INVALID_ID: Fault = Fault::of("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: Fault = Fault::of("ERR invalid start ID for the interval");
const INVALID_END: Fault = Fault::of("ERR invalid end ID for the interval");

/// An id in full; the sequence is 0 where it is left out.
fn id(argument: &[u8]) -> Result<StreamId, Fault> {
    StreamId::parse(argument, 0).ok_or(INVALID_ID)
}

/// Several of them.
fn ids(arguments: &[&[u8]]) -> Result<Vec<StreamId>, Fault> {
    arguments.iter().map(|argument| id(argument)).collect()
}

/// The first id of a range: `-`, `5`, `5-1`, or `(5-1` for the one after it.
fn first_of_range(argument: &[u8]) -> Result<StreamId, Fault> {
    match exclusive(argument) {
        Some(excluded) => id(excluded)?.next().ok_or(INVALID_START),
        None => StreamId::parse_bound(argument, 0).ok_or(INVALID_ID),
    }
}

/// The last id of a range.
fn last_of_range(argument: &[u8]) -> Result<StreamId, Fault> {
    match exclusive(argument) {
        Some(excluded) => {
            let excluded = StreamId::parse(excluded, u64::MAX).ok_or(INVALID_ID)?;
            excluded.previous().ok_or(INVALID_END)
        }
        None => StreamId::parse_bound(argument, u64::MAX).ok_or(INVALID_ID),
    }
}

fn exclusive(argument: &[u8]) -> Option<&[u8]> {
    argument.strip_prefix(b"(").filter(|id| !id.is_empty())
}

/// A count of which everything below zero means zero.
fn natural(number: i64) -> usize {
    usize::try_from(number.max(0)).unwrap_or(usize::MAX)
}

fn id_reply(id: StreamId) -> Reply {
    Reply::Bulk(id.to_bytes())
}

/// The id and the fields of an entry.
fn entry_reply(entry: &Entry<'_>) -> Reply {
    let mut fields = Vec::with_capacity(2 * entry.field_count());
    for (name, value) in entry.fields() {
        fields.push(Reply::bulk(name));
        fields.push(Reply::bulk(value));
    }
    Reply::Array(vec![id_reply(entry.id()), Reply::Array(fields)])
}

/// Milliseconds as groups keep them.
fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// How a name looks in an error: on one line, and no longer than C sees it.
fn shown(name: &[u8]) -> String {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).replace(['\r', '\n'], " ")
}

/// Neither the key nor the group was found.
fn no_key_or_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::new(format!(
        "NOGROUP No such key '{}' or consumer group '{}'",
        shown(key),
        shown(group)
    ))
}

/// The key was found, the group was not.
fn no_group(key: &[u8], group: &[u8]) -> Fault {
    Fault::new(format!(
        "NOGROUP No such consumer group '{}' for key name '{}'",
        shown(group),
        shown(key)
    ))
}

/// A subcommand with options that make no sense.
fn subcommand_syntax(command: &str, verb: &[u8]) -> Fault {
    let verb = shown(verb.get(..128).unwrap_or(verb));
    Fault::err(format!(
        "unknown subcommand or wrong number of arguments for '{verb}'. Try {command} HELP."
    ))
}
