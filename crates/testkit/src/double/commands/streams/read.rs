//! XLEN, XRANGE, XREVRANGE and XREAD.

use crate::double::arguments::Arguments;
use crate::double::keyspace::Keyspace;
use crate::double::reply::{Outcome, Refusal, Reply};
use crate::double::stream::{Stream, StreamId};

pub(in crate::double::commands) fn xlen(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        keyspace
            .get::<Stream>(&arguments[1])?
            .map_or(0, |stream| stream.entries.len()),
    ))
}

pub(in crate::double::commands) fn xrange(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    range(keyspace, arguments, false)
}

pub(in crate::double::commands) fn xrevrange(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    range(keyspace, arguments, true)
}

fn range(keyspace: &mut Keyspace, arguments: &[Vec<u8>], is_reversed: bool) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let (key, first, second) = (rest.next()?, rest.next()?, rest.next()?);
    let (start, end) = if is_reversed {
        (second, first)
    } else {
        (first, second)
    };
    let (start, end) = (range_start(start)?, range_end(end)?);
    let mut count = usize::MAX;
    while !rest.is_empty() {
        if !rest.take("COUNT") {
            return Err(Refusal::syntax());
        }
        // A negative count means none.
        count = usize::try_from(rest.next_integer()?).unwrap_or(0);
    }
    let Some(stream) = keyspace.get::<Stream>(key)? else {
        return Ok(Reply::Array(Vec::new()));
    };
    if count == 0 {
        return Ok(Reply::Nil);
    }
    if start > end {
        return Ok(Reply::Array(Vec::new()));
    }
    let entries = stream.entries.range(start..=end);
    let found: Vec<Reply> = if is_reversed {
        entries.rev().take(count).map(entry).collect()
    } else {
        entries.take(count).map(entry).collect()
    };
    Ok(Reply::Array(found))
}

fn range_start(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        b"-" => Ok(StreamId::default()),
        b"+" => Ok(StreamId::MAX),
        [b'(', id @ ..] => {
            let next = StreamId::parse(id, 0)?.successor();
            next.ok_or_else(|| Refusal::err("invalid start ID for the interval"))
        }
        id => StreamId::parse(id, 0),
    }
}

fn range_end(text: &[u8]) -> Result<StreamId, Refusal> {
    match text {
        b"-" => Ok(StreamId::default()),
        b"+" => Ok(StreamId::MAX),
        [b'(', id @ ..] => {
            let previous = StreamId::parse(id, u64::MAX)?.predecessor();
            previous.ok_or_else(|| Refusal::err("invalid end ID for the interval"))
        }
        id => StreamId::parse(id, u64::MAX),
    }
}

fn entry((id, fields): (&StreamId, &Vec<Vec<u8>>)) -> Reply {
    Reply::Array(vec![Reply::bulk(id.to_string()), Reply::bulks(fields)])
}

/// A parsed XREAD.
pub(in crate::double) struct StreamRead {
    count: usize,
    /// How long to wait when there is nothing, in milliseconds; 0 is for ever.
    pub(in crate::double) block_ms: Option<u64>,
    streams: Vec<(Vec<u8>, After)>,
}

enum After {
    Id(StreamId),
    /// `$`: whatever comes after the call.
    Now,
}

impl StreamRead {
    pub(in crate::double) fn parse(arguments: &[Vec<u8>]) -> Result<Self, Refusal> {
        let mut rest = Arguments::of(arguments);
        let (mut count, mut block_ms) = (0, None);
        loop {
            if rest.take("COUNT") {
                count = usize::try_from(rest.next_integer()?).unwrap_or(0);
            } else if rest.take("BLOCK") {
                let timeout = rest.next_integer();
                let timeout =
                    timeout.map_err(|_| Refusal::err("timeout is not an integer or out of range"))?;
                block_ms = Some(u64::try_from(timeout).map_err(|_| Refusal::err("timeout is negative"))?);
            } else if rest.take("STREAMS") {
                break;
            } else {
                return Err(Refusal::syntax());
            }
        }
        let named = rest.rest();
        if named.is_empty() || !named.len().is_multiple_of(2) {
            return Err(Refusal::err(
                "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
            ));
        }
        let (keys, ids) = named.split_at(named.len() / 2);
        let mut streams = Vec::new();
        for (key, id) in keys.iter().zip(ids) {
            let after = if id == b"$" {
                After::Now
            } else {
                After::Id(StreamId::parse(id, 0)?)
            };
            streams.push((key.clone(), after));
        }
        Ok(Self {
            count: if count == 0 { usize::MAX } else { count },
            block_ms,
            streams,
        })
    }

    /// Pins `$` to what is the last entry now, so that a later look finds what came in between.
    pub(in crate::double) fn settle(&mut self, keyspace: &mut Keyspace) -> Result<(), Refusal> {
        for (key, after) in &mut self.streams {
            if matches!(after, After::Now) {
                let last = keyspace.get::<Stream>(key)?.map(|stream| stream.last);
                *after = After::Id(last.unwrap_or_default());
            }
        }
        Ok(())
    }

    /// What there is after the given ids; `Nil` when there is nothing.
    pub(in crate::double) fn answer(&self, keyspace: &mut Keyspace) -> Outcome {
        let mut found = Vec::new();
        for (key, after) in &self.streams {
            let After::Id(after) = after else { continue };
            let Some(stream) = keyspace.get::<Stream>(key)? else {
                continue;
            };
            let Some(first) = after.successor() else { continue };
            let entries: Vec<Reply> = stream
                .entries
                .range(first..)
                .take(self.count)
                .map(entry)
                .collect();
            if !entries.is_empty() {
                found.push(Reply::Array(vec![
                    Reply::bulk(key.clone()),
                    Reply::Array(entries),
                ]));
            }
        }
        Ok(if found.is_empty() {
            Reply::Nil
        } else {
            Reply::Array(found)
        })
    }
}

/// Without waiting; waiting is the connection's business.
pub(in crate::double::commands) fn xread(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut read = StreamRead::parse(arguments)?;
    read.settle(keyspace)?;
    read.answer(keyspace)
}
