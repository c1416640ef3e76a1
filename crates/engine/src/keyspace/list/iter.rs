//! Walks over a range of a list.
//!
//! The start is found by counting, then entries are read one after the other; an item is borrowed, never copied.
//! Next: `sequence.rs`, `chunk.rs`.

use super::sequence::{Place, Sequence};
use super::walk::Items;

/// The items of a range in order.
#[derive(Debug, Clone)]
pub(crate) struct Range<'a> {
    sequence: &'a Sequence,
    next: Option<Place>,
    items: Items<'a>,
    left: usize,
}

impl<'a> Range<'a> {
    /// Up to `count` items from `start` on.
    pub(super) fn new(sequence: &'a Sequence, start: usize, count: usize) -> Self {
        let left = count.min(sequence.items().saturating_sub(start));
        let mut range = Self {
            sequence,
            next: None,
            items: Items::empty(),
            left,
        };
        if let Some((place, ordinal)) = sequence.locate(start) {
            range.enter(place);
            range.items.skip_front(ordinal);
        }
        range
    }

    fn enter(&mut self, place: Place) {
        if let Some(chunk) = self.sequence.get(place) {
            self.items = chunk.iter();
            self.next = self.sequence.next(place);
        }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        if let Some(item) = self.items.next() {
            return Some(item);
        }
        let place = self.next?;
        self.enter(place);
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Range<'_> {}
