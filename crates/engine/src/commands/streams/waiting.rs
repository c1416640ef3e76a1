//! XREAD and XREADGROUP when there is nothing to read yet.
//!
//! A reader that waits leaves a command of its own making, with everything resolved: ids instead of `$`, and for
//! each key which stream it was and how many entries it had seen. A stream can change without growing (entries
//! are deleted, a last id is set), and then the reader must not be woken: Redis wakes it for entries alone.
//! A group's reader is refused when its stream or its group goes.
//! Next: `read.rs`, `../../blocked.rs`.

use std::time::Duration;

use super::entry_reply;
use super::read::{Reader, deliver_new, of_streams};
use crate::arguments::Args;
use crate::blocked::Awaited;
use crate::context::Ctx;
use crate::keyspace::stream::{Group, Stream, StreamId};
use crate::reply::{Answer, Fault, Reply};

/// A reader that did not say how much it takes gets no more than this when it is woken.
const COUNT_WHEN_WOKEN: usize = 1_000;

/// Arguments of the command left behind before its keys: name, count, group, consumer, whether it acknowledges.
const BEFORE_KEYS: usize = 5;
/// Arguments of each key: its name, the id to read after, what the stream was like.
const PER_KEY: usize = 3;

/// Waits for entries after these ids.
pub(super) fn wait(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    keys: &[&[u8]],
    after: &[StreamId],
    reader: Option<Reader<'_>>,
    count: usize,
    limit: Option<Duration>,
) -> Answer {
    let answer = ctx.block(args, Awaited::Stream, keys, limit, Reply::NilArray)?;
    let count = if count == usize::MAX {
        COUNT_WHEN_WOKEN
    } else {
        count
    };
    let mut command = vec![args.at(0).to_vec(), count.to_string().into_bytes()];
    let group = reader.map_or(Default::default(), |reader| [reader.group, reader.consumer]);
    command.extend(group.map(<[u8]>::to_vec));
    command.push(match reader {
        None => Vec::new(),
        Some(Reader { forgets: true, .. }) => b"forgets".to_vec(),
        Some(_) => b"keeps".to_vec(),
    });
    for (key, after) in keys.iter().zip(after) {
        command.extend([key.to_vec(), after.to_bytes(), age(ctx, key)]);
    }
    if let Some(wait) = &mut ctx.wait {
        wait.command = command;
    }
    Ok(answer)
}

/// Which stream this is and how many entries it has ever had; empty when it is no stream.
fn age(ctx: &mut Ctx<'_>, key: &[u8]) -> Vec<u8> {
    let Some(id) = ctx.peek(key).map(|entry| entry.id) else {
        return Vec::new();
    };
    match ctx.read::<Stream>(key) {
        Ok(Some(stream)) => format!("{id} {}", stream.log().meta().entries_added).into_bytes(),
        _ => Vec::new(),
    }
}

/// Answers a reader whose key has changed, or lets it wait on. `args` is what `wait` left behind.
pub(super) fn serve(ctx: &mut Ctx<'_>, args: Args<'_>, key: &[u8]) -> Answer {
    let count = std::str::from_utf8(args.at(1))
        .ok()
        .and_then(|count| count.parse().ok());
    let count = count.unwrap_or(COUNT_WHEN_WOKEN);
    let reader = match args.at(4) {
        b"" => None,
        forgets => Some(Reader {
            group: args.at(2),
            consumer: args.at(3),
            forgets: forgets == b"forgets",
        }),
    };
    // Of a key that was named twice the first id counts.
    let named = args
        .tail(BEFORE_KEYS)
        .chunks_exact(PER_KEY)
        .find(|named| named.first() == Some(&key));
    let Some([_, after, age_before]) = named else {
        return wait_on(ctx, args);
    };
    let is_stream = ctx.may_serve::<Stream>(key);
    if let Some(reader) = reader {
        if !is_stream {
            return Err(Fault::of("UNBLOCKED the stream key no longer exists"));
        }
        let stream = ctx.read::<Stream>(key)?;
        if stream.is_none_or(|stream| stream.groups().get(reader.group).is_none()) {
            return Err(Fault::of(
                "NOGROUP the consumer group this client was blocked on no longer exists",
            ));
        }
    }
    if !is_stream || age(ctx, key) == *age_before {
        return wait_on(ctx, args);
    }
    let after = StreamId::parse(after, 0).unwrap_or_default();
    let Some(entries) = entries(ctx, key, reader, after, count)? else {
        return wait_on(ctx, args);
    };
    Ok(of_streams(ctx, vec![(Reply::bulk(key), Reply::Array(entries))]))
}

/// What has come; it may be gone again already, which makes an empty answer as in Redis.
fn entries(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    reader: Option<Reader<'_>>,
    after: StreamId,
    count: usize,
) -> Result<Option<Vec<Reply>>, Fault> {
    let Some(stream) = ctx.read::<Stream>(key)? else {
        return Ok(None);
    };
    let position = reader
        .and_then(|reader| stream.groups().get(reader.group))
        .map(Group::last_delivered);
    if stream.log().last_id() <= position.unwrap_or(after) {
        return Ok(None);
    }
    match reader {
        Some(reader) => deliver_new(ctx, key, reader, count).map(Some),
        None => {
            let entries = stream.log().after(after).take(count);
            Ok(Some(entries.map(|entry| entry_reply(&entry)).collect()))
        }
    }
}

/// Not yet: the executor keeps what was left behind.
fn wait_on(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    ctx.block(args, Awaited::Stream, &[], None, Reply::NilArray)
}
