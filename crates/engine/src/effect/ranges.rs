//! Which bytes of a string changed.
//!
//! Ranges are merged whenever their number has doubled, so a counter at one place stays one range. A string that
//! changes at too many places counts as changed everywhere.

use std::ops::Range;

/// Below this many ranges nothing is merged.
const SMALLEST: usize = 16;
/// More separate places than this are not worth telling apart.
const MOST: usize = 4096;

/// Places that have changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ranges {
    /// Start and end of each.
    places: Vec<(usize, usize)>,
    merge_at: usize,
}

impl Ranges {
    pub(super) fn of(bytes: Range<usize>) -> Self {
        Self {
            places: vec![(bytes.start, bytes.end)],
            merge_at: SMALLEST,
        }
    }

    /// Adds a place; false when there are too many.
    pub(super) fn add(&mut self, bytes: Range<usize>) -> bool {
        // Appending goes on where it ended.
        if let Some((start, end)) = self.places.last_mut()
            && *start <= bytes.start
            && bytes.start <= *end
        {
            *end = bytes.end.max(*end);
            return true;
        }
        if self.places.len() >= self.merge_at {
            self.merge();
            self.merge_at = (self.places.len() * 2).max(SMALLEST);
        }
        self.places.push((bytes.start, bytes.end));
        self.places.len() <= MOST
    }

    /// The places in order, apart from each other.
    pub(super) fn merged(mut self) -> Vec<Range<usize>> {
        self.merge();
        self.places.into_iter().map(|(start, end)| start..end).collect()
    }

    fn merge(&mut self) {
        self.places.sort_unstable();
        self.places.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Ranges};

    #[test]
    fn places_that_touch_are_one() {
        let mut ranges = Ranges::of(4..6);
        for bytes in [10..12, 6..8, 1..2, 11..20] {
            assert!(ranges.add(bytes));
        }
        assert_eq!(ranges.merged(), [1..2, 4..8, 10..20]);
    }

    #[test]
    fn one_place_changed_a_million_times_is_one() {
        let mut ranges = Ranges::of(0..1);
        for number in 0..1_000_000_usize {
            let at = number % 2 * 100;
            assert!(ranges.add(at..at + 1));
            assert!(ranges.places.len() <= 17);
        }
        assert_eq!(ranges.merged(), [0..1, 100..101]);
    }

    #[test]
    fn too_many_places_are_everywhere() {
        let mut ranges = Ranges::of(0..1);
        assert!((1..2 * MOST).any(|number| !ranges.add(number * 2..number * 2 + 1)));
    }
}
