//! A copy of the keyspace kept by effects alone.
//!
//! It knows no command. When it holds what the engine holds, the effects have told everything.

use std::collections::BTreeMap;

use super::{Effect, ValueKind};
use crate::keyspace::{Database, NEVER, StreamId, Value};

type Bytes = Vec<u8>;
type EntryId = (u64, u64);

/// A value in a form that can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Copy {
    String(Bytes),
    List(BTreeMap<i64, Vec<Bytes>>),
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeMap<Bytes, ()>),
    SortedSet(BTreeMap<Bytes, f64>),
    Stream(Box<StreamCopy>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct StreamCopy {
    entries: BTreeMap<EntryId, Vec<(Bytes, Bytes)>>,
    state: (EntryId, EntryId, u64),
    groups: BTreeMap<Bytes, GroupCopy>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct GroupCopy {
    last_delivered: EntryId,
    entries_read: Option<u64>,
    consumers: BTreeMap<Bytes, i64>,
    pending: BTreeMap<EntryId, (Bytes, i64, u64)>,
}

/// What all databases hold: by index and key the value and its expiry.
pub(super) type Contents = BTreeMap<(usize, Bytes), (Copy, Option<u64>)>;

#[derive(Debug, Default)]
pub(super) struct Replica {
    order: Vec<u64>,
    keys: BTreeMap<u64, (u64, Bytes, Option<u64>)>,
    values: BTreeMap<u64, Copy>,
}

impl Replica {
    pub(super) fn new(databases: usize) -> Self {
        Self {
            order: (0..databases as u64).collect(),
            ..Self::default()
        }
    }

    pub(super) fn apply(&mut self, batch: &[Effect<'_>]) {
        for effect in batch {
            self.apply_one(effect);
        }
    }

    /// Lists are joined, since the cut into chunks is no matter of contents.
    pub(super) fn contents(&self) -> Contents {
        let rows = self.keys.iter().map(|(id, (database, name, expires))| {
            let index = self.order.iter().position(|other| other == database).unwrap();
            ((index, name.clone()), (joined(self.values[id].clone()), *expires))
        });
        rows.collect()
    }

    fn apply_one(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Databases { order } => self.order.clone_from(order),
            Effect::Flushed { database, below } => {
                let gone: Vec<u64> = self
                    .keys
                    .iter()
                    .filter(|(id, (place, ..))| place == database && *id < below)
                    .map(|(id, _)| *id)
                    .collect();
                gone.iter().for_each(|id| self.remove(*id));
            }
            Effect::Gone { id } => self.remove(*id),
            Effect::Key {
                id,
                database,
                name,
                expires,
            } => {
                self.keys.insert(*id, (*database, name.to_vec(), *expires));
            }
            Effect::Value { id, kind } => {
                self.values.insert(*id, empty(*kind));
            }
            Effect::Field { id, field, value } => {
                let Copy::Hash(hash) = self.value(*id) else {
                    panic!("{effect:?}")
                };
                set(hash, field, value.map(<[u8]>::to_vec));
            }
            Effect::Member { id, member, is_in } => {
                let Copy::Set(members) = self.value(*id) else {
                    panic!("{effect:?}")
                };
                set(members, member, is_in.then_some(()));
            }
            Effect::Score { id, member, score } => {
                let Copy::SortedSet(members) = self.value(*id) else {
                    panic!("{effect:?}")
                };
                set(members, member, *score);
            }
            Effect::Chunk { id, chunk, items } => {
                let Copy::List(chunks) = self.value(*id) else {
                    panic!("{effect:?}")
                };
                match items {
                    Some(items) => {
                        chunks.insert(*chunk, items.iter().map(|item| item.to_vec()).collect());
                    }
                    None => {
                        chunks.remove(chunk);
                    }
                }
            }
            _ => self.apply_to_stream(effect),
        }
    }

    fn apply_to_stream(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::EntriesGone { id, up_to } => {
                self.stream(*id).entries.retain(|entry, _| entry > up_to);
            }
            Effect::Entry { id, entry, fields } => {
                let entries = &mut self.stream(*id).entries;
                match fields {
                    Some(fields) => {
                        let fields = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
                        entries.insert(*entry, fields.collect());
                    }
                    None => {
                        entries.remove(entry);
                    }
                }
            }
            Effect::StreamState {
                id,
                last,
                max_deleted,
                added,
            } => {
                self.stream(*id).state = (*last, *max_deleted, *added);
            }
            Effect::Group {
                id,
                name,
                state,
                is_new,
            } => {
                let groups = &mut self.stream(*id).groups;
                let Some(state) = state else {
                    groups.remove(*name);
                    return;
                };
                let group = groups.entry(name.to_vec()).or_default();
                if *is_new {
                    *group = GroupCopy::default();
                }
                group.last_delivered = state.last_delivered;
                group.entries_read = state.entries_read;
                group.consumers = state
                    .consumers
                    .iter()
                    .map(|(name, seen)| (name.to_vec(), *seen))
                    .collect();
            }
            Effect::Pending {
                id,
                group,
                entry,
                state,
            } => {
                let pending = &mut self.stream(*id).groups.get_mut(*group).unwrap().pending;
                match state {
                    Some(state) => {
                        let row = (state.consumer.to_vec(), state.delivered_at, state.deliveries);
                        pending.insert(*entry, row);
                    }
                    None => {
                        pending.remove(entry);
                    }
                }
            }
            other => panic!("{other:?} is not for a stream"),
        }
    }

    fn value(&mut self, id: u64) -> &mut Copy {
        self.values.get_mut(&id).expect("parts follow their value")
    }

    fn stream(&mut self, id: u64) -> &mut StreamCopy {
        match self.value(id) {
            Copy::Stream(stream) => stream,
            other => panic!("{other:?} is no stream"),
        }
    }

    fn remove(&mut self, id: u64) {
        self.keys.remove(&id);
        self.values.remove(&id);
    }
}

fn set<V>(map: &mut BTreeMap<Bytes, V>, key: &[u8], value: Option<V>) {
    match value {
        Some(value) => {
            map.insert(key.to_vec(), value);
        }
        None => {
            map.remove(key);
        }
    }
}

fn empty(kind: ValueKind<'_>) -> Copy {
    match kind {
        ValueKind::String(bytes) => Copy::String(bytes.to_vec()),
        ValueKind::List => Copy::List(BTreeMap::new()),
        ValueKind::Hash => Copy::Hash(BTreeMap::new()),
        ValueKind::Set => Copy::Set(BTreeMap::new()),
        ValueKind::SortedSet => Copy::SortedSet(BTreeMap::new()),
        ValueKind::Stream => Copy::Stream(Box::default()),
    }
}

fn joined(copy: Copy) -> Copy {
    match copy {
        Copy::List(chunks) => Copy::List(BTreeMap::from([(0, chunks.into_values().flatten().collect())])),
        other => other,
    }
}

/// What an engine's databases hold, read past the effects.
pub(super) fn contents(databases: &[Database]) -> Contents {
    let mut contents = Contents::new();
    for (index, database) in databases.iter().enumerate() {
        for (name, entry) in database.iter() {
            let expires = (entry.expires != NEVER).then_some(entry.expires);
            contents.insert((index, name.to_vec()), (copy(&entry.value), expires));
        }
    }
    contents
}

fn copy(value: &Value) -> Copy {
    match value {
        Value::String(bytes) => Copy::String(bytes.clone()),
        Value::List(list) => Copy::List(BTreeMap::from([(0, list.iter().map(<[u8]>::to_vec).collect())])),
        Value::Hash(hash) => Copy::Hash(
            hash.iter()
                .map(|(field, value)| (field.to_vec(), value.to_vec()))
                .collect(),
        ),
        Value::Set(set) => Copy::Set(set.iter().map(|member| (member.to_vec(), ())).collect()),
        Value::SortedSet(set) => Copy::SortedSet(
            set.iter()
                .map(|(member, score)| (member.to_vec(), score))
                .collect(),
        ),
        Value::Stream(stream) => {
            let pair = |id: StreamId| (id.milliseconds, id.sequence);
            let meta = stream.log().meta();
            let entries = stream.log().range(StreamId::MIN, StreamId::MAX).map(|entry| {
                let fields = entry
                    .fields()
                    .map(|(name, value)| (name.to_vec(), value.to_vec()));
                (pair(entry.id()), fields.collect())
            });
            let groups = stream.groups().iter().map(|(name, group)| {
                let consumers = group.consumers().iter();
                let pending = group
                    .pending_range(StreamId::MIN, StreamId::MAX)
                    .map(|(id, pending)| {
                        let owner = group.consumers().get(pending.consumer).unwrap();
                        (
                            pair(id),
                            (owner.name().to_vec(), pending.delivered_at, pending.deliveries),
                        )
                    });
                let group = GroupCopy {
                    last_delivered: pair(group.last_delivered()),
                    entries_read: group.entries_read(),
                    consumers: consumers
                        .map(|consumer| (consumer.name().to_vec(), consumer.seen_at()))
                        .collect(),
                    pending: pending.collect(),
                };
                (name.to_vec(), group)
            });
            Copy::Stream(Box::new(StreamCopy {
                entries: entries.collect(),
                state: (pair(meta.last_id), pair(meta.max_deleted), meta.entries_added),
                groups: groups.collect(),
            }))
        }
    }
}
