//! Values that RENAME or MOVE may carry past the walk: from where it has not been to where it will not come again.
//!
//! While an image is taken, the engine notes every value that gets another name or database. Only values that were
//! there when the walk began can be missed, so others are not noted. Nothing is noted while no image is taken.

use std::collections::HashMap;

/// Where a value is.
#[derive(Clone, Debug)]
pub(crate) struct Whereabouts {
    pub(super) database: u64,
    pub(super) name: Box<[u8]>,
}

impl Whereabouts {
    pub(super) fn new(database: u64, name: &[u8]) -> Self {
        let name = name.into();
        Self { database, name }
    }
}

/// What got another name or database since a walk last asked.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    /// The number of the newest value when the walk began; nothing while none is under way.
    newest: Option<u64>,
    by_id: HashMap<u64, Whereabouts>,
}

impl Strays {
    /// Notes from here on values up to this number.
    pub(crate) fn start(&mut self, newest: u64) {
        self.newest = Some(newest);
        self.by_id = HashMap::new();
    }

    /// Notes nothing any more, and forgets what was noted.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// A value has this name and database now.
    pub(crate) fn note(&mut self, id: u64, database: u64, name: &[u8]) {
        if self.newest.is_some_and(|newest| id <= newest) {
            self.by_id.insert(id, Whereabouts::new(database, name));
        }
    }

    /// Where each value noted since the last call was last put.
    pub(super) fn take(&mut self) -> HashMap<u64, Whereabouts> {
        std::mem::take(&mut self.by_id)
    }
}
