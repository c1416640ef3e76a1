//! Streams: entries ordered by ids that only grow, and the groups of consumers that share them.
//!
//! The log keeps the entries in packed blocks, the groups keep positions and unacknowledged deliveries; neither
//! knows the other. Both remember what changed when they are told to track it. Times are given by the caller.
//! Next: `log.rs` (entries), `groups.rs` (consumer groups), `dirt.rs` (what changed), `id.rs`.

mod block;
mod bytes;
mod consumer;
mod dirt;
mod entry;
mod group;
mod groups;
mod id;
mod lag;
mod load;
mod log;
mod node_size;
mod radix;
mod range;
#[cfg(test)]
mod tests;
mod trim;

pub(crate) use consumer::Consumer;
pub(crate) use dirt::StreamPart;
pub(crate) use entry::Entry;
pub(crate) use group::{Group, Pending};
pub(crate) use groups::GroupMut;
pub(crate) use id::{StreamId, WantedId};
pub(crate) use load::Late;
pub(crate) use log::{Log, StreamMeta};
pub(crate) use trim::{Keep, Trim};

use crate::keyspace::Dirt;

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    log: Log,
    groups: groups::Groups,
}

impl Stream {
    /// With `track`, what changes is remembered for [`Stream::take_dirt`].
    pub(crate) fn new(track: bool) -> Self {
        Self {
            log: Log::new(track),
            groups: groups::Groups::new(track),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    /// The entries, to be read.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The groups, to be read.
    pub(crate) fn groups(&self) -> &groups::Groups {
        &self.groups
    }

    /// A group to be changed, and the entries to be read meanwhile.
    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<(GroupMut<'_>, &Log)> {
        Some((self.groups.get_mut(name)?, &self.log))
    }

    /// Appends an entry; `fields` are names and values in turn. False, and nothing done, when the id is not
    /// greater than the last one.
    pub(crate) fn append<F: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[F]) -> bool {
        self.log.append(id, fields)
    }

    /// Removes an entry; false when there is none with this id.
    pub(crate) fn delete(&mut self, id: StreamId) -> bool {
        self.log.delete(id)
    }

    /// Drops the oldest entries; answers how many.
    pub(crate) fn trim(&mut self, trim: &Trim) -> u64 {
        self.log.trim(trim)
    }

    /// Sets last id and counters; the last id must not be smaller than that of a living entry.
    pub(crate) fn set_meta(&mut self, meta: StreamMeta) {
        self.log.set_meta(meta);
    }

    /// False when there is a group of that name.
    pub(crate) fn create_group(
        &mut self,
        name: &[u8],
        last_delivered: StreamId,
        entries_read: Option<u64>,
    ) -> bool {
        self.groups.create(name, last_delivered, entries_read)
    }

    /// False when there is no group of that name.
    pub(crate) fn destroy_group(&mut self, name: &[u8]) -> bool {
        self.groups.destroy(name)
    }

    /// Heap bytes held, without what is remembered for the journal.
    pub(crate) fn memory(&self) -> usize {
        self.log.memory() + self.groups.memory()
    }

    /// What changed since the last call. A stream asked for the first time has changed as a whole.
    pub(crate) fn take_dirt(&mut self) -> Dirt<StreamPart> {
        if !self.log.dirt.tracks() {
            return Dirt::Parts(Vec::new());
        }
        let Some(mut parts) = self.log.dirt.take() else {
            self.groups.take_dirt(&mut Vec::new());
            return Dirt::Whole;
        };
        self.groups.take_dirt(&mut parts);
        Dirt::Parts(parts)
    }

    #[cfg(test)]
    pub(crate) fn is_tracked(&self) -> bool {
        self.log.dirt.tracks() && self.groups.is_tracked()
    }

    #[cfg(test)]
    fn recount(&self) -> usize {
        self.log.recount() + self.groups.recount()
    }
}
