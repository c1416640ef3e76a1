//! Which chunks hold a value: what makes removal by value quick in a long list.
//!
//! One entry of eight bytes per item, hash of the value to chunk, about 10 to 20 bytes with the table's spare
//! room. Chunks are named by small numbers (handles), for their own names are longer and may change.
//! A value is never read from here: a hit says where to look, and the chunk decides.
//! A hash that more than [`COMMON`] items share is counted instead of listed, since such a value is met soon by
//! walking, and listing it would make the table slow. The count is exact, so a value that became rare can be
//! listed again.
//! Tables are sharded, so growing one never stops the list for long.
//! Next: `search.rs` (who asks, and when an index is worth its price).

use std::hash::BuildHasher as _;

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use super::chunk::{Chunk, ChunkId, NO_HANDLE};

/// Items with one hash that are listed one by one at most.
const COMMON: usize = 16;
/// Marks an entry that holds a number of items instead of a handle.
const COUNTED: u32 = 1 << 31;
/// Items in one shard when the index is built.
const SHARD_ITEMS: usize = 16_384;
const MAX_SHARDS: usize = 1024;
/// Tables below this are never made smaller.
const SMALL_TABLE: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u32,
    /// The handle of the chunk, or a number of items with [`COUNTED`].
    place: u32,
}

/// Where a value may be.
#[derive(Debug)]
pub(super) enum Whereabouts {
    /// In these chunks or nowhere; unordered, each once.
    Chunks(SmallVec<[ChunkId; COMMON]>),
    /// Somewhere, in so many items.
    Counted(usize),
}

/// Hash of value to chunk.
#[derive(Debug)]
pub(super) struct ValueIndex {
    hasher: RandomState,
    shards: Vec<HashTable<Entry>>,
    shard_bits: u32,
    /// Names by handle.
    chunks: Vec<ChunkId>,
    free: Vec<u32>,
    heap: usize,
    /// Changes since the last question.
    pub(super) idle: usize,
}

impl ValueIndex {
    /// An empty index meant for this many items.
    pub(super) fn new(items: usize) -> Self {
        let shards = (items / SHARD_ITEMS).next_power_of_two().clamp(1, MAX_SHARDS);
        Self {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| HashTable::new()).collect(),
            shard_bits: shards.trailing_zeros(),
            chunks: Vec::new(),
            free: Vec::new(),
            heap: 0,
            idle: 0,
        }
    }

    /// The bytes on the heap, including the index itself.
    pub(super) fn heap(&self) -> usize {
        self.heap
            + size_of::<Self>()
            + self.shards.capacity() * size_of::<HashTable<Entry>>()
            + self.chunks.capacity() * size_of::<ChunkId>()
            + self.free.capacity() * size_of::<u32>()
    }

    /// The bytes of the tables, counted anew.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.heap() - self.heap + self.shards.iter().map(HashTable::allocation_size).sum::<usize>()
    }

    /// Gives a chunk a handle.
    pub(super) fn open(&mut self, chunk: &mut Chunk) {
        if let Some(handle) = self.free.pop() {
            chunk.handle = handle;
            self.rename(chunk);
            return;
        }
        chunk.handle = self.chunks.len() as u32;
        self.chunks.push(chunk.id);
    }

    /// Takes the handle of an emptied chunk back.
    pub(super) fn close(&mut self, handle: u32) {
        if handle != NO_HANDLE {
            self.free.push(handle);
        }
    }

    /// The chunk has another name now.
    pub(super) fn rename(&mut self, chunk: &Chunk) {
        if let Some(name) = self.chunks.get_mut(chunk.handle as usize) {
            *name = chunk.id;
        }
    }

    /// A chunk with all its items joins.
    pub(super) fn add_chunk(&mut self, chunk: &mut Chunk) {
        self.open(chunk);
        for value in chunk.iter() {
            self.add(value, chunk.handle);
        }
    }

    /// An item is in a chunk now.
    pub(super) fn add(&mut self, value: &[u8], handle: u32) {
        let hash = self.hash(value);
        self.add_hash(hash, handle);
    }

    fn add_hash(&mut self, hash: u32, handle: u32) {
        let Some(shard) = shard(&mut self.shards, self.shard_bits, hash) else {
            return;
        };
        let before = shard.allocation_size();
        let mut listed = 0;
        for entry in shard
            .iter_hash_mut(spread(hash))
            .filter(|entry| entry.hash == hash)
        {
            if entry.place & COUNTED != 0 {
                entry.place = entry.place.saturating_add(1);
                return;
            }
            listed += 1;
        }
        let mut place = handle;
        if listed == COMMON {
            while let Ok(entry) = shard.find_entry(spread(hash), |entry| entry.hash == hash) {
                entry.remove();
            }
            place = COUNTED | (COMMON + 1) as u32;
        }
        shard.insert_unique(spread(hash), Entry { hash, place }, |entry| spread(entry.hash));
        self.heap = self.heap + shard.allocation_size() - before;
    }

    /// An item left a chunk.
    pub(super) fn remove(&mut self, value: &[u8], handle: u32) {
        let hash = self.hash(value);
        let Some(shard) = shard(&mut self.shards, self.shard_bits, hash) else {
            return;
        };
        let is_it =
            |entry: &Entry| entry.hash == hash && (entry.place == handle || entry.place & COUNTED != 0);
        let Ok(mut entry) = shard.find_entry(spread(hash), is_it) else {
            return;
        };
        if entry.get().place > COUNTED + 1 {
            entry.get_mut().place -= 1;
            return;
        }
        entry.remove();
        if shard.capacity() > SMALL_TABLE && shard.len() < shard.capacity() / 4 {
            let before = shard.allocation_size();
            shard.shrink_to(shard.len() * 2, |entry| spread(entry.hash));
            self.heap = self.heap + shard.allocation_size() - before;
        }
    }

    /// An item went from one chunk to another.
    pub(super) fn transfer(&mut self, value: &[u8], from: u32, to: u32) {
        let hash = self.hash(value);
        let Some(shard) = shard(&mut self.shards, self.shard_bits, hash) else {
            return;
        };
        if let Some(entry) = shard.find_mut(spread(hash), |entry| entry.hash == hash && entry.place == from) {
            entry.place = to;
        }
    }

    /// Where the value may be.
    pub(super) fn whereabouts(&mut self, value: &[u8]) -> Whereabouts {
        self.idle = 0;
        let hash = self.hash(value);
        let mut chunks = SmallVec::new();
        let Some(shard) = shard(&mut self.shards, self.shard_bits, hash) else {
            return Whereabouts::Chunks(chunks);
        };
        for entry in shard.iter_hash(spread(hash)).filter(|entry| entry.hash == hash) {
            if entry.place & COUNTED != 0 {
                return Whereabouts::Counted((entry.place & !COUNTED) as usize);
            }
            let Some(&chunk) = self.chunks.get(entry.place as usize) else {
                continue;
            };
            if !chunks.contains(&chunk) {
                chunks.push(chunk);
            }
        }
        Whereabouts::Chunks(chunks)
    }

    /// Whether a counted value has become rare enough to be listed.
    pub(super) fn is_rare(count: usize) -> bool {
        count <= COMMON / 2
    }

    /// Lists the items that share the hash of a value, all of which are in these chunks.
    pub(super) fn list_again<'a>(&mut self, value: &[u8], chunks: impl Iterator<Item = &'a Chunk>) {
        let hash = self.hash(value);
        let Some(shard) = shard(&mut self.shards, self.shard_bits, hash) else {
            return;
        };
        while let Ok(entry) = shard.find_entry(spread(hash), |entry| entry.hash == hash) {
            entry.remove();
        }
        for chunk in chunks {
            for value in chunk
                .iter()
                .filter(|value| self.hash(value) == hash)
                .collect::<SmallVec<[_; 16]>>()
            {
                self.add(value, chunk.handle);
            }
        }
    }

    fn hash(&self, value: &[u8]) -> u32 {
        (self.hasher.hash_one(value) >> 32) as u32
    }
}

/// The table a hash belongs to, by its upper bits.
fn shard(shards: &mut [HashTable<Entry>], bits: u32, hash: u32) -> Option<&mut HashTable<Entry>> {
    let number = u64::from(hash) << bits >> 32;
    shards.get_mut(number as usize)
}

/// The hash for the table, which looks at the lowest and the seven highest bits: bits that are the same all over
/// a shard must not decide alone.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
