//! The states of a value's parts, as effects.
//!
//! One constructor a part, used for what has changed (`gather.rs`) and for an image of everything
//! (`journal/walk.rs`): what a part looks like is said here alone. Nothing is copied but what cannot be borrowed.

use std::ops::Range;

use super::{Effect, GroupState, PendingState, ValueKind};
use crate::keyspace::stream::{Consumer, Entry as StreamEntry};
use crate::keyspace::{
    ChunkId, Entry, Group, Hash, List, ListPart, Member, NEVER, Pending, Set, SortedSet, Stream, StreamId,
    StreamPart, Value,
};

/// The parts of one value that are wanted.
pub(super) enum Parts {
    All,
    Bytes(Vec<Range<usize>>),
    Names(Vec<Box<[u8]>>),
    Chunks(Vec<ChunkId>),
    Stream(Vec<StreamPart>),
}

/// The states of some parts of a value.
pub(super) fn of_parts<'a>(id: u64, value: &'a Value, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    if matches!(parts, Parts::All) {
        effects.push(whole(id, value));
    }
    match value {
        Value::String(string) => string_state(id, string, parts, effects),
        Value::Hash(hash) => hash_state(id, hash, parts, effects),
        Value::Set(set) => set_state(id, set, parts, effects),
        Value::SortedSet(set) => sorted_set_state(id, set, parts, effects),
        Value::List(list) => list_state(id, list, parts, effects),
        Value::Stream(stream) => stream_state(id, stream, parts, effects),
    }
}

/// A value with all its parts.
#[cfg(test)]
pub(crate) fn all<'a>(id: u64, value: &'a Value, effects: &mut Vec<Effect<'a>>) {
    of_parts(id, value, &Parts::All, effects);
}

/// Where a value stands, and until when.
pub(crate) fn key<'a>(database: u64, name: &'a [u8], entry: &Entry) -> Effect<'a> {
    Effect::Key {
        id: entry.id,
        database,
        name,
        expires: (entry.expires != NEVER).then_some(entry.expires),
    }
}

/// That a value comes whole; of a collection its parts are to follow.
pub(crate) fn whole(id: u64, value: &Value) -> Effect<'_> {
    let kind = match value {
        Value::String(bytes) => ValueKind::String(bytes),
        Value::Hash(_) => ValueKind::Hash,
        Value::Set(_) => ValueKind::Set,
        Value::SortedSet(_) => ValueKind::SortedSet,
        Value::List(_) => ValueKind::List,
        Value::Stream(_) => ValueKind::Stream,
    };
    Effect::Value { id, kind }
}

/// That a string comes whole, its first bytes here and the others to follow.
pub(crate) fn beginning(id: u64, string: &[u8], length: usize) -> Option<Effect<'_>> {
    let kind = ValueKind::String(string.get(..length)?);
    Some(Effect::Value { id, kind })
}

fn string_state<'a>(id: u64, string: &'a [u8], parts: &Parts, effects: &mut Vec<Effect<'a>>) {
    if let Parts::Bytes(ranges) = parts {
        effects.extend(ranges.iter().filter_map(|range| bytes(id, string, range.clone())));
    }
}

/// A part of a string; nothing when the string is too short.
pub(crate) fn bytes(id: u64, string: &[u8], range: Range<usize>) -> Option<Effect<'_>> {
    let (at, bytes) = (u64::try_from(range.start).ok()?, string.get(range)?);
    Some(Effect::Bytes { id, at, bytes })
}

fn hash_state<'a>(id: u64, hash: &'a Hash, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => effects.extend(names.iter().map(|name| field(id, name, hash.get(name)))),
        _ => effects.extend(hash.iter().map(|(name, value)| field(id, name, Some(value)))),
    }
}

pub(crate) fn field<'a>(id: u64, field: &'a [u8], value: Option<&'a [u8]>) -> Effect<'a> {
    Effect::Field { id, field, value }
}

fn set_state<'a>(id: u64, set: &'a Set, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => effects.extend(names.iter().map(|member| Effect::Member {
            id,
            is_in: set.contains(member),
            member: (&**member).into(),
        })),
        _ => effects.extend(set.iter().map(|held| member(id, held))),
    }
}

/// A member that is in its set.
pub(crate) fn member(id: u64, member: Member<'_>) -> Effect<'_> {
    let member = match member {
        Member::Bytes(bytes) => bytes.into(),
        Member::Integer(_) => member.to_vec().into(),
    };
    let is_in = true;
    Effect::Member { id, member, is_in }
}

fn sorted_set_state<'a>(id: u64, set: &'a SortedSet, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => {
            effects.extend(names.iter().map(|member| score(id, member, set.score(member))));
        }
        _ => effects.extend(set.iter().map(|(member, held)| score(id, member, Some(held)))),
    }
}

pub(crate) fn score(id: u64, member: &[u8], score: Option<f64>) -> Effect<'_> {
    Effect::Score { id, member, score }
}

fn list_state<'a>(id: u64, list: &'a List, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Chunks(chunks) => effects.extend(chunks.iter().map(|chunk| Effect::Chunk {
            id,
            chunk: chunk.0,
            items: list.part(*chunk).map(|part| part.items().collect()),
        })),
        _ => effects.extend(list.parts().map(|part| chunk(id, part))),
    }
}

/// A chunk that is in its list.
pub(crate) fn chunk(id: u64, part: ListPart<'_>) -> Effect<'_> {
    Effect::Chunk {
        id,
        chunk: part.id().0,
        items: Some(part.items().collect()),
    }
}

fn pair(id: StreamId) -> (u64, u64) {
    (id.milliseconds, id.sequence)
}

fn stream_state<'a>(id: u64, stream: &'a Stream, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    let Parts::Stream(parts) = parts else {
        effects.push(stream_meta(id, stream));
        let entries = stream.log().range(StreamId::MIN, StreamId::MAX);
        effects.extend(entries.map(|held| entry(id, held)));
        for (name, group) in stream.groups().iter() {
            whole_group(id, name, group, effects);
        }
        return;
    };
    for part in parts {
        match part {
            StreamPart::GoneUpTo(up_to) => effects.push(Effect::EntriesGone {
                id,
                up_to: pair(*up_to),
            }),
            StreamPart::Entry(entry) => effects.push(entry_state(id, stream, *entry)),
            StreamPart::Meta => effects.push(stream_meta(id, stream)),
            StreamPart::Group(name) => match stream.groups().get(name) {
                Some(group) => whole_group(id, name, group, effects),
                None => effects.push(group_state(id, name, None, true)),
            },
            StreamPart::GroupMeta(name) => {
                effects.push(group_state(id, name, stream.groups().get(name), false));
            }
            StreamPart::Consumer(group, name) => {
                if let Some(holder) = stream.groups().get(group) {
                    effects.push(consumer_state(id, group, name, holder));
                }
            }
            StreamPart::Pending(name, entry) => {
                if let Some(group) = stream.groups().get(name) {
                    effects.push(pending_state(id, name, group, *entry));
                }
            }
        }
    }
}

pub(crate) fn stream_meta(id: u64, stream: &Stream) -> Effect<'_> {
    let meta = stream.log().meta();
    Effect::StreamState {
        id,
        last: pair(meta.last_id),
        max_deleted: pair(meta.max_deleted),
        added: meta.entries_added,
    }
}

/// An entry that is in its stream.
pub(crate) fn entry(id: u64, entry: StreamEntry<'_>) -> Effect<'_> {
    Effect::Entry {
        id,
        entry: pair(entry.id()),
        fields: Some(entry.fields().collect()),
    }
}

fn entry_state(id: u64, stream: &Stream, entry: StreamId) -> Effect<'_> {
    Effect::Entry {
        id,
        entry: pair(entry),
        fields: stream.log().get(entry).map(|entry| entry.fields().collect()),
    }
}

fn whole_group<'a>(id: u64, name: &'a [u8], group: &'a Group, effects: &mut Vec<Effect<'a>>) {
    effects.push(group_state(id, name, Some(group), true));
    let consumers = group.consumers().iter();
    effects.extend(consumers.map(|held| consumer(id, name, held)));
    for (entry, _) in group.pending_range(StreamId::MIN, StreamId::MAX) {
        effects.push(pending_state(id, name, group, entry));
    }
}

pub(crate) fn group_state<'a>(id: u64, name: &'a [u8], group: Option<&Group>, is_new: bool) -> Effect<'a> {
    let state = group.map(|group| GroupState {
        last_delivered: pair(group.last_delivered()),
        entries_read: group.entries_read(),
    });
    Effect::Group {
        id,
        name,
        state,
        is_new,
    }
}

/// A consumer that is in its group.
pub(crate) fn consumer<'a>(id: u64, group: &'a [u8], consumer: &'a Consumer) -> Effect<'a> {
    Effect::Consumer {
        id,
        group,
        name: consumer.name(),
        seen_at: Some(consumer.seen_at()),
    }
}

fn consumer_state<'a>(id: u64, group: &'a [u8], name: &'a [u8], holder: &Group) -> Effect<'a> {
    let consumer = holder.consumer(name).and_then(|id| holder.consumers().get(id));
    Effect::Consumer {
        id,
        group,
        name,
        seen_at: consumer.map(Consumer::seen_at),
    }
}

pub(crate) fn pending_state<'a>(id: u64, name: &'a [u8], group: &'a Group, entry: StreamId) -> Effect<'a> {
    let state = |pending: &Pending| {
        let consumer = group.consumers().get(pending.consumer)?;
        Some(PendingState {
            consumer: consumer.name(),
            delivered_at: pending.delivered_at,
            deliveries: pending.deliveries,
        })
    };
    Effect::Pending {
        id,
        group: name,
        entry: pair(entry),
        state: group.pending(entry).and_then(state),
    }
}
