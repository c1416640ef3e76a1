//! The entries of this process by their keys: several parts, each with a replacement policy of its own under its own lock.
//!
//! A look-up judges what it finds where it lies: to take it out and to let go of it again would cost two locked instructions, an eighth
//! of a hit. A key is hashed once, for its part, its place in it and its mark.

use std::cell::RefCell;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use parking_lot::RwLock;
use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use super::held::Held;
use super::key::{Key, KeyRef};

/// A part expects at least so many entries.
const FEWEST: usize = 32;

pub(super) struct Table {
    parts: Box<[Part]>,
}

/// On cache lines of its own: its neighbours are locked by others at the same time.
#[repr(align(128))]
struct Part(RwLock<Policy>);

type Policy = Cache<Key, Arc<Held>, Bytes, BuildHasherDefault<Known>, Departures>;

/// Entries that had to go in one fill: mostly one or two.
pub(super) type Departed = SmallVec<[(Key, Arc<Held>); 2]>;

impl Table {
    /// `expected` entries that weigh `capacity` together, in at most so many parts.
    pub(super) fn new(parts: usize, expected: usize, capacity: u64) -> Self {
        // Rounded down to a power of two.
        let parts = 1_usize << parts.max(1).ilog2();
        let expected = expected.div_ceil(parts);
        // Rounded up, and their sum is a number still.
        let capacity = capacity.saturating_add(parts as u64 - 1) / parts as u64;
        Self {
            parts: (0..parts)
                .map(|_| Part(RwLock::new(policy(expected.max(FEWEST), capacity))))
                .collect(),
        }
    }

    /// What `look` makes of the entry of a key, under the lock of its part: it must not come back here, wait, or let go of a value for the
    /// last time. It is one more use of the entry.
    #[inline]
    pub(super) fn look<T>(&self, key: KeyRef<'_>, look: impl FnOnce(&Arc<Held>) -> T) -> Option<T> {
        self.part(key.hash()).read().get(&key).map(look)
    }

    pub(super) fn contains(&self, key: KeyRef<'_>) -> bool {
        self.part(key.hash()).read().contains_key(&key)
    }

    /// Puts an entry in. What has to go for it, or is replaced by it, is added to `departed`: also this one itself, when it is too large.
    pub(super) fn insert(&self, key: Key, held: Arc<Held>, departed: &mut Departed) {
        let part = self.part(key.hash());
        part.write().insert_with_lifecycle(key, held, departed);
    }

    pub(super) fn remove(&self, key: KeyRef<'_>) -> Option<(Key, Arc<Held>)> {
        self.part(key.hash()).write().remove(&key)
    }

    pub(super) fn remove_if(
        &self,
        key: KeyRef<'_>,
        goes: impl FnOnce(&Arc<Held>) -> bool,
    ) -> Option<(Key, Arc<Held>)> {
        self.part(key.hash()).write().remove_if(&key, goes)
    }

    /// Takes all entries away that match; they are dropped after the locks.
    pub(super) fn remove_matching(&self, goes: impl Fn(&Key) -> bool) {
        let departed = RefCell::new(Vec::new());
        for Part(part) in &self.parts {
            part.write().retain(|key, held| {
                let goes = goes(key);
                if goes {
                    departed.borrow_mut().push(Arc::clone(held));
                }
                !goes
            });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.0.read().len()).sum()
    }

    pub(super) fn weight(&self) -> u64 {
        self.parts.iter().map(|part| part.0.read().weight()).sum()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.parts.iter().map(|part| part.0.read().capacity()).sum()
    }

    #[inline]
    fn part(&self, hash: u64) -> &RwLock<Policy> {
        // Bits that a part's own table makes little of.
        let index = (hash >> 32) as usize & (self.parts.len() - 1);
        #[allow(clippy::indexing_slicing, reason = "there is a power of two of them")]
        &self.parts[index].0
    }
}

fn policy(expected: usize, capacity: u64) -> Policy {
    let hashing = BuildHasherDefault::default();
    let options = OptionsBuilder::new()
        .estimated_items_capacity(expected)
        .weight_capacity(capacity)
        .build();
    match options {
        Ok(options) => Cache::with_options(options, Bytes, hashing, Departures),
        // Both capacities are given, the only thing that can be missing.
        Err(_) => Cache::with(expected, capacity, Bytes, hashing, Departures),
    }
}

/// Takes the hash that a key knows for its hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known(u64);

impl Hasher for Known {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, bytes: &[u8]) {
        // Keys tell their hash alone.
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// Weighs entries by what they take.
#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Arc<Held>> for Bytes {
    #[inline]
    fn weight(&self, key: &Key, held: &Arc<Held>) -> u64 {
        super::weight(key, held)
    }
}

/// Collects what had to go, so that it is dropped by the one who filled, after the locks.
#[derive(Clone)]
struct Departures;

impl Lifecycle<Key, Arc<Held>> for Departures {
    type RequestState = Departed;

    fn on_evict(&self, departed: &mut Departed, key: Key, held: Arc<Held>) {
        departed.push((key, held));
    }
}
