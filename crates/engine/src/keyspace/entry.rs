//! What a key holds.
//!
//! A value is one of six types; `Kind` lets a command ask for the one it works on and be refused the others.
//! Next: `database.rs` (keys), `dict.rs` (the table under them).

use super::hash::Hash;
use super::list::List;
use super::packed::allocated;
use super::set::Set;
use super::sorted_set::SortedSet;
use super::stream::Stream;

/// The value of a key.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    String(Vec<u8>),
    List(Box<List>),
    Hash(Hash),
    Set(Set),
    SortedSet(Box<SortedSet>),
    Stream(Box<Stream>),
}

/// A value and what is kept beside it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key's identity: never reused, kept by RENAME.
    pub(crate) id: u64,
    /// When the key expires, in milliseconds since 1970; `NEVER` when it does not.
    pub(crate) expires: u64,
    /// The bytes charged for the value when it was last changed.
    pub(super) charged: usize,
    /// When it was last read or written, in seconds since 1970.
    pub(crate) accessed: u32,
    pub(crate) value: Value,
}

/// The `expires` of a key that lives until it is removed.
pub(crate) const NEVER: u64 = u64::MAX;

/// A type of value that commands work on.
pub(crate) trait Kind: Sized {
    /// A new, empty value; with `track` it remembers what changes in it.
    fn empty(track: bool) -> Value;
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
}

macro_rules! kind {
    ($type:ty, $variant:ident, $track:ident => $empty:expr) => {
        impl Kind for $type {
            fn empty($track: bool) -> Value {
                Value::$variant($empty)
            }

            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$variant(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    };
}

kind!(Vec<u8>, String, _track => Vec::new());
kind!(List, List, track => Box::new(List::new(track)));
kind!(Hash, Hash, track => Hash::new(track));
kind!(Set, Set, track => Set::new(track));
kind!(SortedSet, SortedSet, track => Box::new(SortedSet::new(track)));
kind!(Stream, Stream, track => Box::new(Stream::new(track)));

impl Value {
    /// The type's name, as TYPE says it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// Whether this is a collection without elements, which Redis does not keep (an empty stream it does).
    pub(crate) fn is_spent(&self) -> bool {
        match self {
            Self::String(_) | Self::Stream(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Hash(hash) => hash.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::SortedSet(set) => set.is_empty(),
        }
    }

    /// Heap bytes held.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::String(bytes) => allocated(bytes.capacity()),
            Self::List(list) => size_of::<List>() + list.memory(),
            Self::Hash(hash) => hash.memory(),
            Self::Set(set) => set.memory(),
            Self::SortedSet(set) => size_of::<SortedSet>() + set.memory(),
            Self::Stream(stream) => size_of::<Stream>() + stream.memory(),
        }
    }

    /// Ends loading; from here on changes are noted, or not.
    pub(crate) fn loaded(&mut self, track: bool) {
        match self {
            Self::String(bytes) => bytes.shrink_to_fit(),
            Self::List(list) => list.loaded(track),
            _ if !track => {}
            Self::Hash(hash) => hash.track(true),
            Self::Set(set) => set.track(true),
            Self::SortedSet(set) => set.track(true),
            Self::Stream(stream) => stream.track(true),
        }
    }

    /// Forgets what has changed, and notes changes from here on or none. Whoever is to know it is told it as a whole.
    pub(crate) fn track(&mut self, is_on: bool) {
        match self {
            Self::String(_) => {}
            Self::List(list) => list.track(is_on),
            Self::Hash(hash) => hash.track(is_on),
            Self::Set(set) => set.track(is_on),
            Self::SortedSet(set) => set.track(is_on),
            Self::Stream(stream) => stream.track(is_on),
        }
    }

    /// The representation, as OBJECT ENCODING names it.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::String(bytes) if bytes.len() <= 20 && crate::number::parse_int(bytes).is_some() => "int",
            Self::String(bytes) if bytes.len() <= 44 => "embstr",
            Self::String(_) => "raw",
            Self::List(list) => list.encoding(),
            Self::Hash(hash) => hash.encoding(),
            Self::Set(set) => set.encoding(),
            Self::SortedSet(set) => set.encoding(),
            Self::Stream(_) => "stream",
        }
    }
}
