//! Finding and removing by value, from either end, and the decision whether an index is worth its price.
//!
//! A short list is walked. A long one is walked too until the walks together cost more than building an index
//! ([`WALKS`] times the list); an index that is kept up in vain for as long is dropped again, so neither a list
//! nobody searches nor a rare search pays for one.
//! The order of Redis holds with and without index: the index only says which chunks to look at, and they are
//! visited in their order.
//! Next: `index.rs` (value to chunk), `mod.rs` (the list).

use std::ops::ControlFlow;

use smallvec::SmallVec;

use super::List;
use super::chunk::{Chunk, ChunkId};
use super::index::{ValueIndex, Whereabouts};
use super::sequence::Place;

/// Lists up to this length are walked.
const LONG: usize = 512;
/// An index is dropped below this length.
const SHORT: usize = 256;
/// Walks over the whole list that pay for an index.
const WALKS: usize = 4;
/// Changes per item, without a search, after which an index is given up.
const IDLE: usize = 4;

/// The end a search begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Head,
    Tail,
}

impl List {
    /// Removes `count` items equal to `value`, from the head, from the tail when negative, all when zero.
    pub(crate) fn remove(&mut self, count: i64, value: &[u8]) -> usize {
        let from = if count < 0 { End::Tail } else { End::Head };
        let limit = if count == 0 {
            usize::MAX
        } else {
            usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)
        };
        if limit == 1 {
            return self.remove_one(value, from);
        }
        let mut found: SmallVec<[(ChunkId, usize); 4]> = SmallVec::new();
        let mut left = limit;
        self.search(value, from, |chunk, _| {
            let matches = chunk.ordinals(value).len();
            if matches > 0 {
                found.push((chunk.id, matches));
                left = left.saturating_sub(matches);
            }
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let mut removed = 0;
        for (id, matches) in found {
            let taken = matches.min(limit - removed);
            let spare = if from == End::Tail { matches - taken } else { 0 };
            removed += self.remove_in_chunk(id, value, spare, taken);
        }
        self.review_index();
        removed
    }

    /// The common case: one walk over the chunk, from the right end.
    fn remove_one(&mut self, value: &[u8], from: End) -> usize {
        let mut found = None;
        self.search(value, from, |chunk, _| {
            let offset = if from == End::Head {
                chunk.find(value)
            } else {
                chunk.find_last(value)
            };
            found = offset.map(|offset| (chunk.id, offset));
            if found.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let Some((id, offset)) = found else { return 0 };
        let Some(place) = self.sequence.find(id) else {
            return 0;
        };
        self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            chunk.remove(offset);
            if let Some(index) = &mut self.index {
                index.remove(value, chunk.handle);
            }
        });
        self.tidy(place);
        self.review_index();
        1
    }

    fn remove_in_chunk(&mut self, id: ChunkId, value: &[u8], spare: usize, limit: usize) -> usize {
        let Some(place) = self.sequence.find(id) else {
            return 0;
        };
        let removed = self.sequence.edit(place, |chunk| {
            self.changes.note(chunk);
            let removed = chunk.remove_matches(value, spare, limit);
            if let Some(index) = &mut self.index {
                (0..removed).for_each(|_| index.remove(value, chunk.handle));
            }
            removed
        });
        self.tidy(place);
        removed.unwrap_or(0)
    }

    /// The indexes of items equal to `value`: from the `rank`th occurrence on (counted from the tail when
    /// negative), at most `count` of them (0: all), comparing `max_len` items at most (0: all).
    pub(crate) fn positions(&mut self, value: &[u8], rank: i64, count: usize, max_len: usize) -> Vec<usize> {
        let from = if rank < 0 { End::Tail } else { End::Head };
        let mut skipped = rank.unsigned_abs().saturating_sub(1);
        let len = self.len();
        let max_len = if max_len == 0 { len } else { max_len };
        let mut positions = Vec::new();
        self.search(value, from, |chunk, base| {
            let nearest = if from == End::Head {
                base
            } else {
                len - base - chunk.count()
            };
            if nearest >= max_len {
                return ControlFlow::Break(());
            }
            let mut ordinals = chunk.ordinals(value);
            if from == End::Tail {
                ordinals.reverse();
            }
            for index in ordinals.iter().map(|ordinal| base + *ordinal as usize) {
                let distance = if from == End::Head { index } else { len - 1 - index };
                if distance >= max_len {
                    return ControlFlow::Break(());
                }
                if skipped > 0 {
                    skipped -= 1;
                    continue;
                }
                positions.push(index);
                if positions.len() == count {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        positions
    }

    /// The first item equal to `value`: its chunk and its number there.
    pub(super) fn find_first(&mut self, value: &[u8]) -> Option<(Place, usize)> {
        let mut found = None;
        self.search(value, End::Head, |chunk, _| match chunk.ordinals(value).first() {
            Some(&ordinal) => {
                found = Some((chunk.id, ordinal as usize));
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        });
        let (id, ordinal) = found?;
        Some((self.sequence.find(id)?, ordinal))
    }

    /// Visits every chunk that may hold `value`, in order from one end, with the number of items before it.
    fn search(&mut self, value: &[u8], from: End, mut visit: impl FnMut(&Chunk, usize) -> ControlFlow<()>) {
        let Some(mut chunks) = self.candidates(value) else {
            return self.walk(from, visit);
        };
        chunks.sort_unstable();
        if from == End::Tail {
            chunks.reverse();
        }
        for place in chunks.iter().filter_map(|id| self.sequence.find(*id)) {
            let Some(chunk) = self.sequence.get(place) else {
                continue;
            };
            if visit(chunk, self.sequence.items_before(place)).is_break() {
                return;
            }
        }
    }

    fn walk(&mut self, from: End, mut visit: impl FnMut(&Chunk, usize) -> ControlFlow<()>) {
        let len = self.len();
        let mut walked = 0;
        let mut step = |chunk: &Chunk| {
            let base = if from == End::Head {
                walked
            } else {
                len - walked - chunk.count()
            };
            walked += chunk.count();
            visit(chunk, base)
        };
        // Which end stopped the walk does not matter, only how far it came.
        let _ = match from {
            End::Head => self.sequence.iter().try_for_each(&mut step),
            End::Tail => self.sequence.iter().rev().try_for_each(&mut step),
        };
        if len > LONG && self.index.is_none() {
            self.walked = self.walked.saturating_add(walked);
        }
    }

    /// The chunks that may hold `value`; `None` when all may.
    fn candidates(&mut self, value: &[u8]) -> Option<SmallVec<[ChunkId; 16]>> {
        if self.index.is_none() && self.len() > LONG && self.walked / WALKS >= self.len() {
            self.build_index();
        }
        let index = self.index.as_mut()?;
        match index.whereabouts(value) {
            Whereabouts::Chunks(chunks) => Some(chunks),
            Whereabouts::Counted(count) if ValueIndex::is_rare(count) => {
                index.list_again(value, self.sequence.iter());
                match index.whereabouts(value) {
                    Whereabouts::Chunks(chunks) => Some(chunks),
                    Whereabouts::Counted(_) => None,
                }
            }
            Whereabouts::Counted(_) => None,
        }
    }

    pub(super) fn build_index(&mut self) {
        let mut index = Box::new(ValueIndex::new(self.len()));
        for chunk in self.sequence.iter_mut() {
            index.add_chunk(chunk);
        }
        self.index = Some(index);
        self.walked = 0;
    }

    /// Counts a change against the index, and gives it up when it serves nobody.
    #[inline]
    pub(super) fn review_index(&mut self) {
        let len = self.sequence.items();
        let Some(index) = &mut self.index else { return };
        index.idle += 1;
        if len < SHORT || index.idle / IDLE > len {
            self.index = None;
        }
    }
}
