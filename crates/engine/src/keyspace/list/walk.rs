//! Walks over the items of one chunk, from both ends.
//!
//! Items are borrowed from the packed bytes; a damaged entry ends the walk.
//! Next: `entry.rs` (how an entry is read), `iter.rs` (over many chunks).

use super::entry;

/// The items of a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    packed: &'a [u8],
    left: usize,
}

impl<'a> Items<'a> {
    pub(super) fn of(packed: &'a [u8], left: usize) -> Self {
        Self { packed, left }
    }

    /// The bytes of the items that are still to come.
    pub(super) fn bytes_left(&self) -> usize {
        self.packed.len()
    }

    pub(super) fn empty() -> Self {
        Self { packed: &[], left: 0 }
    }

    pub(super) fn skip_front(&mut self, count: usize) {
        for _ in 0..count {
            self.next();
        }
    }

    pub(super) fn skip_back(&mut self, count: usize) {
        for _ in 0..count {
            self.next_back();
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (value, total) = entry::first(self.packed)?;
        self.packed = self.packed.get(total..).unwrap_or_default();
        self.left = self.left.saturating_sub(1);
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Items<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (value, total) = entry::last(self.packed)?;
        self.packed = self.packed.get(..self.packed.len() - total).unwrap_or_default();
        self.left = self.left.saturating_sub(1);
        Some(value)
    }
}

impl ExactSizeIterator for Items<'_> {}
