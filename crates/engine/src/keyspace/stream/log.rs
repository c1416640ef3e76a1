//! The entries of a stream: packed blocks in the order of their ids.
//!
//! Appending costs the same however long the stream is, finding an id takes O(log n), dropping the oldest
//! entries costs O(blocks). Blocks lie in a ring: new ones come at the end, old ones leave at the front, and a
//! binary search over them touches one cache line a step.
//! Next: `block.rs`, `range.rs` (reading), `trim.rs` (dropping the oldest), `dirt.rs` (what changed).

use std::collections::VecDeque;

use super::block::{Block, Schemas};
use super::dirt::LogDirt;
use super::entry::Entry;
use super::id::StreamId;

/// What a stream knows about itself besides its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamMeta {
    /// The greatest id ever given out.
    pub(crate) last_id: StreamId,
    /// The greatest id ever removed by XDEL.
    pub(crate) max_deleted: StreamId,
    /// Entries ever added, including those gone since.
    pub(crate) entries_added: u64,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(super) blocks: VecDeque<Block>,
    pub(super) length: u64,
    /// Id of the oldest living entry, zero when there is none.
    pub(super) first_id: StreamId,
    meta: StreamMeta,
    /// Of the last block; empty when it has to be looked up again.
    schemas: Schemas,
    /// Bytes of all blocks' buffers.
    pub(super) block_bytes: usize,
    pub(super) dirt: LogDirt,
}

impl Log {
    pub(super) fn new(track: bool) -> Self {
        Self {
            blocks: VecDeque::new(),
            length: 0,
            first_id: StreamId::MIN,
            meta: StreamMeta::default(),
            schemas: Schemas::new(),
            block_bytes: 0,
            dirt: LogDirt::new(track),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.length as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn meta(&self) -> StreamMeta {
        self.meta
    }

    pub(crate) fn last_id(&self) -> StreamId {
        self.meta.last_id
    }

    /// Id of the oldest entry, zero when there is none.
    pub(crate) fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// Keys and nodes of the radix tree in which Redis would hold the blocks.
    pub(crate) fn tree_size(&self) -> (usize, usize) {
        (
            self.blocks.len(),
            super::radix::node_count(self.blocks.iter().map(Block::first)),
        )
    }

    /// Appends an entry with a new greatest id; `fields` are names and values in turn. False, and nothing
    /// done, when the id is not greater than the last one.
    pub(super) fn append<F: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[F]) -> bool {
        if id <= self.meta.last_id {
            return false;
        }
        self.place(id, fields);
        self.meta.last_id = id;
        self.meta.entries_added += 1;
        self.dirt.appended(id);
        true
    }

    /// Puts an entry at the end without touching the counters.
    pub(super) fn place<F: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[F]) {
        let payload = fields.iter().map(|text| text.as_ref().len() as u64).sum();
        let has_room = self.blocks.back().is_some_and(|block| block.has_room(payload));
        if has_room {
            if self.schemas.is_empty()
                && let Some(block) = self.blocks.back()
            {
                self.schemas = block.schemas();
            }
        } else {
            self.begin_block(Block::new(id, fields));
        }
        if let Some(block) = self.blocks.back_mut() {
            let before = block.memory();
            block.push(id, fields, &mut self.schemas);
            self.block_bytes += block.memory() - before;
        }
        if self.length == 0 {
            self.first_id = id;
        }
        self.length += 1;
    }

    fn begin_block(&mut self, block: Block) {
        if let Some(full) = self.blocks.back_mut() {
            self.block_bytes -= full.memory();
            full.seal();
            self.block_bytes += full.memory();
        }
        self.schemas.clear();
        self.blocks.push_back(block);
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.blocks.get(self.block_of(id)?)?.get(id)
    }

    pub(crate) fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// Index of the only block that may hold this id.
    fn block_of(&self, id: StreamId) -> Option<usize> {
        self.blocks
            .partition_point(|block| block.first() <= id)
            .checked_sub(1)
    }

    /// Removes one entry as XDEL does: the greatest id removed so is remembered.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some(index) = self.block_of(id) else {
            return false;
        };
        let Some(block) = self.blocks.get_mut(index) else {
            return false;
        };
        if !block.delete(id) {
            return false;
        }
        if block.live() == 0 {
            self.drop_block(index);
        }
        self.length -= 1;
        self.meta.max_deleted = self.meta.max_deleted.max(id);
        if id == self.first_id {
            self.find_first();
        }
        self.dirt.deleted(id);
        true
    }

    pub(super) fn drop_block(&mut self, index: usize) -> Option<Block> {
        if index + 1 == self.blocks.len() {
            self.schemas.clear();
        }
        let block = self.blocks.remove(index)?;
        self.block_bytes -= block.memory();
        if self.blocks.len() * 8 < self.blocks.capacity() {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
        Some(block)
    }

    pub(super) fn find_first(&mut self) {
        let first = self.blocks.iter().find_map(|block| block.entries().next());
        self.first_id = first.map_or(StreamId::MIN, |entry| entry.id());
    }

    /// The last living entry's id, zero when there is none.
    pub(crate) fn last_living_id(&self) -> StreamId {
        self.range_reversed(StreamId::MIN, StreamId::MAX)
            .next()
            .map_or(StreamId::MIN, |entry| entry.id())
    }

    /// Sets what XSETID may set.
    pub(super) fn set_meta(&mut self, meta: StreamMeta) {
        if meta.last_id < self.meta.last_id {
            self.dirt.set_back();
        }
        self.meta = meta;
        self.dirt.meta();
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(super) fn track(&mut self, is_on: bool) {
        self.dirt = LogDirt::none(is_on);
    }

    pub(super) fn memory(&self) -> usize {
        let schemas = if self.schemas.spilled() {
            self.schemas.capacity() * size_of::<u32>()
        } else {
            0
        };
        self.block_bytes + self.blocks.capacity() * size_of::<Block>() + schemas
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        let buffers: usize = self.blocks.iter().map(Block::memory).sum();
        buffers + self.blocks.capacity() * size_of::<Block>()
    }
}
