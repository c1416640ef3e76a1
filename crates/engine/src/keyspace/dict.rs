//! A map from byte strings to values that never stops to grow: the keyspace itself and every large hash and set.
//!
//! Extendible hashing. A directory, indexed by the top bits of a key's hash, points to segments; each segment
//! is one hash table of at most 448 entries that splits alone when it is full and joins its neighbour when both
//! have become small. So one insertion moves some hundred entries at most, however many millions there are, and
//! a small map is a single ordinary table without a directory.
//!
//! Because a segment owns a contiguous range of hashes, a walk in the order of the hashes survives splits and
//! joins: `scan` needs no state but the next hash to look at.
//! Next: `segment.rs` (splitting and joining), `walk.rs` (`scan` and `random`).
mod segment;
mod walk;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use segment::{SEGMENT_BUCKETS, Segment};
pub(crate) use walk::sample_of;

/// One seed for the process, so that a cursor stays meaningful when a map is replaced by an equal one.
static HASHER: LazyLock<SeedableRandomState> =
    LazyLock::new(|| SeedableRandomState::with_seed(fastrand::u64(..), SharedSeed::global_random()));

/// A map from byte strings to `V` with stable cursors, fair random picks and growth without stalls.
#[derive(Clone)]
pub(crate) struct Dict<V> {
    segments: Vec<Segment<V>>,
    /// Segment of each value of the top `depth` bits; unused while `depth` is 0.
    directory: Vec<u32>,
    depth: u32,
    /// Segments as deep as the directory; once there are none, the directory can be halved.
    deepest: usize,
    len: usize,
    /// Heap bytes of all segments' tables.
    table_bytes: usize,
    hasher: SeedableRandomState,
}

/// The hash as the tables want it. They take their tag from the top bits and their bucket from the lowest, and
/// within a segment the top bits of the hash are all the same.
fn spread(hash: u64) -> u64 {
    hash.rotate_left(32)
}

fn hash_with(hasher: &SeedableRandomState, key: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(key);
    state.finish()
}

impl<V> Default for Dict<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Dict<V> {
    /// An empty map; it allocates nothing.
    pub(crate) fn new() -> Self {
        Self::with_hasher(HASHER.clone())
    }

    fn with_hasher(hasher: SeedableRandomState) -> Self {
        Self {
            segments: Vec::new(),
            directory: Vec::new(),
            depth: 0,
            deepest: 0,
            len: 0,
            table_bytes: 0,
            hasher,
        }
    }

    /// A map whose order is the same in every run.
    #[cfg(test)]
    pub(crate) fn with_seed(seed: u64) -> Self {
        Self::with_hasher(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes of tables and directory, without what keys and values own themselves.
    pub(crate) fn table_memory(&self) -> usize {
        self.table_bytes
            + self.segments.capacity() * size_of::<Segment<V>>()
            + self.directory.capacity() * size_of::<u32>()
    }

    fn hash(&self, key: &[u8]) -> u64 {
        hash_with(&self.hasher, key)
    }

    /// Where in `segments` the owner of `hash` is.
    fn index_of(&self, hash: u64) -> usize {
        if self.depth == 0 {
            return 0;
        }
        let slot = (hash >> (64 - self.depth)) as usize;
        self.directory
            .get(slot)
            .map_or(usize::MAX, |&index| index as usize)
    }

    pub(crate) fn get_key_value(&self, key: &[u8]) -> Option<(&[u8], &V)> {
        let hash = self.hash(key);
        let segment = self.segments.get(self.index_of(hash))?;
        let (key, value) = segment.table.find(spread(hash), |(other, _)| **other == *key)?;
        Some((key, value))
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&V> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.get_key_value(key).is_some()
    }

    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        let hash = self.hash(key);
        let index = self.index_of(hash);
        let segment = self.segments.get_mut(index)?;
        let (_, value) = segment
            .table
            .find_mut(spread(hash), |(other, _)| **other == *key)?;
        Some(value)
    }

    /// Stores a value and returns the one it replaces.
    pub(crate) fn insert(&mut self, key: Box<[u8]>, value: V) -> Option<V> {
        let hash = self.hash(&key);
        let index = self.index_of(hash);
        if let Some(segment) = self.segments.get_mut(index)
            && let Some((_, old)) = segment.table.find_mut(spread(hash), |(other, _)| *other == key)
        {
            return Some(std::mem::replace(old, value));
        }
        self.add(hash, key, value);
        None
    }

    /// The value of `key`, made by `make` when there is none, and whether it was made.
    pub(crate) fn get_or_insert_with(&mut self, key: &[u8], make: impl FnOnce() -> V) -> (&mut V, bool) {
        let hash = self.hash(key);
        let index = self.index_of(hash);
        let found = self
            .segments
            .get(index)
            .and_then(|segment| segment.find_bucket(hash, key));
        let (index, bucket) = match found {
            Some(bucket) => (index, bucket),
            None => self.add(hash, key.into(), make()),
        };
        match self
            .segments
            .get_mut(index)
            .and_then(|segment| segment.table.get_bucket_mut(bucket))
        {
            Some((_, value)) => (value, found.is_none()),
            None => unreachable!("the bucket was found or filled just now"),
        }
    }

    /// Adds what is not there yet; answers the segment and the bucket it went to.
    fn add(&mut self, hash: u64, key: Box<[u8]>, value: V) -> (usize, usize) {
        let index = self.make_room(hash);
        let hasher = &self.hasher;
        let Some(segment) = self.segments.get_mut(index) else {
            unreachable!("there is a segment for every hash after make_room")
        };
        let rehash = |(key, _): &(Box<[u8]>, V)| spread(hash_with(hasher, key));
        let bucket = segment
            .table
            .insert_unique(spread(hash), (key, value), rehash)
            .bucket_index();
        self.len += 1;
        (index, bucket)
    }

    /// Takes a key and its value out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<(Box<[u8]>, V)> {
        let hash = self.hash(key);
        let index = self.index_of(hash);
        let segment = self.segments.get_mut(index)?;
        let found = segment
            .table
            .find_entry(spread(hash), |(other, _)| **other == *key)
            .ok()?;
        let (entry, _) = found.remove();
        self.len -= 1;
        if segment.is_sparse() {
            self.settle(hash);
        }
        Some(entry)
    }

    /// Takes everything out and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::with_hasher(self.hasher.clone());
    }

    /// All entries, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.segments
            .iter()
            .flat_map(|segment| segment.table.iter())
            .map(|(key, value)| (&**key, value))
    }
}

impl<V> std::fmt::Debug for Dict<V> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The contents may be millions, and are users' data.
        formatter
            .debug_struct("Dict")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
