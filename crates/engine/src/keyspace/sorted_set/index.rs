//! From a member to its number: an extendible hash table that stores four bytes per member.
//!
//! One table for ten million members would stop the world for its rehash. Here a table that is full is split in two
//! by one more bit of the hash, so no single insertion moves more than 28,000 numbers.
//! The caller hashes and compares, since the members' bytes live elsewhere (`members.rs`).

use hashbrown::HashTable;

/// Just below the 28,672 a table of 32,768 buckets takes.
const SPLIT_AT: usize = 28_000;

#[derive(Clone, Debug)]
struct Shard {
    table: HashTable<u32>,
    /// How many bits of the hash all its members share.
    bits: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    /// Shard by the lowest `bits` bits of the upper half of the hash; the tables use the lower half and the top.
    directory: Vec<u32>,
    shards: Vec<Shard>,
    bits: u32,
    tables: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            directory: vec![0],
            shards: vec![Shard {
                table: HashTable::new(),
                bits: 0,
            }],
            bits: 0,
            tables: 0,
        }
    }

    #[inline]
    fn shard_number(&self, hash: u64) -> usize {
        let slot = (hash >> 32) as usize & ((1 << self.bits) - 1);
        self.directory.get(slot).map_or(0, |shard| *shard as usize)
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.shards
            .get(self.shard_number(hash))?
            .table
            .find(hash, is_it)
            .copied()
    }

    /// Adds a number that is not there yet; `rehash` must be able to hash every number stored.
    pub(super) fn insert(&mut self, hash: u64, id: u32, rehash: impl Fn(&u32) -> u64) {
        let mut number = self.shard_number(hash);
        if self
            .shards
            .get(number)
            .is_some_and(|shard| shard.table.len() >= SPLIT_AT && shard.bits < 31)
        {
            self.split(number, &rehash);
            number = self.shard_number(hash);
        }
        let Some(shard) = self.shards.get_mut(number) else {
            return;
        };
        let before = shard.table.allocation_size();
        shard.table.insert_unique(hash, id, rehash);
        self.tables = self.tables + shard.table.allocation_size() - before;
    }

    pub(super) fn remove(&mut self, hash: u64, id: u32, rehash: impl Fn(&u32) -> u64) {
        let number = self.shard_number(hash);
        let Some(shard) = self.shards.get_mut(number) else {
            return;
        };
        if let Ok(entry) = shard.table.find_entry(hash, |other| *other == id) {
            entry.remove();
        }
        if shard.table.capacity() > 8 * shard.table.len() + 64 {
            let before = shard.table.allocation_size();
            shard.table.shrink_to(2 * shard.table.len(), rehash);
            self.tables = self.tables + shard.table.allocation_size() - before;
        }
    }

    /// The entry moved: `from` becomes `to` under the same hash.
    pub(super) fn renumber(&mut self, hash: u64, from: u32, to: u32) {
        let number = self.shard_number(hash);
        let found = self
            .shards
            .get_mut(number)
            .and_then(|shard| shard.table.find_mut(hash, |id| *id == from));
        if let Some(id) = found {
            *id = to;
        }
    }

    fn split(&mut self, number: usize, rehash: &impl Fn(&u32) -> u64) {
        let Some(shard) = self.shards.get_mut(number) else {
            return;
        };
        let bit = 1_usize << shard.bits;
        shard.bits += 1;
        let bits = shard.bits;
        let whole = std::mem::take(&mut shard.table);
        let (mut low, mut high) = (
            HashTable::with_capacity(SPLIT_AT / 2),
            HashTable::with_capacity(SPLIT_AT / 2),
        );
        for id in &whole {
            let hash = rehash(id);
            let half = if (hash >> 32) as usize & bit == 0 {
                &mut low
            } else {
                &mut high
            };
            half.insert_unique(hash, *id, rehash);
        }
        self.tables = self.tables + low.allocation_size() + high.allocation_size() - whole.allocation_size();
        shard.table = low;
        if bits > self.bits {
            self.directory.extend_from_within(..);
            self.bits += 1;
        }
        let new = self.shards.len() as u32;
        for (slot, shard) in self.directory.iter_mut().enumerate() {
            if *shard as usize == number && slot & bit != 0 {
                *shard = new;
            }
        }
        self.shards.push(Shard { table: high, bits });
    }

    pub(super) fn memory(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.shards.capacity() * size_of::<Shard>()
            + self.tables
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        let tables: usize = self
            .shards
            .iter()
            .map(|shard| shard.table.allocation_size())
            .sum();
        self.directory.capacity() * size_of::<u32>() + self.shards.capacity() * size_of::<Shard>() + tables
    }
}
