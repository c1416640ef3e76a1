//! What happens while a unit runs, noted as cheaply as can be.
//!
//! Only names are kept, each once however often its value changes: the states are read when the unit ends. Of a string
//! it is known which bytes changed, so that a bit in a large one does not cost the whole; collections know it themselves.
//! Next: `ranges.rs` (those bytes), `gather.rs` (from here to effects).

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use super::ranges::Ranges;
use super::{Taker, Volatile};

/// Who wants to know what has changed.
#[derive(Default)]
pub(super) enum Audience {
    #[default]
    Nobody,
    /// Told at the end of each unit.
    Units(Taker),
    /// Asks for many units at once, whenever it has written the ones before.
    Journal,
}

/// Notes what units change, until it is gathered.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(super) audience: Audience,
    /// Something was noted since this was last asked.
    has_news: bool,
    /// What happened to keys, in order.
    pub(super) moves: Vec<Move>,
    /// Keys whose values changed, by database.
    pub(super) changed: HashMap<u64, HashMap<Box<[u8]>, Extent>>,
    /// Values that are new as a whole.
    pub(super) made: HashSet<u64>,
    /// Databases were emptied or have changed their places.
    pub(super) are_databases_changed: bool,
    /// Of these keys nothing is noted.
    volatile: Volatile,
    /// Some of them were changed, though not by time alone, since this was last asked.
    has_volatile_news: bool,
    /// Units are left to be gathered together, as if they were one.
    #[cfg(test)]
    pub(crate) is_held: bool,
    /// A value that becomes volatile is not told to be gone.
    #[cfg(test)]
    pub(crate) forgets_departures: bool,
}

/// Something that happened to keys rather than to values.
#[derive(Clone, Debug)]
pub(super) enum Move {
    Gone { id: u64 },
    Placed { id: u64, database: u64, name: Box<[u8]> },
}

/// How much of a value changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// What a collection says of itself; of a string everything.
    Any,
    /// These bytes of a string.
    Bytes(Ranges),
}

impl Recorder {
    /// For somebody who is told at the end of each unit, or for nobody.
    pub(crate) fn for_units(taker: Option<Taker>, volatile: Volatile) -> Self {
        Self {
            audience: taker.map_or(Audience::Nobody, Audience::Units),
            volatile,
            ..Self::default()
        }
    }

    /// For a journal, which gathers when it is ready.
    pub(crate) fn for_journal(volatile: Volatile) -> Self {
        Self {
            audience: Audience::Journal,
            volatile,
            ..Self::default()
        }
    }

    /// For nobody any more.
    pub(crate) fn stopped(&self) -> Self {
        Self::for_units(None, self.volatile.clone())
    }

    pub(crate) fn is_on(&self) -> bool {
        !matches!(self.audience, Audience::Nobody)
    }

    /// Whether the value of a key has to know what changes in it.
    pub(crate) fn tracks(&self, key: &[u8]) -> bool {
        self.is_on() && !self.volatile.covers(key)
    }

    /// Which keys are kept in memory alone.
    #[inline]
    pub(crate) fn volatile(&self) -> &Volatile {
        &self.volatile
    }

    #[inline]
    pub(crate) fn has_volatile_news(&self) -> bool {
        self.has_volatile_news
    }

    /// Whether a volatile key was changed, though not by time alone, since this was last asked.
    pub(crate) fn take_volatile_news(&mut self) -> bool {
        std::mem::take(&mut self.has_volatile_news)
    }

    /// Whether a key that has changed is volatile, so that nobody is to be told.
    #[inline]
    fn passes_over(&mut self, key: &[u8]) -> bool {
        let is_volatile = self.volatile.covers(key);
        self.has_volatile_news |= is_volatile;
        is_volatile
    }

    /// Whether anything was noted since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// The value of a key is not what it was.
    pub(crate) fn changed(&mut self, database: u64, key: &[u8]) {
        if !self.is_on() || self.passes_over(key) {
            return;
        }
        self.has_news = true;
        let keys = self.changed.entry(database).or_default();
        match keys.get_mut(key) {
            Some(extent) => *extent = Extent::Any,
            None => {
                keys.insert(key.into(), Extent::Any);
            }
        }
    }

    /// These bytes of a string are not what they were, or new at its end.
    pub(crate) fn changed_bytes(&mut self, database: u64, key: &[u8], bytes: Range<usize>) {
        if !self.is_on() || self.passes_over(key) {
            return;
        }
        self.has_news = true;
        let keys = self.changed.entry(database).or_default();
        match keys.entry(key.into()) {
            Entry::Vacant(place) => {
                place.insert(Extent::Bytes(Ranges::of(bytes)));
            }
            Entry::Occupied(mut known) => {
                if let Extent::Bytes(ranges) = known.get_mut()
                    && !ranges.add(bytes)
                {
                    known.insert(Extent::Any);
                }
            }
        }
    }

    /// A value is new as a whole, under this key.
    pub(crate) fn made(&mut self, id: u64, database: u64, key: &[u8]) {
        if self.is_on() && !self.passes_over(key) {
            self.made.insert(id);
            self.changed(database, key);
            self.placed(id, database, key);
        }
    }

    /// A value has this name, database or expiry now.
    pub(crate) fn placed(&mut self, id: u64, database: u64, key: &[u8]) {
        if self.is_on() && !self.passes_over(key) {
            let name = key.into();
            self.has_news = true;
            self.moves.push(Move::Placed { id, database, name });
        }
    }

    /// A value has another name or database now, and neither key is volatile; what changed in it before is told under the
    /// new one.
    pub(crate) fn relocated(&mut self, id: u64, from: (u64, &[u8]), to: (u64, &[u8])) {
        let extent = self.changed.get_mut(&from.0).and_then(|keys| keys.remove(from.1));
        if let Some(keys) = self.changed.get_mut(&to.0) {
            keys.remove(to.1);
        }
        if let Some(extent) = extent {
            self.changed.entry(to.0).or_default().insert(to.1.into(), extent);
        }
        self.placed(id, to.0, to.1);
    }

    /// A value is no more, or no more under this key.
    pub(crate) fn gone(&mut self, id: u64, key: &[u8]) {
        if self.is_on() && !self.passes_over(key) {
            self.has_news = true;
            self.moves.push(Move::Gone { id });
        }
    }

    /// The time of a key has come, and its value is no more.
    pub(crate) fn expired(&mut self, id: u64, key: &[u8]) {
        // What time does to a volatile key would have happened whatever became of the others.
        if !self.volatile.covers(key) {
            self.gone(id, key);
        }
    }

    /// A volatile key is not what it was.
    pub(crate) fn volatile_changed(&mut self) {
        self.has_volatile_news = true;
    }

    /// A database was emptied, or databases have changed their places.
    pub(crate) fn databases_changed(&mut self) {
        self.has_news |= self.is_on();
        self.are_databases_changed |= self.is_on();
        // Volatile keys have gone with them.
        self.has_volatile_news |= !self.volatile.is_empty();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recorder")
            .field("is_on", &self.is_on())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, Recorder, Volatile};

    #[test]
    fn a_value_that_changes_often_is_noted_once() {
        let mut recorder = Recorder::for_units(Some(Box::new(|_| {})), Volatile::default());
        for number in 0..10_000_u64 {
            recorder.changed(0, format!("{}", number % 3).as_bytes());
            recorder.changed_bytes(0, b"bits", 0..1);
        }
        let noted = &recorder.changed[&0];
        assert_eq!(noted.len(), 4);
        recorder.changed(0, b"bits");
        recorder.changed_bytes(0, b"bits", 7..8);
        assert_eq!(recorder.changed[&0][b"bits".as_slice()], Extent::Any);
    }
}
