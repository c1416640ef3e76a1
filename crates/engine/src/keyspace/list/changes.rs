//! What a journal must rewrite of a list: the names of chunks that changed, came or went.
//!
//! A list that never had two chunks is small and counts as one; from the second chunk on it is written by chunk,
//! until it is created anew. Names given to every chunk at once make the whole count as changed.
//! Without tracking nothing is remembered.
//! Next: `chunk.rs` (the flag that keeps a name from being noted twice), `mod.rs`.

use super::chunk::{Chunk, ChunkId};
use crate::keyspace::dirt::Dirt;

/// The memory of changes.
#[derive(Debug)]
pub(super) struct Changes {
    is_tracking: bool,
    is_whole: bool,
    /// Whether the list is written by chunk.
    is_parted: bool,
    chunks: Vec<ChunkId>,
}

impl Changes {
    pub(super) fn new(is_tracking: bool) -> Self {
        Self {
            is_tracking,
            is_whole: false,
            is_parted: false,
            chunks: Vec::new(),
        }
    }

    /// Changes of a copy: it is new as a whole.
    pub(super) fn of_copy(&self) -> Self {
        Self {
            is_whole: true,
            is_parted: self.is_parted,
            ..Self::new(self.is_tracking)
        }
    }

    #[cfg(test)]
    pub(super) fn is_tracking(&self) -> bool {
        self.is_tracking
    }

    #[cfg(test)]
    pub(super) fn is_parted(&self) -> bool {
        self.is_parted
    }

    /// Notes a chunk that was changed or is about to go.
    #[inline]
    pub(super) fn note(&mut self, chunk: &mut Chunk) {
        if !self.is_tracking || self.is_whole || chunk.is_changed {
            return;
        }
        if !self.is_parted {
            self.is_whole = true;
            return;
        }
        chunk.is_changed = true;
        self.chunks.push(chunk.id);
    }

    /// The list has a second chunk.
    #[inline]
    pub(super) fn part(&mut self) {
        if !self.is_parted {
            self.is_parted = true;
            self.note_whole();
        }
    }

    /// Of a list whose chunks are written as they are.
    pub(super) fn loaded(is_tracking: bool, is_parted: bool) -> Self {
        Self {
            is_parted,
            ..Self::new(is_tracking)
        }
    }

    /// Remembers changes from here on, or none; nothing is noted now.
    pub(super) fn track(&mut self, is_on: bool) {
        self.is_tracking = is_on;
    }

    /// Everything changed.
    pub(super) fn note_whole(&mut self) {
        self.is_whole = self.is_tracking;
        self.chunks = Vec::new();
    }

    /// What was noted, forgotten at once. The flags of the named chunks are the caller's to clear.
    pub(super) fn take(&mut self) -> Dirt<ChunkId> {
        let chunks = std::mem::take(&mut self.chunks);
        if std::mem::take(&mut self.is_whole) {
            Dirt::Whole
        } else {
            Dirt::Parts(chunks)
        }
    }
}
