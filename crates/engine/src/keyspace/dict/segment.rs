//! The tables a `Dict` consists of, and how they split and join.
//!
//! A segment of depth d owns all hashes that begin with its d-bit prefix, so its range halves with each split
//! and two segments that differ in the last bit of the prefix can join. A segment's table is never larger than
//! 512 buckets; that is what bounds the work of one insertion or removal.
//! Next: `walk.rs`, which relies on the ranges and on that bound.
use hashbrown::HashTable;

use super::{Dict, hash_with, spread};

/// The largest table of a segment. A table is full at seven eighths of its buckets.
pub(super) const SEGMENT_BUCKETS: usize = 512;
const FULL: usize = SEGMENT_BUCKETS / 8 * 7;
/// A full table with fewer entries than this is full of tombstones: tidying is enough.
const WORTH_SPLITTING: usize = FULL / 4 * 3;
/// Neighbours join when both have come down to this.
const SMALL: usize = FULL / 4;
/// Tables below this many buckets are not worth shrinking.
const SMALLEST_BUCKETS: usize = 16;
/// Beyond this, keys share a hash and splitting would not part them.
const DEEPEST: u32 = 26;

/// The entries whose hashes begin with one prefix.
#[derive(Clone)]
pub(super) struct Segment<V> {
    pub(super) table: HashTable<(Box<[u8]>, V)>,
    pub(super) prefix: u32,
    pub(super) depth: u32,
}

impl<V> Segment<V> {
    /// Whether a look at joining or shrinking is due.
    pub(super) fn is_sparse(&self) -> bool {
        let len = self.table.len();
        (self.depth > 0 && len <= SMALL) || len * 8 <= self.table.num_buckets()
    }

    pub(super) fn find_bucket(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.table
            .find_bucket_index(spread(hash), |(other, _)| **other == *key)
    }

    /// The first hash past this segment, or nothing for the last segment.
    pub(super) fn end(&self) -> Option<u64> {
        let next = u64::from(self.prefix) + 1;
        if next >> self.depth == 1 {
            None
        } else {
            Some(next << (64 - self.depth))
        }
    }
}

impl<V> Dict<V> {
    /// The index of the segment of `hash`, which then has room for one more entry.
    pub(super) fn make_room(&mut self, hash: u64) -> usize {
        let index = self.index_of(hash);
        match self.segments.get(index) {
            Some(segment) if segment.table.len() < segment.table.capacity() => index,
            _ => self.grow(hash),
        }
    }

    #[cold]
    fn grow(&mut self, hash: u64) -> usize {
        if self.segments.is_empty() {
            self.segments.push(Segment {
                table: HashTable::new(),
                prefix: 0,
                depth: 0,
            });
            self.deepest = 1;
        }
        loop {
            let index = self.index_of(hash);
            let Some(segment) = self.segments.get_mut(index) else {
                return index;
            };
            if segment.table.len() < segment.table.capacity() {
                return index;
            }
            if segment.table.num_buckets() < SEGMENT_BUCKETS || segment.depth == DEEPEST {
                let before = segment.table.allocation_size();
                let hasher = &self.hasher;
                segment
                    .table
                    .reserve(1, |(other, _)| spread(hash_with(hasher, other)));
                self.table_bytes = self.table_bytes + segment.table.allocation_size() - before;
            } else if segment.table.len() < WORTH_SPLITTING {
                let table = std::mem::take(&mut segment.table);
                self.table_bytes -= table.allocation_size();
                let fresh = self.collect(FULL, table);
                self.put_table(index, fresh);
            } else {
                self.split(index);
            }
        }
    }

    /// A table of entries that are all different.
    fn collect(
        &self,
        capacity: usize,
        entries: impl IntoIterator<Item = (Box<[u8]>, V)>,
    ) -> HashTable<(Box<[u8]>, V)> {
        let mut table = HashTable::with_capacity(capacity);
        let rehash = |(key, _): &(Box<[u8]>, V)| spread(hash_with(&self.hasher, key));
        for entry in entries {
            table.insert_unique(rehash(&entry), entry, rehash);
        }
        table
    }

    fn put_table(&mut self, index: usize, table: HashTable<(Box<[u8]>, V)>) {
        if let Some(segment) = self.segments.get_mut(index) {
            self.table_bytes += table.allocation_size();
            segment.table = table;
        }
    }

    fn split(&mut self, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else {
            return;
        };
        segment.depth += 1;
        segment.prefix <<= 1;
        let (depth, prefix) = (segment.depth, segment.prefix);
        let table = std::mem::take(&mut segment.table);
        self.table_bytes -= table.allocation_size();

        let (mut low, mut high) = (HashTable::with_capacity(FULL), HashTable::with_capacity(FULL));
        let hasher = &self.hasher;
        let rehash = |(key, _): &(Box<[u8]>, V)| spread(hash_with(hasher, key));
        for entry in table {
            let hash = hash_with(hasher, &entry.0);
            let half = if hash >> (64 - depth) & 1 == 0 {
                &mut low
            } else {
                &mut high
            };
            half.insert_unique(spread(hash), entry, rehash);
        }
        self.put_table(index, low);
        let added = self.segments.len();
        self.segments.push(Segment {
            table: HashTable::new(),
            prefix: prefix | 1,
            depth,
        });
        self.put_table(added, high);

        if depth > self.depth {
            self.double_directory();
        }
        if depth == self.depth {
            self.deepest += 2;
        }
        self.point_at(added);
    }

    fn double_directory(&mut self) {
        self.depth += 1;
        self.deepest = 0;
        if self.depth == 1 {
            self.directory = vec![0, 0];
        } else {
            self.directory = self.directory.iter().flat_map(|&index| [index, index]).collect();
        }
    }

    /// Lets the directory find the segment at `index`.
    fn point_at(&mut self, index: usize) {
        let Some(segment) = self.segments.get(index) else {
            return;
        };
        let spare = self.depth - segment.depth;
        let start = (segment.prefix as usize) << spare;
        for slot in self.directory.iter_mut().skip(start).take(1 << spare) {
            *slot = index as u32;
        }
    }

    /// After a removal: joins the segment of `hash` with its neighbour while both are small, or shrinks it.
    #[cold]
    pub(super) fn settle(&mut self, hash: u64) {
        if self.len == 0 {
            return self.clear();
        }
        while self.join(hash) {}
        self.shrink(self.index_of(hash));
    }

    fn shrink(&mut self, index: usize) {
        let Some(segment) = self.segments.get_mut(index) else {
            return;
        };
        let (len, buckets) = (segment.table.len(), segment.table.num_buckets());
        if len * 8 > buckets || buckets <= SMALLEST_BUCKETS {
            return;
        }
        let before = segment.table.allocation_size();
        let hasher = &self.hasher;
        segment
            .table
            .shrink_to(len * 2, |(key, _)| spread(hash_with(hasher, key)));
        self.table_bytes = self.table_bytes + segment.table.allocation_size() - before;
    }

    /// Joins the segment of `hash` with the other half of their common range, when that is whole and both are
    /// small.
    fn join(&mut self, hash: u64) -> bool {
        let index = self.index_of(hash);
        let Some(segment) = self.segments.get(index) else {
            return false;
        };
        let depth = segment.depth;
        if depth == 0 {
            return false;
        }
        let other_slot = ((segment.prefix ^ 1) as usize) << (self.depth - depth);
        let Some(&other_index) = self.directory.get(other_slot) else {
            return false;
        };
        let other_index = other_index as usize;
        let Some(other) = self.segments.get(other_index) else {
            return false;
        };
        if other.depth != depth || segment.table.len() > SMALL || other.table.len() > SMALL {
            return false;
        }
        let (kept, dropped) = (index.min(other_index), index.max(other_index));
        self.join_into(kept, dropped);
        if depth == self.depth {
            self.deepest -= 2;
        }
        self.halve_directory();
        true
    }

    fn join_into(&mut self, kept: usize, dropped: usize) {
        let gone = self.segments.swap_remove(dropped);
        let Some(segment) = self.segments.get_mut(kept) else {
            return;
        };
        segment.depth -= 1;
        segment.prefix >>= 1;
        let mine = std::mem::take(&mut segment.table);
        self.table_bytes -= mine.allocation_size() + gone.table.allocation_size();
        let table = self.collect(FULL, mine.into_iter().chain(gone.table));
        self.put_table(kept, table);
        self.point_at(kept);
        // Another segment may have moved to the place of the one that is gone.
        self.point_at(dropped);
    }

    fn halve_directory(&mut self) {
        while self.deepest == 0 && self.depth > 0 {
            self.depth -= 1;
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.deepest = self
                .segments
                .iter()
                .filter(|segment| segment.depth == self.depth)
                .count();
        }
        if self.depth == 0 {
            self.directory = Vec::new();
        }
        if self.segments.len() * 4 <= self.segments.capacity() {
            self.segments.shrink_to(self.segments.len() * 2);
        }
    }
}
