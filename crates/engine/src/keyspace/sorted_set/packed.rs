//! The form of a small sorted set: one buffer, in order of score, then member.
//!
//! An entry is its score (8 bytes), the member's length (2 bytes) and the member. Everything is found by walking,
//! which for at most 128 entries is as quick as any index and needs a fraction of its memory.
//! Next: `large.rs` (the form beyond).

use std::ops::Range;

use smallvec::SmallVec;

/// The most entries, and the most bytes, of the packed form.
const ENTRIES: usize = 128;
const BYTES: usize = 4096;
/// Score and length before each member.
const HEADER: usize = 10;
/// The buffer grows in steps: doubling would leave half of it empty.
const STEP: usize = 64;

#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    count: usize,
}

impl Packed {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether one more member finds room.
    pub(super) fn fits(&self, member: &[u8]) -> bool {
        self.count < ENTRIES && self.bytes.len() + HEADER + member.len() <= BYTES
    }

    pub(super) fn entries(&self) -> Forward<'_> {
        Forward { rest: &self.bytes }
    }

    /// Where the member lies, and its score.
    pub(super) fn find(&self, member: &[u8]) -> Option<(Range<usize>, f64)> {
        let mut entries = self.entries();
        loop {
            let start = self.bytes.len() - entries.rest.len();
            let (found, score) = entries.next()?;
            if found == member {
                return Some((start..self.bytes.len() - entries.rest.len(), score));
            }
        }
    }

    /// Adds a member that is not there yet; `fits` must have been asked.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let mut entries = self.entries();
        let mut at;
        loop {
            at = self.bytes.len() - entries.rest.len();
            match entries.next() {
                Some((other, at_score)) if at_score < score || (at_score == score && other < member) => {}
                _ => break,
            }
        }
        let held = self.bytes.len();
        let size = HEADER + member.len();
        if self.bytes.capacity() < held + size {
            self.bytes
                .reserve_exact((held + size).next_multiple_of(STEP) - held);
        }
        self.bytes.resize(held + size, 0);
        self.bytes.copy_within(at..held, at + size);
        let (score, length) = (score.to_le_bytes(), (member.len() as u16).to_le_bytes());
        for field in [&score[..], &length[..], member] {
            if let Some(place) = self.bytes.get_mut(at..at + field.len()) {
                place.copy_from_slice(field);
            }
            at += field.len();
        }
        self.count += 1;
    }

    pub(super) fn remove(&mut self, place: Range<usize>) {
        self.bytes.drain(place);
        self.count -= 1;
        self.shrink();
    }

    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        let (start, end) = (self.offset(ranks.start), self.offset(ranks.end));
        self.bytes.drain(start..end);
        self.count -= ranks.len();
        self.shrink();
    }

    pub(super) fn start_at(&self, rank: usize) -> Forward<'_> {
        let mut entries = self.entries();
        for _ in 0..rank {
            entries.next();
        }
        entries
    }

    pub(super) fn backward(&self, ranks: Range<usize>) -> Backward<'_> {
        let mut entries = self.start_at(ranks.start);
        let mut places = SmallVec::new();
        for _ in ranks {
            places.push((self.bytes.len() - entries.rest.len()) as u16);
            entries.next();
        }
        Backward {
            bytes: &self.bytes,
            places,
        }
    }

    fn offset(&self, rank: usize) -> usize {
        self.bytes.len() - self.start_at(rank).rest.len()
    }

    fn shrink(&mut self) {
        if self.bytes.capacity() > 2 * self.bytes.len() + 4 * STEP {
            self.bytes.shrink_to(self.bytes.len() + STEP);
        }
    }
}

/// Entries in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Forward<'set> {
    rest: &'set [u8],
}

impl<'set> Iterator for Forward<'set> {
    type Item = (&'set [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (score, rest) = self.rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (member, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        self.rest = rest;
        Some((member, f64::from_le_bytes(*score)))
    }
}

/// Entries in descending order. Entries are not chained backwards, so their places are noted first.
#[derive(Clone, Debug)]
pub(super) struct Backward<'set> {
    bytes: &'set [u8],
    places: SmallVec<[u16; 32]>,
}

impl<'set> Iterator for Backward<'set> {
    type Item = (&'set [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        let place = usize::from(self.places.pop()?);
        Forward {
            rest: self.bytes.get(place..)?,
        }
        .next()
    }
}
