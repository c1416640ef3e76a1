//! One numbered database: keys, their values and their expiry.
//!
//! Keys that have expired are never seen: they are removed when their time has come, before the next command. The
//! memory of all values is summed up as they change.
//! Next: `entry.rs` (values), `context.rs` (how commands reach keys).

use std::collections::BTreeMap;

use super::dict::Dict;
use super::entry::{Entry, NEVER, Value};

/// Bytes a key costs beside its value: its slot in the table, its name's allocation.
const KEY_OVERHEAD: usize = size_of::<(Box<[u8]>, Entry)>() + 16;

/// The keys of one database.
#[derive(Debug)]
pub(crate) struct Database {
    /// What it is called whatever place SWAPDB gives it.
    id: u64,
    keys: Dict<Entry>,
    /// What expires next comes first; the identity tells keys of one instant apart.
    expiries: BTreeMap<(u64, u64), Box<[u8]>>,
    /// All deadlines added up.
    deadlines: u128,
    /// Bytes of all keys and values.
    memory: usize,
}

impl Database {
    /// An empty one for a place.
    pub(crate) fn new(place: usize) -> Self {
        Self {
            id: u64::try_from(place).unwrap_or(u64::MAX),
            keys: Dict::default(),
            expiries: BTreeMap::new(),
            deadlines: 0,
            memory: 0,
        }
    }

    /// What it is called whatever place SWAPDB gives it.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of all keys and values.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// How many keys expire some day.
    pub(crate) fn volatile(&self) -> usize {
        self.expiries.len()
    }

    /// When the next key expires; `NEVER` when none does.
    pub(crate) fn next_expiry(&self) -> u64 {
        self.expiries.first_key_value().map_or(NEVER, |((at, _), _)| *at)
    }

    /// How long keys that expire live on, on average.
    pub(crate) fn average_time_to_live(&self, now: u64) -> u64 {
        let average = self
            .deadlines
            .checked_div(self.expiries.len() as u128)
            .unwrap_or(0);
        u64::try_from(average.saturating_sub(u128::from(now))).unwrap_or(u64::MAX)
    }

    /// How many keys' time has come.
    pub(crate) fn count_due(&self, now: u64) -> usize {
        self.expiries.range(..=(now, u64::MAX)).count()
    }

    /// A key whose time has come.
    pub(crate) fn due(&self, now: u64) -> Option<&[u8]> {
        let ((at, _), key) = self.expiries.first_key_value()?;
        (*at <= now).then_some(&**key)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.keys.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.keys.get_mut(key)
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.keys.contains(key)
    }

    /// The entry of a key, made by `make` when there is none; the second says whether it was made.
    pub(crate) fn get_or_make(&mut self, key: &[u8], make: impl FnOnce() -> Entry) -> (&mut Entry, bool) {
        let (entry, is_new) = self.keys.get_or_insert_with(key, make);
        if is_new {
            entry.charged = KEY_OVERHEAD + key.len() + entry.value.memory();
            self.memory += entry.charged;
        }
        (entry, is_new)
    }

    /// Puts an entry, expiry included, in the place of whatever the key held.
    pub(crate) fn insert(&mut self, key: &[u8], mut entry: Entry) {
        entry.charged = KEY_OVERHEAD + key.len() + entry.value.memory();
        self.memory += entry.charged;
        if entry.expires != NEVER {
            self.schedule(entry.expires, entry.id, key.into());
        }
        if let Some(old) = self.keys.insert(key.into(), entry) {
            self.forget(&old);
        }
    }

    /// Puts a value in the place of whatever the key held, with another expiry; returns the entry's identity (`id` for
    /// a new key) and the old value.
    pub(crate) fn put(
        &mut self,
        key: &[u8],
        id: u64,
        value: Value,
        expires: u64,
        now: u64,
    ) -> (u64, Option<Value>) {
        let Some(entry) = self.keys.get_mut(key) else {
            let mut entry = Entry::new(id, value, now);
            entry.expires = expires;
            self.insert(key, entry);
            return (id, None);
        };
        let old = std::mem::replace(&mut entry.value, value);
        entry.access(now);
        let (id, charge) = (entry.id, KEY_OVERHEAD + key.len() + entry.value.memory());
        self.memory = (self.memory + charge).saturating_sub(entry.charged);
        entry.charged = charge;
        if entry.expires != expires {
            self.set_expiry(key, expires);
        }
        (id, Some(old))
    }

    /// Charges what the value of a key needs now; false, and nothing else, when it is spent.
    pub(crate) fn recharge(&mut self, key: &[u8]) -> bool {
        if let Some(entry) = self.keys.get_mut(key) {
            if entry.value.is_spent() {
                return false;
            }
            let charge = KEY_OVERHEAD + key.len() + entry.value.memory();
            self.memory = (self.memory + charge).saturating_sub(entry.charged);
            entry.charged = charge;
        }
        true
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (_, entry) = self.keys.remove(key)?;
        self.forget(&entry);
        Some(entry)
    }

    /// Sets when a key expires, or `NEVER`; false when there is no such key.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at: u64) -> bool {
        let Some(entry) = self.keys.get_mut(key) else {
            return false;
        };
        let (before, id) = (std::mem::replace(&mut entry.expires, at), entry.id);
        if before == at {
            return true;
        }
        let name = if before == NEVER {
            None
        } else {
            self.unschedule(before, id)
        };
        if at != NEVER {
            self.schedule(at, id, name.unwrap_or_else(|| key.into()));
        }
        true
    }

    fn schedule(&mut self, at: u64, id: u64, key: Box<[u8]>) {
        if self.expiries.insert((at, id), key).is_none() {
            self.deadlines += u128::from(at);
        }
    }

    fn unschedule(&mut self, at: u64, id: u64) -> Option<Box<[u8]>> {
        let key = self.expiries.remove(&(at, id))?;
        self.deadlines -= u128::from(at);
        Some(key)
    }

    /// All keys, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.keys.iter()
    }

    /// Some of the keys; returns the cursor to go on from, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&[u8], &Entry)) -> u64 {
        self.keys.scan(cursor, count, visit)
    }

    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<&[u8]> {
        self.keys.random(rng).map(|(key, _)| key)
    }

    /// Takes everything out, for the caller to drop where it does not hold up others.
    pub(crate) fn take_all(&mut self) -> Self {
        let empty = Self {
            id: self.id,
            keys: Dict::default(),
            expiries: BTreeMap::new(),
            deadlines: 0,
            memory: 0,
        };
        std::mem::replace(self, empty)
    }

    fn forget(&mut self, entry: &Entry) {
        self.memory = self.memory.saturating_sub(entry.charged);
        if entry.expires != NEVER {
            self.unschedule(entry.expires, entry.id);
        }
    }
}

impl Entry {
    /// A value under a new identity that does not expire.
    pub(crate) fn new(id: u64, value: Value, now: u64) -> Self {
        Self {
            id,
            expires: NEVER,
            charged: 0,
            accessed: seconds(now),
            value,
        }
    }

    /// Notes that the value was used.
    pub(crate) fn access(&mut self, now: u64) {
        self.accessed = seconds(now);
    }
}

fn seconds(now: u64) -> u32 {
    u32::try_from(now / 1000).unwrap_or(u32::MAX)
}
