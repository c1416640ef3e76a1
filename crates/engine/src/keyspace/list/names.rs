//! The names of chunks: numbers whose order is the order of the chunks.
//!
//! A chunk at the head gets a number below all earlier ones, one at the tail a number above; [`STEP`] apart, so
//! that a chunk that is split finds a number between. Every chunk knows which numbers behind its own were never
//! given away, so no name is used twice while the list is in memory. (After a list was read back, names of
//! chunks that were gone by then may return; each is complete in itself, so the later one counts.)
//! When no number is left, all chunks are named anew and the whole list counts as changed.
//! Next: `changes.rs` (what the names are for).

use super::chunk::{Chunk, ChunkId};

/// Room for 24 splits at one place, and for 2^39 chunks at either end.
pub(super) const STEP: i64 = 1 << 24;

/// The numbers in use.
#[derive(Debug, Clone)]
pub(super) struct Names {
    lowest: i64,
    highest: i64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self {
            lowest: 0,
            highest: -STEP,
        }
    }

    /// Goes on from a name that was given before; `is_first` when no other was known.
    pub(super) fn include(&mut self, id: ChunkId, is_first: bool) {
        if is_first {
            (self.lowest, self.highest) = (id.0, id.0);
        }
        self.lowest = self.lowest.min(id.0);
        self.highest = self.highest.max(id.0);
    }

    /// An empty chunk before all others.
    pub(super) fn before(&mut self) -> Option<Chunk> {
        let room = self.lowest;
        self.lowest = room.checked_sub(STEP)?;
        Some(Chunk::new(ChunkId(self.lowest), room))
    }

    /// An empty chunk behind all others.
    pub(super) fn behind(&mut self) -> Option<Chunk> {
        let number = self.highest.checked_add(STEP)?;
        let room = number.checked_add(STEP)?;
        self.highest = number;
        Some(Chunk::new(ChunkId(number), room))
    }

    /// A name right behind this chunk and the room behind that name.
    pub(super) fn between(chunk: &mut Chunk) -> Option<(ChunkId, i64)> {
        let (number, room) = (chunk.id.0, chunk.room);
        let middle = number.checked_add(room.checked_sub(number)? / 2)?;
        if middle <= number {
            return None;
        }
        chunk.room = middle;
        Some((ChunkId(middle), room))
    }

    /// Names all chunks anew.
    pub(super) fn assign<'a>(&mut self, chunks: impl Iterator<Item = &'a mut Chunk>) {
        *self = Self::new();
        for chunk in chunks {
            self.highest = self.highest.saturating_add(STEP);
            chunk.id = ChunkId(self.highest);
            chunk.room = self.highest.saturating_add(STEP);
        }
    }

    /// Tells every chunk of a list just read where the next one begins.
    pub(super) fn give_room<'a>(chunks: impl DoubleEndedIterator<Item = &'a mut Chunk>) {
        let mut behind: Option<i64> = None;
        for chunk in chunks.rev() {
            chunk.room = behind.unwrap_or_else(|| chunk.id.0.saturating_add(STEP));
            behind = Some(chunk.id.0);
        }
    }
}
