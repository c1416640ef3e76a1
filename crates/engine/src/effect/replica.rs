//! A copy of the keyspace kept by effects alone.
//!
//! It knows no command. When it holds what the engine holds, the effects have told everything. One that is given an
//! image taken piece by piece, and then effects from its beginning on, meets effects of values that were gone before
//! they were taken, or were of another type by then: it passes over them, since what made them so follows. What must be
//! right is the end.

use std::collections::BTreeMap;

use super::{Effect, ValueKind, Volatile};
use crate::keyspace::{Database, NEVER, StreamId, Value};

type Bytes = Vec<u8>;
type EntryId = (u64, u64);

/// A value in a form that can be compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Copy {
    String(Bytes),
    List(BTreeMap<i64, Vec<Bytes>>),
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeMap<Bytes, ()>),
    SortedSet(BTreeMap<Bytes, f64>),
    Stream(Box<StreamCopy>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StreamCopy {
    pub(super) entries: BTreeMap<EntryId, Vec<(Bytes, Bytes)>>,
    pub(super) state: (EntryId, EntryId, u64),
    pub(super) groups: BTreeMap<Bytes, GroupCopy>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GroupCopy {
    pub(super) last_delivered: EntryId,
    pub(super) entries_read: Option<u64>,
    pub(super) consumers: BTreeMap<Bytes, i64>,
    pub(super) pending: BTreeMap<EntryId, (Bytes, i64, u64)>,
}

/// What all databases hold: by index and key the value and its expiry.
pub(crate) type Contents = BTreeMap<(usize, Bytes), (Copy, Option<u64>)>;

#[derive(Debug, Default)]
pub(crate) struct Replica {
    pub(super) order: Vec<u64>,
    pub(super) keys: BTreeMap<u64, (u64, Bytes, Option<u64>)>,
    pub(super) values: BTreeMap<u64, Copy>,
    /// It began as an image that was taken piece by piece.
    pub(super) is_fuzzy: bool,
}

impl Replica {
    pub(crate) fn new(databases: usize) -> Self {
        Self {
            order: (0..databases as u64).collect(),
            ..Self::default()
        }
    }

    /// One that is given an image and then effects from its beginning on.
    pub(crate) fn fuzzy(databases: usize) -> Self {
        Self {
            is_fuzzy: true,
            ..Self::new(databases)
        }
    }

    /// The contents, if every key has its value and its database, and no two keys have one name.
    pub(crate) fn complete(&self) -> Result<Contents, String> {
        for (id, key) in &self.keys {
            if !self.values.contains_key(id) {
                return Err(format!("no value for {id}, which is {key:?}"));
            }
            if !self.order.contains(&key.0) {
                return Err(format!("no database for {id}, which is {key:?}"));
            }
        }
        let contents = self.contents();
        if contents.len() != self.keys.len() {
            return Err(format!("one name for two values: {:?}", self.keys));
        }
        Ok(contents)
    }

    pub(crate) fn apply(&mut self, batch: &[Effect<'_>]) {
        for effect in batch {
            self.apply_one(effect);
        }
    }

    /// Lists are joined, since the cut into chunks is no matter of contents.
    pub(crate) fn contents(&self) -> Contents {
        let rows = self.keys.iter().map(|(id, (database, name, expires))| {
            let index = self.order.iter().position(|other| other == database).unwrap();
            ((index, name.clone()), (joined(self.values[id].clone()), *expires))
        });
        rows.collect()
    }

    fn apply_one(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Databases { order } => {
                let newest = order.iter().max().copied().unwrap_or_default();
                let is_emptied = |database: &u64| *database < newest && !order.contains(database);
                let gone: Vec<u64> = self
                    .keys
                    .iter()
                    .filter(|(_, (database, ..))| is_emptied(database))
                    .map(|(id, _)| *id)
                    .collect();
                gone.iter().for_each(|id| self.remove(*id));
                self.order.clone_from(order);
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
            Effect::Bytes { id, at, bytes } => match self.values.get_mut(id) {
                Some(Copy::String(string)) => {
                    let at = usize::try_from(*at).unwrap();
                    string.resize(string.len().max(at + bytes.len()), 0);
                    string[at..at + bytes.len()].copy_from_slice(bytes);
                }
                _ => self.pass_over(effect),
            },
            Effect::Field { id, field, value } => match self.values.get_mut(id) {
                Some(Copy::Hash(hash)) => set(hash, field, value.map(<[u8]>::to_vec)),
                _ => self.pass_over(effect),
            },
            Effect::Member { id, member, is_in } => match self.values.get_mut(id) {
                Some(Copy::Set(members)) => set(members, member, is_in.then_some(())),
                _ => self.pass_over(effect),
            },
            Effect::Score { id, member, score } => match self.values.get_mut(id) {
                Some(Copy::SortedSet(members)) => set(members, member, *score),
                _ => self.pass_over(effect),
            },
            Effect::Chunk { id, chunk, items } => match (self.values.get_mut(id), items) {
                (Some(Copy::List(chunks)), Some(items)) => {
                    chunks.insert(*chunk, items.iter().map(|item| item.to_vec()).collect());
                }
                (Some(Copy::List(chunks)), None) => {
                    chunks.remove(chunk);
                }
                _ => self.pass_over(effect),
            },
            _ => self.apply_to_stream(effect),
        }
    }

    fn apply_to_stream(&mut self, effect: &Effect<'_>) {
        let id = match effect {
            Effect::EntriesGone { id, .. }
            | Effect::Entry { id, .. }
            | Effect::StreamState { id, .. }
            | Effect::Group { id, .. }
            | Effect::Consumer { id, .. }
            | Effect::Pending { id, .. } => id,
            other => panic!("{other:?} is not for a stream"),
        };
        let is_applied = match self.values.get_mut(id) {
            Some(Copy::Stream(stream)) => stream.apply(effect),
            _ => false,
        };
        if !is_applied {
            self.pass_over(effect);
        }
    }

    fn pass_over(&self, effect: &Effect<'_>) {
        assert!(self.is_fuzzy, "{effect:?} has nothing to be applied to");
    }

    fn remove(&mut self, id: u64) {
        self.keys.remove(&id);
        self.values.remove(&id);
    }
}

impl StreamCopy {
    /// False when there is no such group.
    fn apply(&mut self, effect: &Effect<'_>) -> bool {
        match effect {
            Effect::EntriesGone { up_to, .. } => self.entries.retain(|entry, _| entry > up_to),
            Effect::Entry { entry, fields, .. } => {
                self.entries.remove(entry);
                if let Some(fields) = fields {
                    let fields = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
                    self.entries.insert(*entry, fields.collect());
                }
            }
            Effect::StreamState {
                last,
                max_deleted,
                added,
                ..
            } => self.state = (*last, *max_deleted, *added),
            Effect::Group {
                name, state: None, ..
            } => {
                self.groups.remove(*name);
            }
            Effect::Group {
                name,
                state: Some(state),
                is_new,
                ..
            } => {
                if *is_new {
                    self.groups.insert(name.to_vec(), GroupCopy::default());
                }
                let Some(group) = self.groups.get_mut(*name) else {
                    return false;
                };
                group.last_delivered = state.last_delivered;
                group.entries_read = state.entries_read;
            }
            Effect::Consumer {
                group, name, seen_at, ..
            } => {
                let Some(group) = self.groups.get_mut(*group) else {
                    return false;
                };
                set(&mut group.consumers, name, *seen_at);
            }
            Effect::Pending {
                group, entry, state, ..
            } => {
                let Some(group) = self.groups.get_mut(*group) else {
                    return false;
                };
                group.pending.remove(entry);
                if let Some(state) = state {
                    let row = (state.consumer.to_vec(), state.delivered_at, state.deliveries);
                    group.pending.insert(*entry, row);
                }
            }
            other => panic!("{other:?} is not for a stream"),
        }
        true
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

/// Those of the keys that are not kept in memory alone.
pub(crate) fn without(volatile: &Volatile, mut contents: Contents) -> Contents {
    contents.retain(|(_, name), _| !volatile.covers(name));
    contents
}

/// What an engine's databases hold, read past the effects.
pub(crate) fn contents(databases: &[Database]) -> Contents {
    let mut contents = Contents::new();
    for (index, database) in databases.iter().enumerate() {
        for (name, entry) in database.iter() {
            let expires = (entry.expires != NEVER).then_some(entry.expires);
            contents.insert((index, name.to_vec()), (copy(&entry.value), expires));
        }
    }
    contents
}

pub(super) fn copy(value: &Value) -> Copy {
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
