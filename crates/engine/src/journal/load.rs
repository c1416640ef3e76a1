//! From effects to databases, when an engine starts.
//!
//! Values are known by their numbers; names are given out at the end, since until then two values may claim one. The
//! effects may tell what is older than what was told before: an image holds values as they were when their turn
//! came, and the log behind it begins earlier. Whatever such an effect says is said again, as it ended, further on.
//! So parts of values that are not known, or are of another type by then, are passed over, everything may come twice,
//! and only what no later effect has put right is a contradiction. A value whose key went before it could be told is
//! dropped; a key whose value is missing is damage. Volatile keys are dropped by number. Nothing is dropped because its time has come: the engine does that,
//! and tells it.
//! Next: `load/parts.rs` (parts of values), `load/shelf.rs` (values by number), `load/order.rs` (databases),
//! `effect/mod.rs`.

mod contradiction;
mod order;
mod parts;
mod shelf;
mod staged;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod tests;

use std::collections::HashMap;

pub(crate) use contradiction::{Contradiction, Unreadable};
use order::Order;
use shelf::{Known, Shelf};
use staged::Staged;

use super::codec::decode;
use crate::effect::{Effect, ValueKind, Volatile};
use crate::keyspace::stream::Late;
use crate::keyspace::{Database, Entry, Hash, Kind as _, List, NEVER, Set, SortedSet, Stream, Value};

/// No engine lives long enough to give out a greater number.
const GREATEST_NUMBER: u64 = u64::MAX >> 1;

/// Databases being read.
#[derive(Debug)]
pub(crate) struct Loading {
    databases: usize,
    track: bool,
    now: u64,
    shelf: Shelf,
    staged: Staged,
    /// Entries of streams that came when later ones were there, by the stream's number.
    late: HashMap<u64, Late>,
    order: Order,
    greatest: u64,
    volatile: Volatile,
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// By the index clients use.
    pub(crate) databases: Vec<Database>,
    /// The greatest number a value has had; the next value gets a greater one.
    pub(crate) next_entry: u64,
    /// The number of the next database that takes the place of one that is emptied.
    pub(crate) next_database: u64,
    /// The numbers of values that were not wanted.
    pub(crate) dropped: Vec<u64>,
}

impl Loading {
    /// For an engine of so many databases. With `track` values note changes from the end of loading on; `now`, in
    /// milliseconds since 1970, is when they count as last used.
    pub(crate) fn new(databases: usize, track: bool, now: u64) -> Self {
        Self {
            databases: databases.max(1),
            track,
            now,
            shelf: Shelf::default(),
            staged: Staged::default(),
            late: HashMap::new(),
            order: Order::default(),
            greatest: 0,
            volatile: Volatile::default(),
        }
    }

    /// Values under volatile keys are not wanted.
    pub(crate) fn without(mut self, volatile: Volatile) -> Self {
        self.volatile = volatile;
        self
    }

    /// Takes all effects of a payload.
    pub(crate) fn read(&mut self, payload: &[u8]) -> Result<(), Unreadable> {
        for effect in decode(payload) {
            self.apply(&effect?)?;
        }
        Ok(())
    }

    /// Takes one effect.
    pub(crate) fn apply(&mut self, effect: &Effect<'_>) -> Result<(), Contradiction> {
        if let Effect::Field { id, field, value } = effect
            && let Some(value) = value
            && self.staged.takes(*id, field, value)
        {
            return Ok(());
        }
        self.unstage();
        match effect {
            Effect::Databases { order } => self.set_order(order),
            Effect::Gone { id } => {
                self.see(*id)?;
                self.shelf.remove(*id);
                self.late.remove(id);
                Ok(())
            }
            Effect::Key {
                id,
                database,
                name,
                expires,
            } => {
                self.see(*id)?;
                self.order.see(*database)?;
                self.shelf.place(*id, *database, name, expires.unwrap_or(NEVER));
                Ok(())
            }
            Effect::Value { id, kind } => {
                self.see(*id)?;
                self.make(*id, *kind);
                Ok(())
            }
            part => self.apply_part(part),
        }
    }

    /// Gives the values their names.
    pub(crate) fn finish(mut self) -> Result<Loaded, Contradiction> {
        self.unstage();
        let numbers = self.order.numbers(self.databases);
        let mut databases: Vec<Database> = numbers.into_iter().map(Database::named).collect();
        // Of databases that are not there by themselves.
        let mut needed = 0;
        let mut dropped = Vec::new();
        for known in std::mem::take(&mut self.shelf).into_all() {
            let Some(name) = known.name else {
                // It went before its key could be told.
                continue;
            };
            let (id, database) = (known.id, known.database);
            let value = known.value.ok_or(Contradiction::NoValue { id })?;
            let value = self.whole(id, value)?;
            let index = self.order.index(database);
            let index = index.ok_or(Contradiction::NoDatabase { id, database })?;
            needed = needed.max(index + 1);
            let Some(place) = databases.get_mut(index) else {
                continue;
            };
            if self.volatile.covers(&name) {
                dropped.push(id);
                continue;
            }
            let mut entry = Entry::new(id, value, self.now);
            entry.expires = known.expires;
            if let Some(other) = place.load(name, entry) {
                return Err(Contradiction::SameName { id, other: other.id });
            }
        }
        let configured = self.databases;
        if needed > configured {
            return Err(Contradiction::TooFewDatabases { needed, configured });
        }
        databases.truncate(configured);
        Ok(Loaded {
            databases,
            next_entry: self.greatest,
            next_database: self.order.next(configured),
            dropped,
        })
    }

    /// A value of which everything was told.
    fn whole(&mut self, id: u64, mut value: Value) -> Result<Value, Contradiction> {
        if value.is_spent() {
            return Err(Contradiction::Empty { id });
        }
        if let Value::Stream(stream) = &mut value
            && let Some(late) = self.late.remove(&id)
        {
            stream.load_late(late);
        }
        value.loaded(self.track);
        Ok(value)
    }

    fn see(&mut self, id: u64) -> Result<(), Contradiction> {
        if id > GREATEST_NUMBER {
            return Err(Contradiction::Number { id });
        }
        self.greatest = self.greatest.max(id);
        Ok(())
    }

    fn set_order(&mut self, order: &[u64]) -> Result<(), Contradiction> {
        self.order.set(order)?;
        self.shelf.empty(|database| self.order.was_emptied(database));
        self.late.retain(|id, _| self.shelf.contains(*id));
        Ok(())
    }

    fn make(&mut self, id: u64, kind: ValueKind<'_>) {
        self.late.remove(&id);
        let value = match kind {
            ValueKind::String(bytes) => Value::String(bytes.to_vec()),
            ValueKind::List => List::empty(false),
            ValueKind::Hash => {
                self.staged.begin(id);
                Hash::empty(false)
            }
            ValueKind::Set => Set::empty(false),
            ValueKind::SortedSet => SortedSet::empty(false),
            ValueKind::Stream => Stream::empty(false),
        };
        self.shelf.get_or_add(id).value = Some(value);
    }

    /// Stores the fields of a new hash.
    fn unstage(&mut self) {
        let Some(id) = self.staged.end() else { return };
        if let Some(Known {
            value: Some(value), ..
        }) = self.shelf.get_mut(id)
            && let Some(hash) = Hash::of_mut(value)
        {
            hash.set_all(self.staged.pairs());
        }
    }
}
