//! A list: a double-ended sequence of byte strings.
//!
//! Items lie packed in chunks of up to 128 (two bytes beside each short item). Both ends take and give in
//! constant time, a position is found by counting over segments and chunks, a value in a long list by an index
//! that exists only while somebody searches.
//! Chunks have stable names in list order, and the list knows which of them changed ([`List::take_dirt`]), so a
//! journal rewrites chunks, never positions.
//! Next: `chunk.rs` (packed items), `sequence.rs` (chunks in order), `search.rs` and `index.rs` (by value),
//! `names.rs` and `changes.rs` (what a journal sees).

mod changes;
mod chunk;
mod edit;
mod entry;
mod index;
mod iter;
mod names;
mod parts;
mod search;
mod sequence;
#[cfg(test)]
mod tests;
mod walk;

use changes::Changes;
pub(crate) use chunk::ChunkId;
use index::ValueIndex;
pub(crate) use iter::Range;
use names::Names;
pub(crate) use parts::Part;
use sequence::Sequence;

/// A list of byte strings.
pub(crate) struct List {
    sequence: Sequence,
    names: Names,
    changes: Changes,
    index: Option<Box<ValueIndex>>,
    /// Items looked at by searches without an index.
    walked: usize,
}

impl List {
    /// An empty list that remembers its changes, or not.
    pub(crate) fn new(track: bool) -> Self {
        Self {
            sequence: Sequence::default(),
            names: Names::new(),
            changes: Changes::new(track),
            index: None,
            walked: 0,
        }
    }

    /// The number of items.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.sequence.items()
    }

    /// Whether there is no item.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes on the heap. Names of changed chunks waiting for [`Self::take_dirt`] are not counted.
    pub(crate) fn memory(&self) -> usize {
        self.sequence.heap() + self.index.as_ref().map_or(0, |index| index.heap())
    }

    /// The same, counted anew.
    #[cfg(test)]
    pub(crate) fn recount(&self) -> usize {
        let index = self.index.as_ref().map_or(0, |index| index.recount());
        self.sequence.recount() + index
    }

    /// The word of OBJECT ENCODING.
    pub(crate) fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// The first item.
    #[cfg(test)]
    pub(crate) fn front(&self) -> Option<&[u8]> {
        self.sequence.get(self.sequence.front()?)?.first()
    }

    /// The last item.
    #[cfg(test)]
    pub(crate) fn back(&self) -> Option<&[u8]> {
        self.sequence.get(self.sequence.back()?)?.last()
    }

    /// The item at `index`, counted from the head.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let (place, ordinal) = self.sequence.locate(index)?;
        self.sequence.get(place)?.get(ordinal)
    }

    /// Up to `count` items from `start` on.
    pub(crate) fn range(&self, start: usize, count: usize) -> Range<'_> {
        Range::new(&self.sequence, start, count)
    }

    /// All items.
    pub(crate) fn iter(&self) -> Range<'_> {
        self.range(0, usize::MAX)
    }
}

impl Clone for List {
    /// The copy is a new list: it is changed as a whole, and has no index before it is searched.
    fn clone(&self) -> Self {
        Self {
            sequence: self.sequence.compact_clone(),
            names: self.names.clone(),
            changes: self.changes.of_copy(),
            index: None,
            walked: 0,
        }
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("List")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
