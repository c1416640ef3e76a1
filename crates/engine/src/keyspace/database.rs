//! One numbered database: keys, their values and their expiry.
//!
//! Keys that have expired are never seen: they are removed when their time has come, before the next command. The
//! memory of all values is summed up as they change.
//! Next: `entry.rs` (values), `context.rs` (how commands reach keys).

use std::collections::BTreeMap;

use super::dict::Dict;
use super::entry::{Entry, NEVER, Value};
use super::packed::allocated;

/// A deadline's share of the nodes of their tree, which are rarely full.
const DEADLINE: usize = size_of::<((u64, u64), Box<[u8]>)>() * 5 / 3;

/// The keys of one database.
#[derive(Debug)]
pub(crate) struct Database {
    /// What it is called whatever place SWAPDB gives it, until it is emptied.
    id: u64,
    keys: Dict<Entry>,
    /// What expires next comes first; the identity tells keys of one instant apart.
    expiries: BTreeMap<(u64, u64), Box<[u8]>>,
    /// All deadlines added up.
    deadlines: u128,
    /// Bytes of all names, values and deadlines.
    memory: usize,
}

/// Bytes a key and its value need beside the key's place in the table.
fn charge(key: &[u8], value: &Value) -> usize {
    allocated(key.len()) + value.memory()
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

    /// An empty one that is called so.
    pub(crate) fn named(id: u64) -> Self {
        Self { id, ..Self::new(0) }
    }

    /// What it is called whatever place SWAPDB gives it, until it is emptied.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of all keys and values.
    pub(crate) fn memory(&self) -> usize {
        self.memory + self.keys.table_memory()
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

    /// The entry of a key, and its name as it is kept here.
    pub(crate) fn find(&self, key: &[u8]) -> Option<(&[u8], &Entry)> {
        self.keys.get_key_value(key)
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
            entry.charged = charge(key, &entry.value);
            self.memory += entry.charged;
        }
        (entry, is_new)
    }

    /// Puts an entry, expiry included, in the place of whatever the key held.
    pub(crate) fn insert(&mut self, key: &[u8], mut entry: Entry) {
        entry.charged = charge(key, &entry.value);
        self.memory += entry.charged;
        if entry.expires != NEVER {
            self.schedule(entry.expires, entry.id, key.into());
        }
        if let Some(old) = self.keys.insert(key.into(), entry) {
            self.forget(&old);
        }
    }

    /// Adds an entry as it was kept; the entry that has its name already, if there is one.
    pub(crate) fn load(&mut self, key: Box<[u8]>, mut entry: Entry) -> Option<Entry> {
        entry.charged = charge(&key, &entry.value);
        self.memory += entry.charged;
        if entry.expires != NEVER {
            self.schedule(entry.expires, entry.id, key.clone());
        }
        self.keys.insert(key, entry)
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
        let (id, charge) = (entry.id, charge(key, &entry.value));
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
            let charge = charge(key, &entry.value);
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

    /// Sets when a key expires, or `NEVER`; answers the identity of its value, nothing when there is no such key.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at: u64) -> Option<u64> {
        let entry = self.keys.get_mut(key)?;
        let (before, id) = (std::mem::replace(&mut entry.expires, at), entry.id);
        if before == at {
            return Some(id);
        }
        let known = if before == NEVER {
            None
        } else {
            self.take_deadline(before, id)
        };
        if at != NEVER {
            self.schedule(at, id, known.unwrap_or_else(|| key.into()));
        }
        Some(id)
    }

    fn schedule(&mut self, at: u64, id: u64, key: Box<[u8]>) {
        self.memory += DEADLINE + allocated(key.len());
        self.deadlines += u128::from(at);
        self.expiries.insert((at, id), key);
    }

    /// All keys, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.keys.iter()
    }

    /// Some of the keys; returns the cursor to go on from, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(&[u8], &Entry)) -> u64 {
        self.keys.scan(cursor, count, visit)
    }

    /// Shows keys from `cursor` on until `see` refuses one; answers the cursor of that one, nothing at the end.
    pub(crate) fn walk<'a>(
        &'a self,
        cursor: u64,
        see: impl FnMut(&'a [u8], &'a Entry) -> bool,
    ) -> Option<u64> {
        self.keys.walk(cursor, see)
    }

    pub(crate) fn random(&self, rng: &mut fastrand::Rng) -> Option<&[u8]> {
        self.keys.random(rng).map(|(key, _)| key)
    }

    /// Takes everything out, for the caller to drop where it does not hold up others. What is empty then is a database
    /// of its own, with this id.
    pub(crate) fn take_all(&mut self, id: u64) -> Self {
        let empty = Self {
            id,
            keys: Dict::default(),
            expiries: BTreeMap::new(),
            deadlines: 0,
            memory: 0,
        };
        std::mem::replace(self, empty)
    }

    /// Whether charges and deadlines are what the keys say.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        let (mut memory, mut deadlines) = (0, 0);
        let mut expiries = BTreeMap::new();
        for (key, entry) in self.keys.iter() {
            assert_eq!(entry.charged, charge(key, &entry.value));
            memory += entry.charged;
            if entry.expires != NEVER {
                memory += DEADLINE + allocated(key.len());
                deadlines += u128::from(entry.expires);
                expiries.insert((entry.expires, entry.id), key.into());
            }
        }
        assert_eq!((self.memory, self.deadlines), (memory, deadlines));
        assert_eq!(self.expiries, expiries);
    }

    fn forget(&mut self, entry: &Entry) {
        self.memory = self.memory.saturating_sub(entry.charged);
        if entry.expires != NEVER {
            self.take_deadline(entry.expires, entry.id);
        }
    }

    /// Takes a deadline out; answers the name of its key.
    fn take_deadline(&mut self, at: u64, id: u64) -> Option<Box<[u8]>> {
        let name = self.expiries.remove(&(at, id))?;
        self.deadlines = self.deadlines.saturating_sub(u128::from(at));
        self.memory = self.memory.saturating_sub(DEADLINE + allocated(name.len()));
        Some(name)
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

#[cfg(test)]
mod tests {
    use super::{Database, Entry, NEVER, Value};

    fn entry(id: u64, expires: u64) -> Entry {
        let mut entry = Entry::new(id, Value::String(b"value".to_vec()), 0);
        entry.expires = expires;
        entry
    }

    #[test]
    fn memory_follows_keys_and_deadlines_and_comes_back_to_nothing() {
        let mut database = Database::new(0);
        for id in 0..2_000 {
            database.insert(format!("key:{id}").as_bytes(), entry(id, NEVER));
        }
        let lasting = database.memory();
        assert!(lasting > 2_000 * size_of::<(Box<[u8]>, Entry)>());
        for id in 0..2_000 {
            let key = format!("key:{id}");
            assert_eq!(database.set_expiry(key.as_bytes(), id + 5), Some(id));
            assert_eq!(database.set_expiry(key.as_bytes(), id + 7), Some(id));
        }
        // A deadline holds the name a second time.
        assert!(database.memory() >= lasting + 2_000 * (size_of::<(u64, u64)>() + 32));
        for id in 0..1_000 {
            database.set_expiry(format!("key:{id}").as_bytes(), NEVER);
            database.put(
                format!("key:{}", id + 1_000).as_bytes(),
                0,
                Value::String(b"other".to_vec()),
                NEVER,
                0,
            );
        }
        assert_eq!(database.memory(), lasting);
        for id in 0..2_000 {
            database.insert(b"another", entry(5_000 + id, id));
            assert!(database.remove(format!("key:{id}").as_bytes()).is_some());
        }
        assert!(database.remove(b"another").is_some());
        assert_eq!((database.memory(), database.volatile()), (0, 0));
    }
}
