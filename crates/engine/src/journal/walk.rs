//! The image's slices over the live keyspace.
//!
//! A walk tells everything the databases hold as effects, a little at a time, while commands go on running between
//! two slices. So the image is fuzzy: each part is told as it was at some moment of the walk. Together with the
//! effects of all units since the walk began it is exact, because those are applied after it and know everything that
//! has changed since. Hence the one duty of a walk: whatever stays as it was from its beginning to its end is told.
//! Places are kept by value (a cursor of hashes, a position, a name), never by pointer or index, so nothing is held
//! fast and nothing counted twice. What was made since the walk began is left out: the log has all of it.
//! Next: `walk/taking.rs` (a value over several slices), `walk/strays.rs` (values that are carried past the walk).

mod meter;
mod strays;
mod taking;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use meter::Meter;
pub(crate) use strays::Strays;
use strays::Whereabouts;
use taking::Place;

use crate::core::Core;
use crate::effect::{Effect, state};
use crate::keyspace::{Database, Entry};

/// The bytes of a slice unless somebody wants fewer: some hundred microseconds under the lock.
pub(crate) const BUDGET: usize = 64 * 1024;

/// Where an image has got to.
#[derive(Debug)]
pub(crate) struct Walk {
    /// The number of the newest value when the walk began.
    newest: u64,
    has_told_databases: bool,
    /// Databases not walked to their ends, the present one last.
    databases: Vec<u64>,
    /// Where in the present database.
    cursor: u64,
    /// A value told in part.
    current: Option<Current>,
    /// Values that got another name or database since the walk began and were not told since, by number.
    strays: BTreeMap<u64, Whereabouts>,
    /// Values told although the cursor may come to them again. A value is told once as a stray however often it is
    /// carried about, so the walk ends even if that never does.
    told: HashSet<u64>,
}

/// A value told in part.
#[derive(Debug)]
struct Current {
    id: u64,
    at: Whereabouts,
    place: Place,
}

impl Walk {
    /// Begins an image of all that is there now. Every unit from here on must come to the log that belongs to it.
    ///
    /// From here until the walk's end, or until it is [given up](Self::give_up), the engine remembers what gets another
    /// name or database; there is one walk at a time.
    pub(crate) fn begin(core: &mut Core) -> Self {
        let newest = core.begin_walk();
        Self {
            newest,
            has_told_databases: false,
            databases: core.databases().iter().rev().map(Database::id).collect(),
            cursor: 0,
            current: None,
            strays: BTreeMap::new(),
            told: HashSet::new(),
        }
    }

    /// Tells some more, about `budget` bytes of it; true while something is left.
    ///
    /// Keys that `skip` names are left out. What is about one key comes in one call of `emit`, or in several if its
    /// value is large; its first part stands behind its key.
    pub(crate) fn slice(
        &mut self,
        core: &mut Core,
        budget: usize,
        skip: &dyn Fn(&[u8]) -> bool,
        emit: &mut dyn FnMut(&[Effect<'_>]),
    ) -> bool {
        self.follow(core.strays.take());
        let databases = core.databases();
        let mut slice = Slice {
            databases,
            skip,
            meter: Meter::new(budget, emit),
        };
        if !self.has_told_databases {
            self.has_told_databases = true;
            let order = databases.iter().map(Database::id).collect();
            slice.meter.push(Effect::Databases { order });
        }
        let is_done = self.go_on(&mut slice);
        slice.meter.hand_over();
        if is_done {
            core.strays.stop();
        }
        !is_done
    }

    /// Ends a walk before its time.
    pub(crate) fn give_up(self, core: &mut Core) {
        core.strays.stop();
    }

    /// Takes note of what was carried elsewhere since the last slice.
    fn follow(&mut self, carried: HashMap<u64, Whereabouts>) {
        for (id, at) in carried {
            match &mut self.current {
                // What was told of it stays true anywhere, and the log has the new place.
                Some(current) if current.id == id => current.at = at,
                _ if self.told.contains(&id) => {}
                _ => {
                    self.strays.insert(id, at);
                }
            }
        }
    }

    /// Works until the meter is full; true when everything is told.
    fn go_on(&mut self, slice: &mut Slice<'_, '_>) -> bool {
        if let Some(current) = self.current.take() {
            match slice.find(current.id, &current.at) {
                Some((_, entry)) => self.current = slice.resume(current, entry),
                // It has gone, or has a name that is skipped; should it get another it is told anew.
                None => {
                    self.told.remove(&current.id);
                }
            }
        }
        // Strays first, so that there are never many.
        while self.current.is_none() && !slice.meter.is_full() {
            let Some((id, at)) = self.strays.pop_first() else {
                break;
            };
            let Some((name, entry)) = slice.find(id, &at) else {
                slice.meter.pass();
                continue;
            };
            self.told.insert(id);
            self.current = slice.tell(at.database, name, entry);
        }
        while self.current.is_none() && self.strays.is_empty() && !slice.meter.is_full() {
            let Some(id) = self.databases.last().copied() else {
                return true;
            };
            self.walk_database(id, slice);
        }
        self.current.is_none() && self.strays.is_empty() && self.databases.is_empty()
    }

    fn walk_database(&mut self, id: u64, slice: &mut Slice<'_, '_>) {
        let (newest, told, current) = (self.newest, &mut self.told, &mut self.current);
        let next = find(slice.databases, id).and_then(|database| {
            database.walk(self.cursor, |name, entry| {
                if slice.meter.is_full() || current.is_some() {
                    return false;
                }
                if entry.id > newest || told.contains(&entry.id) || (slice.skip)(name) {
                    slice.meter.pass();
                } else if let Some(rest) = slice.tell(id, name, entry) {
                    told.insert(entry.id);
                    *current = Some(rest);
                }
                true
            })
        });
        self.cursor = next.unwrap_or(0);
        if next.is_none() {
            self.databases.pop();
        }
    }
}

/// A slice at work.
struct Slice<'data, 'call> {
    databases: &'data [Database],
    skip: &'call dyn Fn(&[u8]) -> bool,
    meter: Meter<'data, 'call>,
}

impl<'data> Slice<'data, '_> {
    /// Tells a key and its value; what is left of the value, if it is large.
    fn tell(&mut self, database: u64, name: &'data [u8], entry: &'data Entry) -> Option<Current> {
        self.meter.push(state::key(database, name, entry));
        let mut place = Place::begin(entry.id, &entry.value, &mut self.meter);
        let is_done = place.advance(entry.id, &entry.value, &mut self.meter);
        self.meter.hand_over();
        (!is_done).then(|| Current {
            id: entry.id,
            at: Whereabouts::new(database, name),
            place,
        })
    }

    /// Goes on with a value; what is still left of it.
    fn resume(&mut self, mut current: Current, entry: &'data Entry) -> Option<Current> {
        let is_done = current.place.advance(current.id, &entry.value, &mut self.meter);
        self.meter.hand_over();
        (!is_done).then_some(current)
    }

    /// A value, if it is still where it was and wanted there.
    fn find(&self, id: u64, at: &Whereabouts) -> Option<(&'data [u8], &'data Entry)> {
        if (self.skip)(&at.name) {
            return None;
        }
        let (name, entry) = find(self.databases, at.database)?.find(&at.name)?;
        (entry.id == id).then_some((name, entry))
    }
}

fn find(databases: &[Database], id: u64) -> Option<&Database> {
    databases.iter().find(|database| database.id() == id)
}
