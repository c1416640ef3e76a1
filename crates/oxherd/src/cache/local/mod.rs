//! The tier in this process: decoded values by the bytes of their envelope, and what makes them unusable.
//!
//! An entry is as of a [`Moment`], which is taken before the read of the store begins. What the process is told
//! afterwards either concerns a key, and takes the entry away together with every fill under way ([`Pending`]), or
//! a tag, tenant or namespace, and is written into a [`Cell`] that all entries concerned point to. Once the call
//! that tells has returned, no look-up that begins later finds anything older to be [`Validity::Valid`].
//! Nothing here waits, and no user's code (the drop of a value) runs under a lock.
//! Next: `table.rs` (entries by their keys), `held.rs` (an entry), `cell.rs` (tags), `pending.rs` (keys), `docs/design/cache.md`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use parking_lot::RwLock;
use smallvec::SmallVec;

mod cell;
mod held;
mod key;
mod pending;
#[cfg(test)]
mod stress;
mod table;
#[cfg(test)]
mod tests;
mod trust;

pub(crate) use cell::Cell;
use cell::CellTable;
use held::Tally;
pub(crate) use held::{Held, Meta, Moment, Usage, Validity};
pub(crate) use key::NamespaceNumber;
use key::{Hashing, Key, KeyRef, hashing};
use pending::Marks;
pub(crate) use pending::Pending;
use table::{Departed, Table};
use trust::Trust;

use crate::clock::Present;

/// What one entry costs besides its bytes and its key: the entry itself with its counters, its slot in the table
/// (which is half empty on average, and keeps as many ghosts again), and what the allocator adds.
const OVERHEAD: u64 =
    (size_of::<Held>() + 16 + 2 * (size_of::<Key>() + size_of::<Arc<Held>>() + 29) + 48) as u64;

/// A part of the table must hold entries of this size many times over, or they would never be kept.
const SMALLEST_PART: u64 = 4 << 20;

/// Entries of which each is about this large are expected; decides only how many departed keys are remembered.
const EXPECTED_ENTRY: u64 = 1024;

/// All entries that this process keeps for one cache.
pub(crate) struct Local {
    entries: Table,
    hashing: Hashing,
    marks: Marks,
    cells: CellTable,
    /// Below it everything is in doubt: the channel may have been dead.
    floor: AtomicU64,
    /// From then on everything is, until the channel is known to have been alive later.
    trusted_until: Trust,
    tallies: RwLock<HashMap<NamespaceNumber, Arc<Tally>>>,
    evictions: AtomicU64,
    told: Told,
}

/// Asked once: the answer is read from files.
static THREADS: LazyLock<u64> =
    LazyLock::new(|| available_parallelism().map_or(1, |threads| threads.get() as u64));

/// How often this process was told of anything but a key. On a cache line of its own, because it is written by
/// every push while look-ups read its neighbours.
#[repr(align(128))]
struct Told(AtomicU64);

/// What the tier holds and how often it had to let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalCounts {
    pub(crate) entries: u64,
    /// With keys and overhead.
    pub(crate) bytes: u64,
    pub(crate) capacity_bytes: u64,
    /// Entries that went away for want of room since the start, or never fitted.
    pub(crate) evictions: u64,
}

impl Local {
    /// Room for this many bytes of envelopes, keys and overhead. An entry larger than a part of it (a part has at
    /// least 4 MiB, or everything) is not kept. Names are hashed by a seed that is drawn, unless there is one.
    pub(crate) fn new(capacity_bytes: u64, seed: Option<u64>) -> Self {
        let parts = (*THREADS * 4)
            .next_power_of_two()
            .min((capacity_bytes / SMALLEST_PART).max(1));
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let expected = count(capacity_bytes / EXPECTED_ENTRY);
        let hashing = hashing(seed);
        Self {
            entries: Table::new(count(parts), expected, capacity_bytes),
            marks: Marks::new(),
            cells: CellTable::new(hashing.clone()),
            hashing,
            floor: AtomicU64::new(0),
            trusted_until: Trust::default(),
            tallies: RwLock::default(),
            evictions: AtomicU64::new(0),
            told: Told(AtomicU64::new(0)),
        }
    }

    /// The entry of a key, whatever it is worth: ask [`Self::validity`] and its times.
    pub(crate) fn get(&self, namespace: NamespaceNumber, key: &[u8]) -> Option<Arc<Held>> {
        self.look(namespace, key, Arc::clone)
    }

    /// What `look` makes of the entry of a key, whatever it is worth, where it lies: under a lock, so that it must not come back here, wait,
    /// or let go of a value for the last time.
    #[inline]
    pub(crate) fn look<T>(
        &self,
        namespace: NamespaceNumber,
        key: &[u8],
        look: impl FnOnce(&Arc<Held>) -> T,
    ) -> Option<T> {
        self.entries.look(self.key(namespace, key), look)
    }

    #[inline]
    fn key<'a>(&self, namespace: NamespaceNumber, text: &'a [u8]) -> KeyRef<'a> {
        KeyRef::new(&self.hashing, namespace, text)
    }

    /// The present moment, to be taken before the read of the store begins whose result may be kept.
    ///
    /// Acquire pairs with the release of [`Self::tell`]: a moment that counts an invalidation sees whatever the one
    /// who told of it had seen, and what is read after it cannot be read before it.
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.told.0.load(Ordering::Acquire))
    }

    /// Whether anything that concerns this entry was told since its moment.
    ///
    /// Acquire, because whoever sees a cell raised must see nothing older than the one who raised it saw.
    #[inline]
    pub(crate) fn validity(&self, held: &Held) -> Validity {
        if held.cells().iter().any(|cell| cell.raised_at() > held.as_of()) {
            return Validity::Gone;
        }
        if self.floor.load(Ordering::Acquire) > held.as_of().0 {
            return Validity::Doubted;
        }
        Validity::Valid
    }

    /// The cell of a tag; with an empty tag that of a tenant, and with an empty tenant too that of the namespace.
    pub(crate) fn cell(&self, namespace: NamespaceNumber, tenant: &str, tag: &str) -> Arc<Cell> {
        self.cells.cell(namespace, tenant, tag)
    }

    /// The cells of everything that an entry with these tags depends on: namespace, tenant (unless it is the empty
    /// one), tags.
    pub(crate) fn cells<'a>(
        &self,
        namespace: NamespaceNumber,
        tenant: &str,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> SmallVec<[Arc<Cell>; 3]> {
        let mut cells = SmallVec::new();
        cells.push(self.cell(namespace, "", ""));
        if !tenant.is_empty() {
            cells.push(self.cell(namespace, tenant, ""));
        }
        cells.extend(tags.into_iter().map(|tag| self.cell(namespace, tenant, tag)));
        cells
    }

    /// Announces a read of the store whose result may be kept.
    pub(crate) fn pending(self: &Arc<Self>, namespace: NamespaceNumber, key: &[u8]) -> Pending {
        Pending::new(self, self.key(namespace, key))
    }

    /// A key changed: its entry goes, and reads under way keep nothing.
    pub(crate) fn changed(&self, namespace: NamespaceNumber, key: &[u8]) {
        let key = self.key(namespace, key);
        drop(self.marks.dirty(key, || self.entries.remove(key)));
    }

    /// A tag was invalidated (or, with an empty one, a tenant).
    pub(crate) fn tag_changed(&self, namespace: NamespaceNumber, tenant: &str, tag: &str) {
        self.cells.raise(namespace, tenant, tag, || self.tell());
    }

    /// A namespace was cleared. Its entries are worth nothing from here on; [`Self::clear`] gives their room back too.
    pub(crate) fn namespace_changed(&self, namespace: NamespaceNumber) {
        self.tag_changed(namespace, "", "");
    }

    /// Puts everything held in doubt: pushes may have been lost. Reads under way keep nothing.
    pub(crate) fn raise_floor(&self) {
        self.floor.fetch_max(self.tell().0, Ordering::AcqRel);
    }

    /// What is held may be trusted for a while from this moment on: from then on everything is told.
    pub(crate) fn begins_to_hear(&self, at: Present) {
        self.trusted_until.begin(at);
    }

    /// All that others changed before this moment was told.
    pub(crate) fn all_is_heard(&self, at: Present) {
        self.trusted_until.prolong(at);
    }

    /// Nothing is told any more: what was kept before is [below the floor](Self::raise_floor), and what is kept from now on is kept in spite
    /// of that.
    pub(crate) fn hears_nothing(&self) {
        self.raise_floor();
        self.trusted_until.end();
    }

    /// Whether what is held may be trusted now. Where the tasks that listen are not run for long, by a runtime that is busy, blocked or left
    /// alone, or by a process that was suspended, nobody would notice otherwise.
    #[inline]
    pub(crate) fn is_hearing(&self, at: Present) -> bool {
        self.trusted_until.is_after(at)
    }

    /// Takes an entry that turned out to be worthless away, unless another one has taken its place.
    pub(crate) fn forget(&self, namespace: NamespaceNumber, key: &[u8], held: &Arc<Held>) {
        let key = self.key(namespace, key);
        drop(self.entries.remove_if(key, |present| Arc::ptr_eq(present, held)));
    }

    /// Takes all keys of a namespace away that match; looks at every entry there is.
    pub(crate) fn remove_matching(&self, namespace: NamespaceNumber, matches: impl Fn(&[u8]) -> bool) {
        // Marks first: a fill that slips in before its mark is dirtied is found by the sweep that follows.
        self.marks
            .dirty_matching(|key| key.namespace() == namespace && matches(key.text()));
        self.entries
            .remove_matching(|key| key.namespace() == namespace && matches(key.text()));
    }

    /// [`Self::namespace_changed`], and gives the room back; looks at every entry there is.
    pub(crate) fn clear(&self, namespace: NamespaceNumber) {
        self.namespace_changed(namespace);
        self.entries.remove_matching(|key| key.namespace() == namespace);
    }

    /// What the tier holds.
    pub(crate) fn counts(&self) -> LocalCounts {
        LocalCounts {
            entries: self.entries.len() as u64,
            bytes: self.entries.weight(),
            capacity_bytes: self.entries.capacity(),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }

    /// What a namespace holds, counting what was let go but is still in a reader's hands.
    pub(crate) fn usage(&self, namespace: NamespaceNumber) -> Usage {
        self.tallies
            .read()
            .get(&namespace)
            .map_or_else(Usage::default, |tally| tally.usage())
    }

    /// Counts something told, and returns the moment of it.
    fn tell(&self) -> Moment {
        Moment(self.told.0.fetch_add(1, Ordering::AcqRel) + 1)
    }

    /// Puts an entry in; whether it is there now. Called under the lock of the key's mark; what had to go is added to
    /// `departed`, to be dropped after that lock.
    fn keep(&self, key: &Key, held: &Arc<Held>, departed: &mut Departed) -> bool {
        let bytes = weight(key, held);
        held.count_in(&self.tally(key.namespace()), bytes);
        self.entries.insert(key.clone(), Arc::clone(held), departed);
        let mut is_kept = true;
        let mut evicted = 0;
        for (gone, value) in departed.iter() {
            // The table reports the value that was replaced like one that was evicted.
            if gone != key {
                evicted += 1;
            } else if Arc::ptr_eq(value, held) {
                // Either it was too large, or it took its own place.
                is_kept = self.entries.contains(key.borrowed());
                evicted += u64::from(!is_kept);
            }
        }
        if evicted > 0 {
            self.evictions.fetch_add(evicted, Ordering::Relaxed);
        }
        is_kept
    }

    fn tally(&self, namespace: NamespaceNumber) -> Arc<Tally> {
        if let Some(tally) = self.tallies.read().get(&namespace) {
            return Arc::clone(tally);
        }
        Arc::clone(self.tallies.write().entry(namespace).or_default())
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn weight(key: &Key, held: &Held) -> u64 {
    u64::from(held.bytes()) + key.text().len() as u64 + OVERHEAD
}
