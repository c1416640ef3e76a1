//! All keys with their values and times of expiry.
//!
//! A key is expired lazily, when a command looks at it, by the time at which that command (or script) began. Typed access
//! refuses a value of another type; a collection that becomes empty must be handed to `remove_if_empty`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::Clock;
use super::reply::Refusal;
use super::sorted_set::SortedSet;
use super::stream::Stream;

pub(super) type Hash = BTreeMap<Vec<u8>, Vec<u8>>;
pub(super) type List = VecDeque<Vec<u8>>;
pub(super) type Set = BTreeSet<Vec<u8>>;

/// One value of any type.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Vec<u8>),
    Hash(Hash),
    List(List),
    Set(Set),
    SortedSet(SortedSet),
    Stream(Stream),
}

impl Value {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Hash(_) => "hash",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// Strings and streams exist when empty, collections do not.
    fn is_gone(&self) -> bool {
        match self {
            Self::Text(_) | Self::Stream(_) => false,
            Self::Hash(hash) => hash.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::SortedSet(set) => set.is_empty(),
        }
    }
}

/// A Rust type that is the content of one kind of [`Value`].
pub(super) trait Kind: Default {
    fn wrap(self) -> Value;
    fn of(value: &mut Value) -> Option<&mut Self>;
}

macro_rules! kind {
    ($type:ty, $variant:ident) => {
        impl Kind for $type {
            fn wrap(self) -> Value {
                Value::$variant(self)
            }
            fn of(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(content) => Some(content),
                    _ => None,
                }
            }
        }
    };
}

kind!(Vec<u8>, Text);
kind!(Hash, Hash);
kind!(List, List);
kind!(Set, Set);
kind!(SortedSet, SortedSet);
kind!(Stream, Stream);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// Milliseconds since the Unix epoch.
    pub(super) expires_at: Option<i64>,
}

pub(super) struct Keyspace {
    entries: BTreeMap<Vec<u8>, Entry>,
    clock: Clock,
    now_ms: i64,
    cursors: Cursors,
    /// Set by commands that bring what a blocked reader may wait for.
    pub(super) has_arrivals: bool,
}

/// Where unfinished scans continue: each cursor remembers the last element it returned, so that changes in between
/// neither hide nor repeat an element that was there all the time.
#[derive(Debug, Default)]
struct Cursors {
    after: HashMap<u64, Vec<u8>>,
}

impl Keyspace {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            entries: BTreeMap::new(),
            clock,
            now_ms: 0,
            cursors: Cursors::default(),
            has_arrivals: false,
        }
    }

    /// Takes the time for the command, script or transaction that begins now.
    pub(super) fn begin(&mut self) {
        self.now_ms = (self.clock)();
    }

    /// The time at which the running command began, in milliseconds since the Unix epoch.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The live entry of a key.
    pub(super) fn entry(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let now = self.now_ms;
        if self.entries.get(key)?.expires_at.is_some_and(|at| at <= now) {
            self.entries.remove(key);
        }
        self.entries.get_mut(key)
    }

    /// The content of a key, if it exists.
    pub(super) fn get<K: Kind>(&mut self, key: &[u8]) -> Result<Option<&mut K>, Refusal> {
        match self.entry(key) {
            None => Ok(None),
            Some(entry) => K::of(&mut entry.value).map(Some).ok_or_else(Refusal::wrong_type),
        }
    }

    /// The content of a key, created empty if there is none.
    pub(super) fn get_or_create<K: Kind>(&mut self, key: &[u8]) -> Result<&mut K, Refusal> {
        if self.entry(key).is_none() {
            self.set(key, K::default().wrap());
        }
        self.get(key)?.ok_or_else(Refusal::wrong_type)
    }

    /// Gives a key a new value without expiry.
    pub(super) fn set(&mut self, key: &[u8], value: Value) {
        self.insert(
            key,
            Entry {
                value,
                expires_at: None,
            },
        );
    }

    pub(super) fn insert(&mut self, key: &[u8], entry: Entry) {
        self.entries.insert(key.to_vec(), entry);
    }

    /// Removes a key and returns what it held, if it was live.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.entry(key)?;
        self.entries.remove(key)
    }

    pub(super) fn remove_if_empty(&mut self, key: &[u8]) {
        if self.entries.get(key).is_some_and(|entry| entry.value.is_gone()) {
            self.entries.remove(key);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// All live keys in order.
    pub(super) fn live(&self) -> impl Iterator<Item = (&Vec<u8>, &Entry)> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.expires_at.is_none_or(|at| at > self.now_ms))
    }

    /// After which element the scan with this cursor continues; `None` when the cursor is unknown.
    pub(super) fn resume(&self, cursor: u64) -> Option<&Vec<u8>> {
        self.cursors.after.get(&cursor)
    }

    /// A cursor that continues after this element.
    pub(super) fn cursor_after(&mut self, last: &[u8]) -> u64 {
        let cursor = u64::try_from(self.cursors.after.len()).expect("no test scans that often") + 1;
        self.cursors.after.insert(cursor, last.to_vec());
        cursor
    }
}

impl Default for Keyspace {
    fn default() -> Self {
        Self::new(Arc::new(|| 0))
    }
}
