//! Values by their numbers, until they get their names.
//!
//! They lie in pages and are found by a table of small numbers, so that in the end, when they move into the
//! databases, they make room page by page: loading needs little more memory than what it loads. Those of one database
//! are a chain, so that emptying it costs as much as it holds, whatever else is there.
//! Next: `load.rs`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::keyspace::{NEVER, Value};

/// Values in one page: room for many of the databases' tables once it is given back.
const PAGE: usize = 8192;
/// The end of a chain.
const NOWHERE: u32 = u32::MAX;

/// What is known of a value.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: u64,
    pub(super) database: u64,
    pub(super) name: Option<Box<[u8]>>,
    pub(super) expires: u64,
    pub(super) value: Option<Value>,
    /// Places of others in its database, if it has a name.
    before: u32,
    behind: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pages: Vec<Vec<Option<Known>>>,
    places: HashMap<u64, u32, RandomState>,
    free: Vec<u32>,
    /// The value asked for last is often the next one.
    last: Option<(u64, u32)>,
    /// Where each database's chain begins.
    chains: HashMap<u64, u32, RandomState>,
}

impl Shelf {
    pub(super) fn contains(&self, id: u64) -> bool {
        self.places.contains_key(&id)
    }

    #[inline]
    fn find(&mut self, id: u64) -> Option<u32> {
        match self.last {
            Some((last, place)) if last == id => Some(place),
            _ => {
                let place = *self.places.get(&id)?;
                self.last = Some((id, place));
                Some(place)
            }
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Known> {
        let place = self.find(id)?;
        self.at(place)
    }

    pub(super) fn get_or_add(&mut self, id: u64) -> &mut Known {
        let place = self.find_or_add(id);
        match self.at(place) {
            Some(known) => known,
            None => unreachable!("it was found or added just now"),
        }
    }

    /// A value has this name, database and expiry.
    pub(super) fn place(&mut self, id: u64, database: u64, name: &[u8], expires: u64) {
        let place = self.find_or_add(id);
        let Some(known) = self.at(place) else { return };
        known.expires = expires;
        let is_chained = known.name.is_some();
        if known.name.as_deref() != Some(name) {
            known.name = Some(name.into());
        }
        if is_chained && known.database == database {
            return;
        }
        if is_chained {
            self.unchain(place);
        }
        self.chain(place, database);
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(place) = self.places.remove(&id) else {
            return;
        };
        self.last = None;
        if self.at(place).is_some_and(|known| known.name.is_some()) {
            self.unchain(place);
        }
        if let Some(slot) = self.slot(place) {
            *slot = None;
            self.free.push(place);
        }
    }

    /// Removes all values of the databases that were emptied.
    pub(super) fn empty(&mut self, was_emptied: impl Fn(u64) -> bool) {
        let databases = self.chains.keys().copied();
        let emptied: Vec<u64> = databases.filter(|database| was_emptied(*database)).collect();
        for database in emptied {
            while let Some(first) = self.chains.get(&database).copied() {
                let Some(id) = self.at(first).map(|known| known.id) else {
                    break;
                };
                self.remove(id);
            }
        }
    }

    /// All values; each page is given back once they are taken out of it.
    pub(super) fn into_all(self) -> impl Iterator<Item = Known> {
        let Self { pages, .. } = self;
        pages.into_iter().flatten().flatten()
    }

    #[inline]
    fn slot(&mut self, place: u32) -> Option<&mut Option<Known>> {
        let place = place as usize;
        self.pages.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    #[inline]
    fn at(&mut self, place: u32) -> Option<&mut Known> {
        self.slot(place)?.as_mut()
    }

    fn find_or_add(&mut self, id: u64) -> u32 {
        match self.find(id) {
            Some(place) => place,
            None => self.add(id),
        }
    }

    fn add(&mut self, id: u64) -> u32 {
        let place = self.fill(Known {
            id,
            database: 0,
            name: None,
            expires: NEVER,
            value: None,
            before: NOWHERE,
            behind: NOWHERE,
        });
        self.places.insert(id, place);
        self.last = Some((id, place));
        place
    }

    fn fill(&mut self, known: Known) -> u32 {
        if let Some(place) = self.free.pop()
            && let Some(slot) = self.slot(place)
        {
            *slot = Some(known);
            return place;
        }
        if self.pages.last().is_none_or(|page| page.len() >= PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let before = (self.pages.len() - 1) * PAGE;
        let mut within = 0;
        if let Some(page) = self.pages.last_mut() {
            within = page.len();
            page.push(Some(known));
        }
        // Four thousand million values need more memory than there is.
        (before + within) as u32
    }

    /// Puts a value before all others of its database.
    fn chain(&mut self, place: u32, database: u64) {
        let behind = self.chains.insert(database, place).unwrap_or(NOWHERE);
        if let Some(known) = self.at(place) {
            (known.database, known.before, known.behind) = (database, NOWHERE, behind);
        }
        if let Some(next) = self.at(behind) {
            next.before = place;
        }
    }

    fn unchain(&mut self, place: u32) {
        let Some(known) = self.at(place) else { return };
        let (database, before, behind) = (known.database, known.before, known.behind);
        if let Some(next) = self.at(behind) {
            next.before = before;
        }
        match self.at(before) {
            Some(previous) => previous.behind = behind,
            None if behind == NOWHERE => drop(self.chains.remove(&database)),
            None => drop(self.chains.insert(database, behind)),
        }
    }
}
