//! XINFO: what a stream, its groups and their consumers are like.
//!
//! Next: `keyspace/stream/lag.rs` (how far a group is behind).

use super::{entry_reply, id_reply, natural, no_group, signed, subcommand_syntax};
use crate::arguments::{Args, int, is};
use crate::commands::{Subcommand, help};
use crate::context::Ctx;
use crate::keyspace::stream::{Consumer, Group, Log, Stream, StreamId};
use crate::reply::{Answer, Fault, Reply};

const HELP: &[&str] = &[
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];

/// Entries and pending entries that FULL shows unless told otherwise.
const DEFAULT_COUNT: usize = 10;

pub(super) const SUBCOMMANDS: &[Subcommand] = &[("stream", -3), ("groups", 3), ("consumers", 4), ("help", 2)];

pub(super) fn xinfo(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "STREAM") => stream(ctx, args),
        verb if is(verb, "GROUPS") => groups(ctx, args),
        verb if is(verb, "CONSUMERS") => consumers(ctx, args),
        _ => Ok(help(HELP)),
    }
}

fn map<const N: usize>(members: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(
        members
            .into_iter()
            .map(|(name, value)| (Reply::bulk(name), value))
            .collect(),
    )
}

fn stream(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let stream = ctx.read::<Stream>(args.at(2))?.ok_or(Fault::NO_SUCH_KEY)?;
    let syntax = || subcommand_syntax("XINFO", args.at(1));
    let count = match args.tail(3) {
        [] => return Ok(summary(stream)),
        [full, ..] if !is(full, "FULL") => return Err(syntax()),
        [_] => DEFAULT_COUNT,
        [_, word, number] if is(word, "COUNT") => match int(number)? {
            0 => usize::MAX,
            number if number < 0 => DEFAULT_COUNT,
            number => natural(number),
        },
        _ => return Err(syntax()),
    };
    Ok(full(stream, count))
}

/// What both forms of XINFO STREAM begin with.
fn head(log: &Log) -> [(&'static str, Reply); 7] {
    let (meta, (keys, nodes)) = (log.meta(), log.tree_size());
    [
        ("length", Reply::count(log.len())),
        ("radix-tree-keys", Reply::count(keys)),
        ("radix-tree-nodes", Reply::count(nodes)),
        ("last-generated-id", id_reply(meta.last_id)),
        ("max-deleted-entry-id", id_reply(meta.max_deleted)),
        ("entries-added", Reply::Int(meta.entries_added.cast_signed())),
        ("recorded-first-entry-id", id_reply(log.first_id())),
    ]
}

fn with_head(log: &Log, rest: impl IntoIterator<Item = (&'static str, Reply)>) -> Reply {
    let members = head(log).into_iter().chain(rest);
    Reply::Map(members.map(|(name, value)| (Reply::bulk(name), value)).collect())
}

fn summary(stream: &Stream) -> Reply {
    let log = stream.log();
    let first = log.range(StreamId::MIN, StreamId::MAX).next();
    let last = log.range_reversed(StreamId::MIN, StreamId::MAX).next();
    with_head(
        log,
        [
            ("groups", Reply::count(stream.groups().len())),
            (
                "first-entry",
                first.map_or(Reply::Nil, |entry| entry_reply(&entry)),
            ),
            ("last-entry", last.map_or(Reply::Nil, |entry| entry_reply(&entry))),
        ],
    )
}

fn full(stream: &Stream, count: usize) -> Reply {
    let log = stream.log();
    let entries = log.range(StreamId::MIN, StreamId::MAX).take(count);
    let entries = entries.map(|entry| entry_reply(&entry)).collect();
    let groups = stream
        .groups()
        .iter()
        .map(|(name, group)| full_group(name, group, log, count))
        .collect();
    with_head(
        log,
        [
            ("entries", Reply::Array(entries)),
            ("groups", Reply::Array(groups)),
        ],
    )
}

fn full_group(name: &[u8], group: &Group, log: &Log, count: usize) -> Reply {
    let owner = |pending: &crate::keyspace::stream::Pending| {
        let consumer = group.consumers().get(pending.consumer);
        consumer.map_or(Reply::Nil, |consumer| Reply::bulk(consumer.name()))
    };
    let pending = group
        .pending_range(StreamId::MIN, StreamId::MAX)
        .take(count)
        .map(|(id, pending)| {
            Reply::Array(vec![
                id_reply(id),
                owner(pending),
                Reply::Int(pending.delivered_at),
                Reply::Int(pending.deliveries.cast_signed()),
            ])
        });
    let consumers = group
        .consumers()
        .iter()
        .map(|consumer| full_consumer(consumer, group, count));
    map([
        ("name", Reply::bulk(name)),
        ("last-delivered-id", id_reply(group.last_delivered())),
        ("entries-read", entries_read(group)),
        ("lag", group.lag(log).map_or(Reply::Nil, Reply::Int)),
        ("pel-count", Reply::count(group.pending_len())),
        ("pending", Reply::Array(pending.collect())),
        ("consumers", Reply::Array(consumers.collect())),
    ])
}

fn full_consumer(consumer: &Consumer, group: &Group, count: usize) -> Reply {
    let held = consumer
        .pending()
        .iter()
        .take(count)
        .filter_map(|id| Some((*id, group.pending(*id)?)));
    let pending = held.map(|(id, pending)| {
        Reply::Array(vec![
            id_reply(id),
            Reply::Int(pending.delivered_at),
            Reply::Int(pending.deliveries.cast_signed()),
        ])
    });
    map([
        ("name", Reply::bulk(consumer.name())),
        ("seen-time", Reply::Int(consumer.seen_at())),
        ("pel-count", Reply::count(consumer.pending().len())),
        ("pending", Reply::Array(pending.collect())),
    ])
}

fn entries_read(group: &Group) -> Reply {
    group
        .entries_read()
        .map_or(Reply::Nil, |read| Reply::Int(read.cast_signed()))
}

fn groups(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let stream = ctx.read::<Stream>(args.at(2))?.ok_or(Fault::NO_SUCH_KEY)?;
    let shown = stream.groups().iter().map(|(name, group)| {
        map([
            ("name", Reply::bulk(name)),
            ("consumers", Reply::count(group.consumers().len())),
            ("pending", Reply::count(group.pending_len())),
            ("last-delivered-id", id_reply(group.last_delivered())),
            ("entries-read", entries_read(group)),
            ("lag", group.lag(stream.log()).map_or(Reply::Nil, Reply::Int)),
        ])
    });
    Ok(Reply::Array(shown.collect()))
}

fn consumers(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, name, now) = (args.at(2), args.at(3), signed(ctx.now()));
    let stream = ctx.read::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    let group = stream.groups().get(name).ok_or_else(|| no_group(key, name))?;
    let shown = group.consumers().iter().map(|consumer| {
        map([
            ("name", Reply::bulk(consumer.name())),
            ("pending", Reply::count(consumer.pending().len())),
            ("idle", Reply::Int(now.saturating_sub(consumer.seen_at()).max(0))),
        ])
    });
    Ok(Reply::Array(shown.collect()))
}
