//! XREAD and XREADGROUP: entries after an id, of several streams, if need be of the future.
//!
//! A group's reader asks for what nobody in the group has got (`>`) or for what it holds itself (any other id).
//! Next: `waiting.rs` (when there is nothing yet), `keyspace/stream/lag.rs` (a group's position).

use std::time::Duration;

use super::{entry_reply, id, id_reply, natural, shown, signed, waiting};
use crate::arguments::{Args, Options, int};
use crate::context::{Ctx, Origin, timeout_millis};
use crate::keyspace::stream::{Entry, Pending, Stream, StreamId};
use crate::reply::{Answer, Fault, Reply};

/// Only messages nobody has got yet: the id written `>`.
pub(super) const NEW: StreamId = StreamId::MAX;

/// For whom a group is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub(super) group: &'a [u8],
    pub(super) consumer: &'a [u8],
    /// What is delivered counts as acknowledged.
    pub(super) forgets: bool,
}

/// What stands before the keys.
#[derive(Debug)]
struct Request<'a> {
    /// None: do not wait. Some(None): wait for ever.
    block: Option<Option<Duration>>,
    count: usize,
    reader: Option<Reader<'a>>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

impl<'a> Request<'a> {
    fn read(args: Args<'a>, for_group: bool, in_script: bool) -> Result<Self, Fault> {
        let (mut block, mut count, mut reader, mut forgets) = (None, usize::MAX, None, false);
        let mut options = args.options(1);
        let tail = loop {
            if in_script
                && options.len() > 1
                && options
                    .peek()
                    .is_some_and(|word| crate::arguments::is(word, "BLOCK"))
            {
                let name = if for_group { "xreadgroup" } else { "xread" };
                return Err(Fault::err(format!(
                    "{name} command is not allowed with BLOCK option from scripts"
                )));
            }
            if let Some(millis) = options.take_with_value("BLOCK") {
                block = Some(timeout_millis(millis)?);
            } else if let Some(number) = options.take_with_value("COUNT") {
                count = match natural(int(number)?) {
                    0 => usize::MAX,
                    count => count,
                };
            } else if options.len() > 1 && options.take("STREAMS") {
                break options.rest();
            } else if options.len() > 2 && options.take("GROUP") {
                reader = Some(read_group(&mut options, for_group)?);
            } else if options.take("NOACK") {
                if !for_group {
                    return Err(only_for_groups("NOACK"));
                }
                forgets = true;
            } else {
                return Err(Fault::SYNTAX);
            }
        };
        if !tail.len().is_multiple_of(2) {
            return Err(Fault::of(
                "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            ));
        }
        if for_group && reader.is_none() {
            return Err(Fault::of("ERR Missing GROUP option for XREADGROUP"));
        }
        let reader = reader.map(|reader| Reader { forgets, ..reader });
        let (keys, ids) = tail.split_at_checked(tail.len() / 2).unwrap_or_default();
        Ok(Self {
            block,
            count,
            reader,
            keys,
            ids,
        })
    }
}

fn read_group<'a>(options: &mut Options<'a>, allowed: bool) -> Result<Reader<'a>, Fault> {
    if !allowed {
        return Err(only_for_groups("GROUP"));
    }
    Ok(Reader {
        group: options.next()?,
        consumer: options.next()?,
        forgets: false,
    })
}

fn only_for_groups(option: &str) -> Fault {
    Fault::err(format!(
        "The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}

pub(super) fn xread(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    read(ctx, args, false)
}

pub(super) fn xreadgroup(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    read(ctx, args, true)
}

fn read(ctx: &mut Ctx<'_>, args: Args<'_>, for_group: bool) -> Answer {
    if let Origin::Serve { key } = ctx.origin {
        return waiting::serve(ctx, args, key);
    }
    let request = Request::read(args, for_group, ctx.origin == Origin::Script)?;
    let mut after = Vec::with_capacity(request.ids.len());
    for (key, id) in request.keys.iter().zip(request.ids) {
        after.push(start(ctx, key, id, request.reader)?);
    }
    let mut found = Vec::new();
    for (key, after) in request.keys.iter().zip(&after) {
        let entries = match request.reader {
            None => entries_after(ctx, key, *after, request.count)?,
            Some(reader) if *after == NEW => deliver(ctx, key, reader, request.count)?,
            Some(reader) => Some(history(ctx, key, reader, *after, request.count)?),
        };
        found.extend(entries.map(|entries| (Reply::bulk(key), Reply::Array(entries))));
    }
    if !found.is_empty() {
        return Ok(of_streams(ctx, found));
    }
    let Some(limit) = request.block else {
        return Ok(Reply::NilArray);
    };
    waiting::wait(
        ctx,
        args,
        request.keys,
        &after,
        request.reader,
        request.count,
        limit,
    )
}

/// Streams and their entries: a map in RESP3, an array of pairs in RESP2.
pub(super) fn of_streams(ctx: &Ctx<'_>, found: Vec<(Reply, Reply)>) -> Reply {
    if ctx.is_resp3() {
        return Reply::Map(found);
    }
    Reply::Array(
        found
            .into_iter()
            .map(|(key, entries)| Reply::Array(vec![key, entries]))
            .collect(),
    )
}

/// The id after which a stream is to be read.
fn start(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    argument: &[u8],
    reader: Option<Reader<'_>>,
) -> Result<StreamId, Fault> {
    let stream = ctx.read::<Stream>(key)?;
    if let Some(Reader { group, .. }) = reader
        && stream.is_none_or(|stream| stream.groups().get(group).is_none())
    {
        let (key, group) = (shown(key), shown(group));
        return Err(Fault::new(format!(
            "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
        )));
    }
    match argument {
        b"$" if reader.is_some() => Err(Fault::of(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        b"$" => Ok(stream.map_or(StreamId::MIN, |stream| stream.log().last_id())),
        b">" if reader.is_none() => Err(Fault::of(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        b">" => Ok(NEW),
        argument => id(argument),
    }
}

/// What a stream has after an id; none when there is nothing.
fn entries_after(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    after: StreamId,
    count: usize,
) -> Result<Option<Vec<Reply>>, Fault> {
    let Some(stream) = ctx.read::<Stream>(key)? else {
        return Ok(None);
    };
    if stream.log().last_id() <= after {
        return Ok(None);
    }
    let entries = stream.log().after(after).take(count);
    let entries: Vec<Reply> = entries.map(|entry| entry_reply(&entry)).collect();
    Ok(Some(entries).filter(|entries| !entries.is_empty()))
}

/// Gives a consumer what nobody in its group has got; none when there is nothing.
fn deliver(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    reader: Reader<'_>,
    count: usize,
) -> Result<Option<Vec<Reply>>, Fault> {
    let has_news = match ctx.read::<Stream>(key)? {
        Some(stream) => stream.groups().get(reader.group).is_some_and(|group| {
            let (log, last) = (stream.log(), group.last_delivered());
            log.last_id() > last && log.after(last).next().is_some()
        }),
        None => false,
    };
    if !has_news {
        return Ok(None);
    }
    deliver_new(ctx, key, reader, count).map(Some)
}

/// Delivers what lies after the group's position, be it nothing.
pub(super) fn deliver_new(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    reader: Reader<'_>,
    count: usize,
) -> Result<Vec<Reply>, Fault> {
    let now = signed(ctx.now());
    let Some((mut group, log)) = ctx
        .write::<Stream>(key)?
        .and_then(|stream| stream.group_mut(reader.group))
    else {
        return Ok(Vec::new());
    };
    let consumer = group.seen_consumer(reader.consumer, now);
    let position = group.last_delivered();
    let mut replies = Vec::new();
    for entry in log.after(position).take(count) {
        group.advance(log, entry.id());
        if !reader.forgets {
            group.set_pending(
                entry.id(),
                Pending {
                    consumer,
                    delivered_at: now,
                    deliveries: 1,
                },
            );
        }
        replies.push(entry_reply(&entry));
    }
    drop(group);
    ctx.noted(key);
    Ok(replies)
}

/// What a consumer holds after an id, delivered once more. Of an entry deleted since only the id is left.
fn history(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    reader: Reader<'_>,
    after: StreamId,
    count: usize,
) -> Result<Vec<Reply>, Fault> {
    let now = signed(ctx.now());
    let found = ctx
        .write::<Stream>(key)?
        .and_then(|stream| stream.group_mut(reader.group));
    let (Some((mut group, log)), Some(first)) = (found, after.next()) else {
        return Ok(Vec::new());
    };
    let consumer = group.seen_consumer(reader.consumer, now);
    let held = group
        .consumers()
        .get(consumer)
        .into_iter()
        .flat_map(|consumer| consumer.pending().range(first..));
    let held: Vec<StreamId> = held.take(count).copied().collect();
    let mut replies = Vec::with_capacity(held.len());
    for id in held {
        let entry = log.get(id);
        if let (Some(_), Some(pending)) = (&entry, group.pending(id)) {
            let deliveries = pending.deliveries.wrapping_add(1);
            group.set_pending(
                id,
                Pending {
                    consumer,
                    delivered_at: now,
                    deliveries,
                },
            );
        }
        replies.push(entry_or_id(id, entry));
    }
    drop(group);
    ctx.noted(key);
    Ok(replies)
}

fn entry_or_id(id: StreamId, entry: Option<Entry<'_>>) -> Reply {
    match entry {
        Some(entry) => entry_reply(&entry),
        None => Reply::Array(vec![id_reply(id), Reply::NilArray]),
    }
}
