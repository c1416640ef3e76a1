//! A list as a journal writes and reads it: by chunk.
//!
//! Chunks are written under their names. They are read in any order, and again when they were written again; only
//! in the end does the list know the room between their names.
//! Next: `changes.rs` (which parts to write), `names.rs` (their order).

use super::List;
use super::changes::Changes;
use super::chunk::{Chunk, ChunkId};
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

    /// The chunks behind the one of this name in order, whether or not it is there; all of them behind none.
    pub(crate) fn parts_after(&self, id: Option<ChunkId>) -> impl Iterator<Item = Part<'_>> {
        self.sequence.after(id).map(|chunk| Part { chunk })
    }

    /// The name of the last chunk.
    pub(crate) fn last_part(&self) -> Option<ChunkId> {
        self.sequence.iter().next_back().map(|chunk| chunk.id)
    }

    /// Puts a chunk as it was written, in the place of the one of its name. False, and nothing done, when no list can
    /// have written it. Nothing is noted; [`Self::loaded`] must follow the last one.
    pub(crate) fn load_chunk(&mut self, id: ChunkId, items: &[&[u8]]) -> bool {
        let Some(chunk) = Chunk::of(id, items) else {
            return false;
        };
        self.names.include(id, self.sequence.front().is_none());
        match self.sequence.find(id) {
            Some(place) => {
                self.sequence.edit(place, |old| *old = chunk);
            }
            None => {
                self.sequence.insert(self.sequence.place_for(id), chunk);
            }
        }
        true
    }

    #[cfg(test)]
    pub(crate) fn is_tracked(&self) -> bool {
        self.changes.is_tracking()
    }

    /// Takes a chunk out that was written as gone.
    pub(crate) fn load_gone(&mut self, id: ChunkId) {
        if let Some(place) = self.sequence.find(id) {
            self.sequence.remove(place);
        }
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(crate) fn track(&mut self, is_on: bool) {
        // Takes the marks off the chunks.
        self.take_dirt();
        self.changes.track(is_on);
    }

    /// Ends loading; from here on changes are noted, or not.
    pub(crate) fn loaded(&mut self, track: bool) {
        Names::give_room(self.sequence.iter_mut());
        self.changes = Changes::loaded(track, self.sequence.has_several());
    }
}
