//! An image of the keyspace taken piece by piece while work goes on.
//!
//! Each piece (a key's name, a field, an item's chunk, half a string) is taken at a moment of its own. With all effects
//! since the first moment applied to it, it must hold what the engine holds.
//! Next: `replica.rs` (what effects are applied to).

use super::replica::{Copy, GroupCopy, Replica, StreamCopy, copy};
use super::{Effect, GroupState, PendingState, ValueKind};
use crate::keyspace::{Database, NEVER, Value};

/// Bytes of a string that are taken at once.
const SLICE: usize = 3000;

/// Takes the pieces whose moment has come: `is_due` is asked about each value's number and the piece's name.
pub(crate) fn take(image: &mut Replica, databases: &[Database], is_due: impl Fn(u64, &[u8]) -> bool) {
    image.is_fuzzy = true;
    image.order = databases.iter().map(Database::id).collect();
    for database in databases {
        for (name, entry) in database.iter() {
            let is_due = |piece: &[u8]| is_due(entry.id, piece);
            if is_due(b"the key") {
                let expires = (entry.expires != NEVER).then_some(entry.expires);
                let row = (database.id(), name.to_vec(), expires);
                image.keys.insert(entry.id, row);
            }
            let held = pieces(&entry.value);
            let place = image.values.entry(entry.id).or_insert_with(|| empty_like(&held));
            take_pieces(place, held, is_due);
        }
    }
}

/// A list by its chunks, whose names matter here.
fn pieces(value: &Value) -> Copy {
    match value {
        Value::List(list) => Copy::List(
            list.parts()
                .map(|part| (part.id().0, part.items().map(<[u8]>::to_vec).collect()))
                .collect(),
        ),
        other => copy(other),
    }
}

fn empty_like(value: &Copy) -> Copy {
    match value {
        Copy::String(_) => Copy::String(Vec::new()),
        Copy::List(_) => Copy::List(Default::default()),
        Copy::Hash(_) => Copy::Hash(Default::default()),
        Copy::Set(_) => Copy::Set(Default::default()),
        Copy::SortedSet(_) => Copy::SortedSet(Default::default()),
        Copy::Stream(_) => Copy::Stream(Box::default()),
    }
}

fn take_pieces(place: &mut Copy, held: Copy, is_due: impl Fn(&[u8]) -> bool) {
    match (place, held) {
        (Copy::String(place), Copy::String(held)) => {
            for (number, slice) in held.chunks(SLICE).enumerate() {
                let at = number * SLICE;
                if is_due(&number.to_le_bytes()) {
                    place.resize(place.len().max(at + slice.len()), 0);
                    place[at..at + slice.len()].copy_from_slice(slice);
                }
            }
        }
        (Copy::List(place), Copy::List(held)) => {
            place.extend(held.into_iter().filter(|(chunk, _)| is_due(&chunk.to_le_bytes())));
        }
        (Copy::Hash(place), Copy::Hash(held)) => {
            place.extend(held.into_iter().filter(|(field, _)| is_due(field)));
        }
        (Copy::Set(place), Copy::Set(held)) => {
            place.extend(held.into_iter().filter(|(member, ())| is_due(member)));
        }
        (Copy::SortedSet(place), Copy::SortedSet(held)) => {
            place.extend(held.into_iter().filter(|(member, _)| is_due(member)));
        }
        (Copy::Stream(place), Copy::Stream(held)) => take_stream(place, *held, is_due),
        // Another type has taken the value's place since; the effects have that as a whole.
        _ => {}
    }
}

fn take_stream(place: &mut StreamCopy, held: StreamCopy, is_due: impl Fn(&[u8]) -> bool) {
    let id = |id: (u64, u64)| format!("{id:?}").into_bytes();
    if is_due(b"state") {
        place.state = held.state;
    }
    place
        .entries
        .extend(held.entries.into_iter().filter(|(entry, _)| is_due(&id(*entry))));
    for (name, group) in held.groups {
        let is_due = |kind: &str, piece: &[u8]| is_due(&[kind.as_bytes(), &name, b"/", piece].concat());
        let known = place.groups.contains_key(&name);
        let position = is_due("group", b"");
        // A group is begun with its position; what is in it can only be taken then or later.
        if !known && !position {
            continue;
        }
        let copy = place.groups.entry(name.clone()).or_default();
        if position {
            (copy.last_delivered, copy.entries_read) = (group.last_delivered, group.entries_read);
        }
        let (consumers, pending) = (group.consumers.into_iter(), group.pending.into_iter());
        copy.consumers
            .extend(consumers.filter(|(consumer, _)| position || is_due("consumer", consumer)));
        copy.pending
            .extend(pending.filter(|(entry, _)| position || is_due("pending", &id(*entry))));
    }
}

/// An image as effects. The parts of a list or stream come from its end to its beginning.
pub(crate) fn effects(image: &Replica) -> Vec<Effect<'_>> {
    let order = image.order.clone();
    let mut effects = vec![Effect::Databases { order }];
    for (id, value) in &image.values {
        effects.extend(image.keys.get(id).map(|(database, name, expires)| Effect::Key {
            id: *id,
            database: *database,
            name,
            expires: *expires,
        }));
        whole(*id, value, &mut effects);
    }
    effects
}

fn whole<'a>(id: u64, value: &'a Copy, effects: &mut Vec<Effect<'a>>) {
    let kind = match value {
        Copy::String(bytes) => ValueKind::String(bytes),
        Copy::List(_) => ValueKind::List,
        Copy::Hash(_) => ValueKind::Hash,
        Copy::Set(_) => ValueKind::Set,
        Copy::SortedSet(_) => ValueKind::SortedSet,
        Copy::Stream(_) => ValueKind::Stream,
    };
    effects.push(Effect::Value { id, kind });
    match value {
        Copy::String(_) => {}
        Copy::List(chunks) => effects.extend(chunks.iter().rev().map(|(chunk, items)| Effect::Chunk {
            id,
            chunk: *chunk,
            items: Some(items.iter().map(Vec::as_slice).collect()),
        })),
        Copy::Hash(hash) => effects.extend(hash.iter().map(|(field, value)| {
            let value = Some(value.as_slice());
            Effect::Field { id, field, value }
        })),
        Copy::Set(set) => effects.extend(set.keys().map(|member| Effect::Member {
            id,
            member: member.into(),
            is_in: true,
        })),
        Copy::SortedSet(set) => effects.extend(set.iter().map(|(member, score)| {
            let score = Some(*score);
            Effect::Score { id, member, score }
        })),
        Copy::Stream(stream) => whole_stream(id, stream, effects),
    }
}

fn whole_stream<'a>(id: u64, stream: &'a StreamCopy, effects: &mut Vec<Effect<'a>>) {
    let (last, max_deleted, added) = stream.state;
    effects.push(Effect::StreamState {
        id,
        last,
        max_deleted,
        added,
    });
    effects.extend(stream.entries.iter().rev().map(|(entry, fields)| {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| (name.as_slice(), value.as_slice()));
        Effect::Entry {
            id,
            entry: *entry,
            fields: Some(fields.collect()),
        }
    }));
    for (name, group) in &stream.groups {
        whole_group(id, name, group, effects);
    }
}

fn whole_group<'a>(id: u64, name: &'a [u8], group: &'a GroupCopy, effects: &mut Vec<Effect<'a>>) {
    let state = GroupState {
        last_delivered: group.last_delivered,
        entries_read: group.entries_read,
    };
    effects.push(Effect::Group {
        id,
        name,
        state: Some(state),
        is_new: true,
    });
    effects.extend(
        group
            .consumers
            .iter()
            .map(|(consumer, seen_at)| Effect::Consumer {
                id,
                group: name,
                name: consumer,
                seen_at: Some(*seen_at),
            }),
    );
    effects.extend(group.pending.iter().map(|(entry, row)| {
        let (consumer, delivered_at, deliveries) = row;
        let state = PendingState {
            consumer,
            delivered_at: *delivered_at,
            deliveries: *deliveries,
        };
        Effect::Pending {
            id,
            group: name,
            entry: *entry,
            state: Some(state),
        }
    }));
}
