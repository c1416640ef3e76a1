//! Reading a stream from one id to another, in either direction.
//!
//! The block of the first id is found by binary search; within it entries before the range are stepped over by
//! their lengths alone.
//! Next: `block.rs`.

use super::entry::Entry;
use super::id::StreamId;
use super::log::Log;

impl Log {
    /// The entries from one id to another, both included, oldest first.
    pub(crate) fn range(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let start = self.blocks.partition_point(|block| block.last() < from);
        let entries = self.blocks.range(start..).flat_map(move |block| {
            let mut entries = block.entries();
            if block.first() < from {
                entries.seek(from);
            }
            entries
        });
        entries.take_while(move |entry| entry.id() <= to)
    }

    /// The entries from one id to another, both included, newest first.
    pub(crate) fn range_reversed(&self, from: StreamId, to: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let end = self.blocks.partition_point(|block| block.first() <= to);
        let entries = self
            .blocks
            .range(..end)
            .rev()
            .flat_map(move |block| block.entries().reversed_up_to(to));
        entries.take_while(move |entry| entry.id() >= from)
    }

    /// The entries after this id, oldest first.
    pub(crate) fn after(&self, id: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let from = id.next();
        from.into_iter().flat_map(|from| self.range(from, StreamId::MAX))
    }
}
