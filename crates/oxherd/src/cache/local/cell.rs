//! Cells: where the last invalidation of a tag, tenant or namespace is written for all entries that depend on it.
//!
//! An entry points to its cells, so a look-up compares numbers and searches nothing. The table forgets cells that no
//! entry points to. What it is told of a tag without a cell, or had told a forgotten one, it keeps as one number for
//! all tags of the same slot; a cell made later starts from there. That can only cost fills of reads that had begun
//! before, never serve something old.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use parking_lot::Mutex;

use super::held::Moment;
use super::key::{Hashing, NamespaceNumber};

const SHARDS: usize = 32;
const SLOTS: usize = 64;
/// A shard is searched for forgettable cells when it has this many, then when it has doubled.
const FIRST_PRUNE: usize = 128;

/// The moment of the last invalidation of one tag, tenant or namespace.
#[derive(Debug)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    /// Entries that are as of an earlier moment are gone.
    #[inline]
    pub(crate) fn raised_at(&self) -> Moment {
        Moment(self.0.load(Ordering::Acquire))
    }
}

pub(super) struct CellTable {
    hashing: Hashing,
    shards: Box<[Mutex<Shard>]>,
}

struct Shard {
    cells: HashTable<Named>,
    /// The last moment told to anybody without a cell, by slot.
    unheard: [u64; SLOTS],
    prune_at: usize,
}

struct Named {
    namespace: NamespaceNumber,
    /// `TENANT:TAG`; a tenant has no `:`.
    name: Box<str>,
    cell: Arc<Cell>,
}

#[derive(Clone, Copy)]
struct Name<'a> {
    namespace: NamespaceNumber,
    tenant: &'a str,
    tag: &'a str,
}

impl CellTable {
    pub(super) fn new(hashing: Hashing) -> Self {
        let shard = || {
            Mutex::new(Shard {
                cells: HashTable::new(),
                unheard: [0; SLOTS],
                prune_at: FIRST_PRUNE,
            })
        };
        Self {
            hashing,
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// The cell of a name, made when there is none.
    pub(super) fn cell(&self, namespace: NamespaceNumber, tenant: &str, tag: &str) -> Arc<Cell> {
        let name = Name {
            namespace,
            tenant,
            tag,
        };
        let hash = self.hashing.hash_one(name);
        self.in_shard(hash, |shard| {
            if let Some(named) = shard.cells.find(hash, |named| name.is(named)) {
                return Arc::clone(&named.cell);
            }
            if shard.cells.len() >= shard.prune_at {
                shard.prune(&self.hashing);
            }
            let told = shard.unheard.get(slot_of(hash)).copied().unwrap_or(u64::MAX);
            let cell = Arc::new(Cell(AtomicU64::new(told)));
            let named = Named {
                namespace,
                name: format!("{tenant}:{tag}").into(),
                cell: Arc::clone(&cell),
            };
            shard
                .cells
                .insert_unique(hash, named, |named| self.hashing.hash_one(named.as_name()));
            cell
        })
    }

    /// Writes the moment that `tell` returns into the cell, or down for cells to come.
    ///
    /// The moment is taken under the shard's lock, so that numbers reach a cell in rising order. Its holders read
    /// without the lock: the release here pairs with the acquire of [`Cell::raised_at`].
    pub(super) fn raise(
        &self,
        namespace: NamespaceNumber,
        tenant: &str,
        tag: &str,
        tell: impl FnOnce() -> Moment,
    ) {
        let name = Name {
            namespace,
            tenant,
            tag,
        };
        let hash = self.hashing.hash_one(name);
        self.in_shard(hash, |shard| {
            let moment = tell();
            if let Some(named) = shard.cells.find(hash, |named| name.is(named)) {
                named.cell.0.store(moment.0, Ordering::Release);
            } else if let Some(told) = shard.unheard.get_mut(slot_of(hash)) {
                *told = moment.0;
            }
        });
    }

    /// How many cells there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().cells.len()).sum()
    }

    fn in_shard<T>(&self, hash: u64, act: impl FnOnce(&mut Shard) -> T) -> T {
        // Bits that neither the table's groups (the lowest), its tags (the highest) nor the slots use.
        let index = (hash >> 24) as usize % SHARDS;
        #[allow(clippy::indexing_slicing, reason = "there are SHARDS shards")]
        act(&mut self.shards[index].lock())
    }
}

impl Shard {
    /// Forgets the cells that nobody holds. Nobody can come to hold one meanwhile: cells are given out under the lock.
    fn prune(&mut self, hashing: &Hashing) {
        let unheard = &mut self.unheard;
        self.cells.retain(|named| {
            if Arc::strong_count(&named.cell) > 1 {
                return true;
            }
            // A read under way may be older than what this cell was told, and ask for it again when it ends.
            if let Some(told) = unheard.get_mut(slot_of(hashing.hash_one(named.as_name()))) {
                *told = (*told).max(named.cell.raised_at().0);
            }
            false
        });
        self.prune_at = FIRST_PRUNE.max(self.cells.len() * 2);
        // A crowd that left takes its room along.
        if self.cells.capacity() > self.prune_at * 2 {
            self.cells
                .shrink_to(self.prune_at, |named| hashing.hash_one(named.as_name()));
        }
    }
}

const fn slot_of(hash: u64) -> usize {
    (hash >> 32) as usize % SLOTS
}

impl Named {
    fn as_name(&self) -> Name<'_> {
        let (tenant, tag) = self.name.split_once(':').unwrap_or((&self.name, ""));
        Name {
            namespace: self.namespace,
            tenant,
            tag,
        }
    }
}

impl Name<'_> {
    fn is(self, named: &Named) -> bool {
        self.namespace == named.namespace && named.name.split_once(':') == Some((self.tenant, self.tag))
    }
}

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u32(self.namespace.0);
        state.write_usize(self.tenant.len());
        state.write(self.tenant.as_bytes());
        state.write(self.tag.as_bytes());
    }
}
