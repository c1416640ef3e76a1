//! A list as a journal writes and reads it: by chunk.
//!
//! A small list is written as a whole, item by item; a parted one as chunks under their names. The packed bytes
//! of a chunk are a format of their own: entries of `entry.rs` one behind the other, at most 128 of them.
//! Reading checks every byte and refuses what no list can have written.
//! Next: `changes.rs` (which parts to write), `names.rs` (their order).

use super::List;
use super::chunk::{Chunk, ChunkId};
#[cfg(test)]
use super::names::Names;
use super::walk::Items;
use crate::keyspace::dirt::Dirt;

/// One chunk as a journal sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    chunk: &'a Chunk,
}

impl<'a> Part<'a> {
    /// Its name.
    pub(crate) fn id(self) -> ChunkId {
        self.chunk.id
    }

    /// Its items as [`List::restore`] takes them.
    #[cfg(test)]
    pub(crate) fn packed(self) -> &'a [u8] {
        self.chunk.packed()
    }

    /// Its items.
    pub(crate) fn items(self) -> Items<'a> {
        self.chunk.iter()
    }
}

impl List {
    /// What changed since the last time. `Whole` means: write the list anew, by chunk if it [is parted].
    ///
    /// [is parted]: Self::is_parted
    pub(crate) fn take_dirt(&mut self) -> Dirt<ChunkId> {
        let dirt = self.changes.take();
        match &dirt {
            Dirt::Whole => self
                .sequence
                .iter_mut()
                .for_each(|chunk| chunk.is_changed = false),
            Dirt::Parts(chunks) => {
                for place in chunks
                    .iter()
                    .filter_map(|id| self.sequence.find(*id))
                    .collect::<Vec<_>>()
                {
                    self.sequence.edit(place, |chunk| chunk.is_changed = false);
                }
            }
        }
        dirt
    }

    /// Whether the list is written by chunk; if not, item by item.
    #[cfg(test)]
    pub(crate) fn is_parted(&self) -> bool {
        self.changes.is_parted()
    }

    /// The chunk of this name; `None` when it is gone.
    pub(crate) fn part(&self, id: ChunkId) -> Option<Part<'_>> {
        let chunk = self.sequence.get(self.sequence.find(id)?)?;
        Some(Part { chunk })
    }

    /// All chunks in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.sequence.iter().map(|chunk| Part { chunk })
    }

    /// The parted list of these chunks, given in any order; `None` when they are not what a list has written.
    #[cfg(test)]
    pub(crate) fn restore<'a>(
        track: bool,
        parts: impl IntoIterator<Item = (ChunkId, &'a [u8])>,
    ) -> Option<Self> {
        let chunk = |(id, packed): (ChunkId, &[u8])| Chunk::from_packed(id, packed);
        let mut chunks = parts.into_iter().map(chunk).collect::<Option<Vec<_>>>()?;
        chunks.sort_unstable_by_key(|chunk| chunk.id);
        let mut list = Self::new(track);
        list.changes.restored();
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else {
            return Some(list);
        };
        list.names = Names::spanning(first.id, last.id);
        if !Names::give_room(&mut chunks) {
            return None;
        }
        for chunk in chunks {
            list.sequence.push_back(chunk);
        }
        Some(list)
    }
}
