//! From what has changed to the final states.
//!
//! First every changed value is asked which of its parts are dirty, then the states of those parts are read. What a
//! unit leaves behind is under its last name; a value that only got another name or expiry is not looked at.

use std::collections::HashSet;
use std::ops::Range;

use super::recorder::{Extent, Move};
use super::{Effect, GroupState, PendingState, Recorder, ValueKind};
use crate::keyspace::stream::Consumer;
use crate::keyspace::{
    ChunkId, Database, Dirt, Group, Hash, List, NEVER, Pending, Set, SortedSet, Stream, StreamId, StreamPart,
    Value,
};

/// A string up to this length always comes whole.
const SHORT: usize = 4096;

/// The dirty parts of one value.
enum Parts {
    All,
    Bytes(Vec<Range<usize>>),
    Names(Vec<Box<[u8]>>),
    Chunks(Vec<ChunkId>),
    Stream(Vec<StreamPart>),
}

/// Hands a unit's effects to whoever takes them.
pub(crate) fn commit(recorder: &mut Recorder, databases: &mut [Database]) {
    if !recorder.is_on() {
        return;
    }
    let moves = std::mem::take(&mut recorder.moves);
    let made = std::mem::take(&mut recorder.made);
    let changed = recorder.changed.drain();
    let mut changed: Vec<(u64, Box<[u8]>, Extent)> = changed
        .flat_map(|(database, keys)| {
            keys.into_iter()
                .map(move |(name, extent)| (database, name, extent))
        })
        .collect();
    changed.sort_unstable();
    let dirty: Vec<(u64, Box<[u8]>, Parts)> = changed
        .into_iter()
        .filter_map(|(database, name, extent)| {
            let parts = dirty_parts(databases, database, &name, extent, &made)?;
            Some((database, name, parts))
        })
        .collect();
    let mut effects = places(&moves, databases);
    if std::mem::take(&mut recorder.are_databases_changed) {
        // After the keys: one that left a database before it was emptied must not be taken for one of those in it.
        let order = databases.iter().map(Database::id).collect();
        effects.push(Effect::Databases { order });
    }
    for (database, name, parts) in &dirty {
        if let Some(entry) = find(databases, *database).and_then(|database| database.get(name)) {
            state(entry.id, &entry.value, parts, &mut effects);
        }
    }
    if let Some(taker) = recorder.taker.as_mut().filter(|_| !effects.is_empty()) {
        taker(&effects);
    }
}

fn find(databases: &[Database], id: u64) -> Option<&Database> {
    databases.iter().find(|database| database.id() == id)
}

fn dirty_parts(
    databases: &mut [Database],
    database: u64,
    name: &[u8],
    extent: Extent,
    made: &HashSet<u64>,
) -> Option<Parts> {
    let database = databases
        .iter_mut()
        .find(|candidate| candidate.id() == database)?;
    let entry = database.get_mut(name)?;
    let is_new = made.contains(&entry.id);
    let parts = match &mut entry.value {
        Value::String(bytes) => changed_bytes(bytes, extent),
        Value::Hash(hash) => names(hash.take_dirt()),
        Value::Set(set) => names(set.take_dirt()),
        Value::SortedSet(set) => names(set.take_dirt()),
        Value::List(list) => match list.take_dirt() {
            Dirt::Whole => Parts::All,
            Dirt::Parts(chunks) => Parts::Chunks(chunks),
        },
        Value::Stream(stream) => match stream.take_dirt() {
            Dirt::Whole => Parts::All,
            Dirt::Parts(parts) => Parts::Stream(parts),
        },
    };
    Some(if is_new { Parts::All } else { parts })
}

/// Of a short string, or one of which most has changed, everything.
fn changed_bytes(string: &[u8], extent: Extent) -> Parts {
    match extent {
        Extent::Bytes(ranges) if string.len() > SHORT => {
            let ranges = ranges.merged();
            let changed: usize = ranges.iter().map(Range::len).sum();
            if changed < string.len() / 2 {
                Parts::Bytes(ranges)
            } else {
                Parts::All
            }
        }
        _ => Parts::All,
    }
}

fn names(dirt: Dirt<Box<[u8]>>) -> Parts {
    match dirt {
        Dirt::Whole => Parts::All,
        Dirt::Parts(names) => Parts::Names(names),
    }
}

/// Where the values are that came, moved or went: each stands under its last name, or is gone.
fn places<'a>(moves: &'a [Move], databases: &[Database]) -> Vec<Effect<'a>> {
    let mut effects = Vec::new();
    let mut known = HashSet::new();
    // The last place counts; one before it may be another value's by now.
    for step in moves.iter().rev() {
        let Move::Placed { id, database, name } = step else {
            continue;
        };
        let entry = find(databases, *database)
            .and_then(|database| database.get(name))
            .filter(|entry| entry.id == *id);
        if let Some(entry) = entry.filter(|_| known.insert(*id)) {
            effects.push(Effect::Key {
                id: *id,
                database: *database,
                name,
                expires: (entry.expires != NEVER).then_some(entry.expires),
            });
        }
    }
    effects.reverse();
    // What was moved into a database that was emptied then has no place and never went by itself.
    for step in moves {
        let (Move::Gone { id } | Move::Placed { id, .. }) = step;
        if known.insert(*id) {
            effects.push(Effect::Gone { id: *id });
        }
    }
    effects
}

/// The states of the dirty parts of a value.
fn state<'a>(id: u64, value: &'a Value, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    if matches!(parts, Parts::All) {
        effects.push(Effect::Value {
            id,
            kind: kind(value),
        });
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

fn kind(value: &Value) -> ValueKind<'_> {
    match value {
        Value::String(bytes) => ValueKind::String(bytes),
        Value::Hash(_) => ValueKind::Hash,
        Value::Set(_) => ValueKind::Set,
        Value::SortedSet(_) => ValueKind::SortedSet,
        Value::List(_) => ValueKind::List,
        Value::Stream(_) => ValueKind::Stream,
    }
}

fn string_state<'a>(id: u64, string: &'a [u8], parts: &Parts, effects: &mut Vec<Effect<'a>>) {
    if let Parts::Bytes(ranges) = parts {
        effects.extend(ranges.iter().filter_map(|range| {
            let (at, bytes) = (u64::try_from(range.start).ok()?, string.get(range.clone())?);
            Some(Effect::Bytes { id, at, bytes })
        }));
    }
}

fn hash_state<'a>(id: u64, hash: &'a Hash, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => effects.extend(names.iter().map(|field| {
            let value = hash.get(field);
            Effect::Field { id, field, value }
        })),
        _ => effects.extend(hash.iter().map(|(field, value)| {
            let value = Some(value);
            Effect::Field { id, field, value }
        })),
    }
}

fn set_state<'a>(id: u64, set: &'a Set, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => effects.extend(names.iter().map(|member| Effect::Member {
            id,
            is_in: set.contains(member),
            member: (&**member).into(),
        })),
        _ => effects.extend(set.iter().map(|member| Effect::Member {
            id,
            member: member.to_vec().into(),
            is_in: true,
        })),
    }
}

fn sorted_set_state<'a>(id: u64, set: &'a SortedSet, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Names(names) => effects.extend(names.iter().map(|member| {
            let score = set.score(member);
            Effect::Score { id, member, score }
        })),
        _ => effects.extend(set.iter().map(|(member, score)| {
            let score = Some(score);
            Effect::Score { id, member, score }
        })),
    }
}

fn list_state<'a>(id: u64, list: &'a List, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    match parts {
        Parts::Chunks(chunks) => effects.extend(chunks.iter().map(|chunk| Effect::Chunk {
            id,
            chunk: chunk.0,
            items: list.part(*chunk).map(|part| part.items().collect()),
        })),
        _ => effects.extend(list.parts().map(|part| Effect::Chunk {
            id,
            chunk: part.id().0,
            items: Some(part.items().collect()),
        })),
    }
}

fn pair(id: StreamId) -> (u64, u64) {
    (id.milliseconds, id.sequence)
}

fn stream_state<'a>(id: u64, stream: &'a Stream, parts: &'a Parts, effects: &mut Vec<Effect<'a>>) {
    let Parts::Stream(parts) = parts else {
        effects.push(stream_meta(id, stream));
        for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
            effects.push(entry_state(id, stream, entry.id()));
        }
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

fn stream_meta(id: u64, stream: &Stream) -> Effect<'_> {
    let meta = stream.log().meta();
    Effect::StreamState {
        id,
        last: pair(meta.last_id),
        max_deleted: pair(meta.max_deleted),
        added: meta.entries_added,
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
    effects.extend(group.consumers().iter().map(|consumer| Effect::Consumer {
        id,
        group: name,
        name: consumer.name(),
        seen_at: Some(consumer.seen_at()),
    }));
    for (entry, _) in group.pending_range(StreamId::MIN, StreamId::MAX) {
        effects.push(pending_state(id, name, group, entry));
    }
}

fn group_state<'a>(id: u64, name: &'a [u8], group: Option<&Group>, is_new: bool) -> Effect<'a> {
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

fn consumer_state<'a>(id: u64, group: &'a [u8], name: &'a [u8], holder: &Group) -> Effect<'a> {
    let consumer = holder.consumer(name).and_then(|id| holder.consumers().get(id));
    Effect::Consumer {
        id,
        group,
        name,
        seen_at: consumer.map(Consumer::seen_at),
    }
}

fn pending_state<'a>(id: u64, name: &'a [u8], group: &'a Group, entry: StreamId) -> Effect<'a> {
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
