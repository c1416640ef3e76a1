//! The consumers of a group, in the order of their names.
//!
//! A pending entry names its owner by a small number, which a consumer keeps for its life; numbers of removed
//! consumers are given out again.
//! Next: `group.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::id::StreamId;

/// Number of a consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConsumerId(usize);

/// One reader of a group.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    name: Box<[u8]>,
    /// Unix milliseconds of its last sign of life.
    pub(super) seen_at: i64,
    /// Ids of the entries it holds; `Group` keeps them in step with its own.
    pub(super) pending: BTreeSet<StreamId>,
}

impl Consumer {
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn seen_at(&self) -> i64 {
        self.seen_at
    }
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumers {
    by_name: BTreeMap<Box<[u8]>, ConsumerId>,
    slots: Vec<Option<Consumer>>,
    /// Slots without a consumer.
    free: Vec<usize>,
    name_bytes: usize,
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(crate) fn get(&self, id: ConsumerId) -> Option<&Consumer> {
        self.slots.get(id.0)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.slots.get_mut(id.0)?.as_mut()
    }

    /// All consumers by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.by_name.values().filter_map(|id| self.get(*id))
    }

    /// The consumers behind this name; all of them without one.
    pub(crate) fn after(&self, name: Option<&[u8]>) -> impl Iterator<Item = &Consumer> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.by_name.range::<[u8], _>((from, Bound::Unbounded));
        behind.filter_map(|(_, id)| self.get(*id))
    }

    /// The name of the last one.
    pub(crate) fn last_name(&self) -> Option<&[u8]> {
        self.by_name.last_key_value().map(|(name, _)| &**name)
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// None when the name is taken.
    pub(super) fn create(&mut self, name: &[u8], now: i64) -> Option<ConsumerId> {
        match self.find(name) {
            Some(_) => None,
            None => Some(self.insert(name, now)),
        }
    }

    pub(super) fn find_or_create(&mut self, name: &[u8], now: i64) -> ConsumerId {
        self.find(name).unwrap_or_else(|| self.insert(name, now))
    }

    fn insert(&mut self, name: &[u8], now: i64) -> ConsumerId {
        let consumer = Consumer {
            name: name.into(),
            seen_at: now,
            pending: BTreeSet::new(),
        };
        let reused = self
            .free
            .pop()
            .and_then(|index| Some((index, self.slots.get_mut(index)?)));
        let id = match reused {
            Some((index, slot)) => {
                *slot = Some(consumer);
                ConsumerId(index)
            }
            None => {
                self.slots.push(Some(consumer));
                ConsumerId(self.slots.len() - 1)
            }
        };
        self.by_name.insert(name.into(), id);
        self.name_bytes += 2 * name.len();
        id
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Consumer> {
        let id = self.by_name.remove(name)?;
        self.name_bytes -= 2 * name.len();
        self.free.push(id.0);
        self.slots.get_mut(id.0)?.take()
    }

    pub(super) fn memory(&self) -> usize {
        let tree = self.by_name.len() * (size_of::<(Box<[u8]>, ConsumerId)>() * 3 / 2);
        let slots = self.slots.capacity() * size_of::<Option<Consumer>>();
        tree + self.name_bytes + slots + self.free.capacity() * size_of::<usize>()
    }
}
