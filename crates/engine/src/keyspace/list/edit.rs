//! Everything that changes a list, save removal by value.
//!
//! Each change goes to one chunk and keeps four things in step: the counts (by `Sequence::edit`), the noted
//! changes, the value index, and the rule that no chunk is empty or nearly so.
//! Next: `search.rs` (removal by value), `chunk.rs` (the bytes).

use super::List;
use super::chunk::{Chunk, ChunkId};
use super::entry;
use super::names::Names;
use super::sequence::Place;

/// A chunk with no more items, in no more bytes, joins a neighbour that has room.
const SPARSE: (usize, usize) = (16, 1024);
/// What the joined chunk may hold, so that it does not need to be split at once.
const JOINED: (usize, usize) = (64, 4096);

impl List {
    /// Adds an item before all others.
    pub(crate) fn push_front(&mut self, value: &[u8]) {
        if let Some(place) = self.sequence.front() {
            if self.has_room(place, value) {
                return self.add(place, value, |chunk| chunk.push_front(value));
            }
            self.sequence.edit(place, Chunk::fit);
        }
        if let Some(chunk) = self.named(Names::before) {
            let chunk = self.filled(chunk, value);
            self.sequence.push_front(chunk);
        }
    }

    /// Adds an item behind all others.
    pub(crate) fn push_back(&mut self, value: &[u8]) {
        if let Some(place) = self.sequence.back() {
            if self.has_room(place, value) {
                return self.add(place, value, |chunk| chunk.push_back(value));
            }
            self.sequence.edit(place, Chunk::fit);
        }
        if let Some(chunk) = self.named(Names::behind) {
            let chunk = self.filled(chunk, value);
            self.sequence.push_back(chunk);
        }
    }

    /// Takes the first item.
    pub(crate) fn pop_front(&mut self) -> Option<Vec<u8>> {
        self.pop_front_with(<[u8]>::to_vec)
    }

    /// Takes the last item.
    pub(crate) fn pop_back(&mut self) -> Option<Vec<u8>> {
        self.pop_back_with(<[u8]>::to_vec)
    }

    /// Shows the first item and drops it.
    pub(crate) fn pop_front_with<R>(&mut self, show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let place = self.sequence.front()?;
        let shown = show(self.sequence.get(place)?.first()?);
        self.drop_in_front(place, 1);
        self.review_index();
        Some(shown)
    }

    /// Shows the last item and drops it.
    pub(crate) fn pop_back_with<R>(&mut self, show: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let place = self.sequence.back()?;
        let shown = show(self.sequence.get(place)?.last()?);
        self.drop_behind(place, 1);
        self.review_index();
        Some(shown)
    }

    /// Replaces the item at `index`; `false` when there is none.
    pub(crate) fn set(&mut self, index: usize, value: &[u8]) -> bool {
        let Some((place, ordinal)) = self.sequence.locate(index) else {
            return false;
        };
        let is_replaced = self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            let offset = chunk.offset(ordinal);
            if let (Some(index), Some(old)) = (&mut self.index, chunk.get(ordinal)) {
                index.remove(old, chunk.handle);
            }
            let rest = chunk.used() - chunk.entry_len(offset).unwrap_or(0);
            let fits = chunk.count() == 1 || Chunk::is_size_allowed(rest + entry::encoded_len(value.len()));
            if !fits {
                chunk.remove(offset);
                return false;
            }
            chunk.replace(offset, value);
            if let Some(index) = &mut self.index {
                index.add(value, chunk.handle);
            }
            true
        });
        if is_replaced == Some(false) {
            self.insert(place, ordinal, value);
        }
        self.review_index();
        true
    }

    /// Adds an item before the first one that equals `pivot`; `false` when there is none.
    pub(crate) fn insert_before(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        let Some((place, ordinal)) = self.find_first(pivot) else {
            return false;
        };
        self.insert(place, ordinal, value);
        true
    }

    /// Adds an item behind the first one that equals `pivot`; `false` when there is none.
    pub(crate) fn insert_after(&mut self, pivot: &[u8], value: &[u8]) -> bool {
        let Some((place, ordinal)) = self.find_first(pivot) else {
            return false;
        };
        self.insert(place, ordinal + 1, value);
        true
    }

    /// Keeps `count` items from `start` on and drops all others.
    pub(crate) fn trim(&mut self, start: usize, count: usize) {
        let kept = count.min(self.len().saturating_sub(start));
        if kept < self.len() / 2 {
            // Taking most items out one by one costs more than an index for the rest.
            self.index = None;
        }
        let mut behind = self.len() - kept - start.min(self.len());
        let mut before = self.len() - kept - behind;
        while let (1.., Some(place)) = (before, self.sequence.front()) {
            before -= self.drop_in_front(place, before);
        }
        while let (1.., Some(place)) = (behind, self.sequence.back()) {
            behind -= self.drop_behind(place, behind);
        }
        self.review_index();
    }

    fn has_room(&self, place: Place, value: &[u8]) -> bool {
        self.sequence
            .get(place)
            .is_some_and(|chunk| chunk.has_room_for(value.len()))
    }

    /// Adds an item to a chunk that has room.
    #[inline]
    fn add(&mut self, place: Place, value: &[u8], put: impl FnOnce(&mut Chunk)) {
        self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            put(chunk);
            if let Some(index) = &mut self.index {
                index.add(value, chunk.handle);
            }
        });
        self.review_index();
    }

    /// Drops up to `count` items at the front of the chunk; says how many.
    fn drop_in_front(&mut self, place: Place, count: usize) -> usize {
        let dropped = self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            let dropped = count.min(chunk.count());
            if let Some(index) = &mut self.index {
                chunk
                    .iter()
                    .take(dropped)
                    .for_each(|value| index.remove(value, chunk.handle));
            }
            chunk.drop_front(dropped);
            dropped
        });
        self.drop_if_empty(place);
        dropped.unwrap_or(count)
    }

    /// Drops up to `count` items at the end of the chunk; says how many.
    fn drop_behind(&mut self, place: Place, count: usize) -> usize {
        let dropped = self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            let dropped = count.min(chunk.count());
            if let Some(index) = &mut self.index {
                chunk
                    .iter()
                    .rev()
                    .take(dropped)
                    .for_each(|value| index.remove(value, chunk.handle));
            }
            chunk.drop_back(dropped);
            dropped
        });
        self.drop_if_empty(place);
        dropped.unwrap_or(count)
    }

    fn drop_if_empty(&mut self, place: Place) {
        if self.sequence.get(place).is_some_and(Chunk::is_empty) {
            self.drop_chunk(place);
        }
    }

    /// Removes a chunk whose items are gone or elsewhere.
    fn drop_chunk(&mut self, place: Place) -> Option<Chunk> {
        let mut chunk = self.sequence.remove(place)?;
        self.changes.note(&mut chunk);
        if let Some(index) = &mut self.index {
            index.close(chunk.handle);
        }
        Some(chunk)
    }

    /// Removes the chunk if it is empty, or joins it with a neighbour if it is nearly so.
    pub(super) fn tidy(&mut self, place: Place) {
        let Some(chunk) = self.sequence.get(place) else {
            return;
        };
        if chunk.is_empty() {
            self.drop_chunk(place);
            return;
        }
        if chunk.count() > SPARSE.0 || chunk.used() > SPARSE.1 {
            return;
        }
        let has_room = |other: &Place| {
            let other = self.sequence.get(*other);
            other.is_some_and(|other| {
                other.count() + chunk.count() <= JOINED.0 && other.used() + chunk.used() <= JOINED.1
            })
        };
        let before = self.sequence.previous(place).filter(has_room);
        let Some(other) = before.or_else(|| self.sequence.next(place).filter(has_room)) else {
            return;
        };
        self.join(place, other, before.is_none());
    }

    /// Moves the items of one chunk to its neighbour.
    fn join(&mut self, place: Place, other: Place, is_in_front: bool) {
        let Some(id) = self.sequence.get(other).map(|other| other.id) else {
            return;
        };
        let Some(chunk) = self.drop_chunk(place) else {
            return;
        };
        let Some(other) = self.sequence.find(id) else {
            return;
        };
        self.sequence.edit(other, |other| {
            self.changes.note(other);
            other.absorb(&chunk, is_in_front);
            if let Some(index) = &mut self.index {
                chunk
                    .iter()
                    .for_each(|value| index.transfer(value, chunk.handle, other.handle));
            }
        });
    }

    /// Puts an item before the one with this number in the chunk (behind the last one for the chunk's count).
    fn insert(&mut self, place: Place, ordinal: usize, value: &[u8]) {
        let Some(count) = self.sequence.get(place).map(Chunk::count) else {
            return;
        };
        if self.has_room(place, value) {
            return self.add(place, value, |chunk| chunk.insert(chunk.offset(ordinal), value));
        }
        if ordinal == 0 {
            match self.sequence.previous(place) {
                None => self.push_front(value),
                Some(previous) => self.insert_between(previous, place, value),
            }
        } else if ordinal == count {
            match self.sequence.next(place) {
                None => self.push_back(value),
                Some(next) => self.insert_between(place, next, value),
            }
        } else {
            let rest = self.split(place, ordinal);
            if let Some((rest, previous)) = rest.and_then(|rest| Some((rest, self.sequence.previous(rest)?)))
            {
                self.insert_between(previous, rest, value);
            }
        }
    }

    /// Puts an item between two neighbouring chunks.
    fn insert_between(&mut self, left: Place, right: Place, value: &[u8]) {
        if self.has_room(left, value) {
            return self.add(left, value, |chunk| chunk.push_back(value));
        }
        if self.has_room(right, value) {
            return self.add(right, value, |chunk| chunk.push_front(value));
        }
        let Some((id, room)) = self.name_behind(left) else {
            return;
        };
        let chunk = self.filled(Chunk::new(id, room), value);
        self.sequence.insert(left.behind(), chunk);
        self.review_index();
    }

    /// Cuts a chunk in two before the item with this number; says where the second half is.
    fn split(&mut self, place: Place, ordinal: usize) -> Option<Place> {
        let (id, room) = self.name_behind(place)?;
        let rest = self.sequence.edit(place, |chunk| {
            self.changes.part();
            self.changes.note(chunk);
            let mut rest = chunk.split(ordinal, id, room);
            self.changes.note(&mut rest);
            if let Some(index) = &mut self.index {
                index.open(&mut rest);
                rest.iter()
                    .for_each(|value| index.transfer(value, chunk.handle, rest.handle));
            }
            rest
        });
        Some(self.sequence.insert(place.behind(), rest?))
    }

    /// An empty chunk at an end.
    fn named(&mut self, name: impl Fn(&mut Names) -> Option<Chunk>) -> Option<Chunk> {
        if let Some(chunk) = name(&mut self.names) {
            return Some(chunk);
        }
        self.name_anew();
        name(&mut self.names)
    }

    /// The name of a new chunk behind this one.
    fn name_behind(&mut self, place: Place) -> Option<(ChunkId, i64)> {
        if let Some(name) = self.sequence.edit(place, Names::between)? {
            return Some(name);
        }
        self.name_anew();
        self.sequence.edit(place, Names::between)?
    }

    /// Spaces the names out again.
    fn name_anew(&mut self) {
        self.names.assign(self.sequence.iter_mut());
        self.changes.note_whole();
        if let Some(index) = &mut self.index {
            self.sequence.iter_mut().for_each(|chunk| index.rename(chunk));
        }
    }

    /// A new chunk with its first item, about to join the list.
    fn filled(&mut self, mut chunk: Chunk, value: &[u8]) -> Chunk {
        chunk.push_back(value);
        if !self.is_empty() {
            self.changes.part();
        }
        self.changes.note(&mut chunk);
        if let Some(index) = &mut self.index {
            index.add_chunk(&mut chunk);
        }
        chunk
    }
}
