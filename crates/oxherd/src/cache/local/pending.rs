//! Marks of the reads under way, so that no result slips in behind the invalidation of its key.
//!
//! A read announces itself, takes its moment, reads, and fills. An invalidation takes the entry away and dirties the
//! marks of that key in one step, under the same lock that a fill takes: it comes either before the mark (then the
//! read began after the change), between mark and fill (then the fill is refused), or after the fill (then the entry
//! is taken away). The lock orders all of it, no other ordering is relied upon.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use parking_lot::Mutex;
use quick_cache::Equivalent;

use super::key::{Key, KeyRef};
use super::{Departed, Held, Local, Validity};

const SHARDS: usize = 64;
/// An empty shard with more room than this gives it back.
const LARGE: usize = 256;

pub(super) struct Marks {
    shards: Box<[Shard]>,
}

/// On a cache line of its own: neighbours are locked by others at the same time.
#[repr(align(64))]
struct Shard(Mutex<HashTable<Mark>>);

/// There is one for all reads of a key; each remembers how many changes there were when it began.
struct Mark {
    key: Key,
    changes: u64,
    readers: u32,
}

impl Marks {
    pub(super) fn new() -> Self {
        let shard = || Shard(Mutex::new(HashTable::new()));
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
        }
    }

    /// Dirties the marks of a key and does `under` in the same step.
    pub(super) fn dirty<T>(&self, key: KeyRef<'_>, under: impl FnOnce() -> T) -> T {
        let mut marks = self.shard(key.hash()).lock();
        if let Some(mark) = marks.find_mut(key.hash(), |mark| key.equivalent(&mark.key)) {
            mark.changes += 1;
        }
        under()
    }

    /// Dirties the marks of all keys that match.
    pub(super) fn dirty_matching(&self, matches: impl Fn(&Key) -> bool) {
        for shard in &self.shards {
            for mark in shard.0.lock().iter_mut().filter(|mark| matches(&mark.key)) {
                mark.changes += 1;
            }
        }
    }

    /// How many keys have marks.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }

    fn shard(&self, hash: u64) -> &Mutex<HashTable<Mark>> {
        // Bits that the table itself makes little of.
        #[allow(clippy::indexing_slicing, reason = "there are SHARDS shards")]
        &self.shards[(hash >> 32) as usize % SHARDS].0
    }
}

/// A read under way. Its end, however it comes, removes the mark.
pub(crate) struct Pending {
    local: Arc<Local>,
    key: Key,
    /// The changes of the mark when the read began.
    seen: u64,
}

impl Pending {
    pub(super) fn new(local: &Arc<Local>, key: KeyRef<'_>) -> Self {
        let owned = key.to_key();
        let mut marks = local.marks.shard(key.hash()).lock();
        let entry = marks.entry(
            key.hash(),
            |mark| key.equivalent(&mark.key),
            |mark| mark.key.hash(),
        );
        let seen = match entry {
            Entry::Occupied(mut mark) => {
                let mark = mark.get_mut();
                mark.readers += 1;
                mark.changes
            }
            Entry::Vacant(vacant) => {
                vacant.insert(Mark {
                    key: owned.clone(),
                    changes: 0,
                    readers: 1,
                });
                0
            }
        };
        drop(marks);
        Self {
            local: Arc::clone(local),
            key: owned,
            seen,
        }
    }

    /// Whether the key changed since the read began.
    #[cfg(test)]
    pub(crate) fn is_dirty(&self) -> bool {
        self.local
            .marks
            .shard(self.key.hash())
            .lock()
            .find(self.key.hash(), |mark| mark.key == self.key)
            .is_none_or(|mark| mark.changes != self.seen)
    }

    /// Keeps what the read found; whether it is kept. It is not when the key, or anything else that concerns the
    /// entry, changed since the read began, or when the entry is too large.
    pub(crate) fn fill(&self, held: &Arc<Held>) -> bool {
        let mut departed = Departed::new();
        let marks = self.local.marks.shard(self.key.hash()).lock();
        let is_clean = marks
            .find(self.key.hash(), |mark| mark.key == self.key)
            .is_some_and(|mark| mark.changes == self.seen);
        // Cells and floor are asked at every look-up again; here it only spares the room.
        let is_kept = is_clean
            && self.local.validity(held) == Validity::Valid
            && self.local.keep(&self.key, held, &mut departed);
        drop(marks);
        is_kept
    }

    /// Keeps what was just written to the store under this mark, instead of what was held before, and refuses the
    /// fills of all other reads under way; whether it is kept. When it cannot be (see [`Self::fill`]), the key is
    /// left without an entry: which of two writes came last only the store knows.
    pub(crate) fn write(&mut self, held: &Arc<Held>) -> bool {
        let mut departed = Departed::new();
        let mut marks = self.local.marks.shard(self.key.hash()).lock();
        let mark = marks.find_mut(self.key.hash(), |mark| mark.key == self.key);
        let is_clean = mark.is_some_and(|mark| {
            let is_clean = mark.changes == self.seen;
            mark.changes += 1;
            self.seen = if is_clean { mark.changes } else { self.seen };
            is_clean
        });
        let is_valid = is_clean && self.local.validity(held) == Validity::Valid;
        let is_kept = is_valid && self.local.keep(&self.key, held, &mut departed);
        let old = if is_valid {
            None
        } else {
            self.local.entries.remove(self.key.borrowed())
        };
        drop(marks);
        drop(old);
        is_kept
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let mut marks = self.local.marks.shard(self.key.hash()).lock();
        if let Ok(mut entry) = marks.find_entry(self.key.hash(), |mark| mark.key == self.key) {
            let mark = entry.get_mut();
            mark.readers -= 1;
            if mark.readers > 0 {
                return;
            }
            entry.remove();
        }
        // A crowd that left takes its room along.
        if marks.is_empty() && marks.capacity() > LARGE {
            *marks = HashTable::new();
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
