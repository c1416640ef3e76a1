//! A consumer group: how far it has read, and who holds which entry unacknowledged.
//!
//! Pending entries are kept once by id for the group, with owner, time and count of deliveries, and once as
//! bare ids for each consumer; an entry has one owner. Nothing here looks at the stream's entries: a pending
//! entry may be deleted from the stream and stays pending until somebody acknowledges it.
//! Next: `consumer.rs`, `groups.rs` (all groups of a stream), `lag.rs` (what the read counter is good for).

use std::collections::{BTreeMap, BTreeSet};

use super::consumer::{Consumer, ConsumerId, Consumers};
use super::dirt::StreamPart;
use super::id::StreamId;

/// An entry of a tree with its share of the nodes, which are rarely full.
const PENDING_ENTRY_BYTES: usize = (size_of::<StreamId>() + size_of::<Pending>()) * 5 / 3;
const OWNED_ENTRY_BYTES: usize = size_of::<StreamId>() * 5 / 3;

/// An entry delivered and not yet acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) consumer: ConsumerId,
    /// Unix milliseconds of the last delivery.
    pub(crate) delivered_at: i64,
    pub(crate) deliveries: u64,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    last_delivered: StreamId,
    /// Entries of the stream the group has read, none when that cannot be known.
    entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Consumers,
    dirt: Option<GroupDirt>,
}

/// What changed in a group since the last question.
#[derive(Clone, Debug, Default)]
struct GroupDirt {
    whole: bool,
    meta: bool,
    consumers: Vec<Box<[u8]>>,
    pending: Vec<StreamId>,
}

impl Group {
    pub(super) fn new(last_delivered: StreamId, entries_read: Option<u64>, track: bool) -> Self {
        let dirt = track.then(|| GroupDirt {
            whole: true,
            ..GroupDirt::default()
        });
        Self {
            last_delivered,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Consumers::default(),
            dirt,
        }
    }

    pub(crate) fn last_delivered(&self) -> StreamId {
        self.last_delivered
    }

    pub(crate) fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// Moves the group's position.
    pub(crate) fn set_position(&mut self, last_delivered: StreamId, entries_read: Option<u64>) {
        self.last_delivered = last_delivered;
        self.entries_read = entries_read;
        self.meta_changed();
    }

    pub(crate) fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    pub(crate) fn consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.consumers.find(name)
    }

    /// Adds a consumer, none when there is one of that name.
    pub(crate) fn create_consumer(&mut self, name: &[u8], now: i64) -> Option<ConsumerId> {
        let created = self.consumers.create(name, now)?;
        self.consumer_changed(name);
        Some(created)
    }

    /// The consumer of that name, who was seen just now; a new one when there is none.
    pub(crate) fn seen_consumer(&mut self, name: &[u8], now: i64) -> ConsumerId {
        match self.consumers.find(name) {
            Some(id) => {
                if let Some(consumer) = self.consumers.get_mut(id)
                    && consumer.seen_at != now
                {
                    consumer.seen_at = now;
                    self.consumer_changed(name);
                }
                id
            }
            None => {
                self.consumer_changed(name);
                self.consumers.find_or_create(name, now)
            }
        }
    }

    /// Removes a consumer with all it holds; answers how many entries that were, none without such a consumer.
    pub(crate) fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for id in &consumer.pending {
            self.pending.remove(id);
            self.pending_changed(*id);
        }
        self.consumer_changed(name);
        Some(consumer.pending.len())
    }

    pub(crate) fn pending_len(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    pub(crate) fn smallest_pending(&self) -> Option<StreamId> {
        self.pending.keys().next().copied()
    }

    pub(crate) fn greatest_pending(&self) -> Option<StreamId> {
        self.pending.keys().next_back().copied()
    }

    /// Pending entries of all consumers, both bounds included.
    pub(crate) fn pending_range(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        // The tree panics when asked for an inverted range.
        let range = (from <= to).then(|| self.pending.range(from..=to));
        range.into_iter().flatten().map(|(id, pending)| (*id, pending))
    }

    /// Makes an entry pending for a consumer, or hands it over when it is pending already.
    pub(crate) fn set_pending(&mut self, id: StreamId, pending: Pending) {
        let before = self.pending.insert(id, pending);
        if before.is_none_or(|before| before.consumer != pending.consumer) {
            if let Some(owner) = before.and_then(|before| self.consumers.get_mut(before.consumer)) {
                owner.pending.remove(&id);
            }
            if let Some(owner) = self.consumers.get_mut(pending.consumer) {
                owner.pending.insert(id);
            }
        }
        self.pending_changed(id);
    }

    /// Takes an entry off the pending ones; false when it was not pending.
    pub(crate) fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        if let Some(owner) = self.consumers.get_mut(pending.consumer) {
            owner.pending.remove(&id);
        }
        self.pending_changed(id);
        true
    }

    pub(super) fn memory(&self) -> usize {
        self.pending.len() * (PENDING_ENTRY_BYTES + OWNED_ENTRY_BYTES) + self.consumers.memory()
    }

    /// Whether anything changed since the last question.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirt.as_ref().is_some_and(|dirt| {
            dirt.whole || dirt.meta || !dirt.consumers.is_empty() || !dirt.pending.is_empty()
        })
    }

    fn meta_changed(&mut self) {
        if let Some(dirt) = &mut self.dirt {
            dirt.meta = true;
        }
    }

    fn consumer_changed(&mut self, name: &[u8]) {
        if let Some(dirt) = &mut self.dirt
            && !dirt.whole
            && dirt.consumers.last().is_none_or(|last| **last != *name)
        {
            dirt.consumers.push(name.into());
        }
    }

    fn pending_changed(&mut self, id: StreamId) {
        if let Some(dirt) = &mut self.dirt
            && !dirt.whole
        {
            dirt.pending.push(id);
        }
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(super) fn track(&mut self, is_on: bool) {
        self.dirt = is_on.then(GroupDirt::default);
    }

    /// Adds the parts of this group that changed, and forgets them.
    pub(super) fn take_dirt(&mut self, name: &[u8], parts: &mut Vec<StreamPart>) {
        let Some(dirt) = &mut self.dirt else { return };
        let mut taken = std::mem::take(dirt);
        if taken.whole {
            parts.push(StreamPart::Group(name.into()));
            return;
        }
        if taken.meta {
            parts.push(StreamPart::GroupMeta(name.into()));
        }
        taken.consumers.sort_unstable();
        taken.consumers.dedup();
        let consumers = taken.consumers.into_iter();
        parts.extend(consumers.map(|consumer| StreamPart::Consumer(name.into(), consumer)));
        taken.pending.sort_unstable();
        taken.pending.dedup();
        parts.extend(
            taken
                .pending
                .into_iter()
                .map(|id| StreamPart::Pending(name.into(), id)),
        );
    }

    #[cfg(test)]
    pub(super) fn owners_agree(&self) -> bool {
        let held: usize = self.consumers.iter().map(|consumer| consumer.pending.len()).sum();
        held == self.pending.len()
            && self.pending.iter().all(|(id, pending)| {
                self.consumers
                    .get(pending.consumer)
                    .is_some_and(|owner| owner.pending.contains(id))
            })
    }
}

/// What a consumer holds.
impl Consumer {
    pub(crate) fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}
