//! What a unit of work has changed, as one atomic batch of final states.
//!
//! A command, a script or a transaction leaves one batch: for each key that changed, its state afterwards. Effects say
//! what is, not what was done, so applying a batch twice is harmless. Nothing is gathered unless somebody takes the
//! batches.

use std::collections::HashSet;

use crate::keyspace::Database;

/// Gathers which keys a unit has changed.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    is_on: bool,
    keys: Vec<(usize, Box<[u8]>)>,
    made: HashSet<u64>,
    renamed: HashSet<u64>,
    gone: Vec<u64>,
}

impl Recorder {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// A key is not what it was.
    pub(crate) fn changed(&mut self, db: usize, key: &[u8]) {
        if self.is_on {
            self.keys.push((db, key.into()));
        }
    }

    /// An entry is new.
    pub(crate) fn made(&mut self, id: u64) {
        if self.is_on {
            self.made.insert(id);
        }
    }

    /// An entry has another name, database or expiry.
    pub(crate) fn renamed(&mut self, id: u64) {
        if self.is_on {
            self.renamed.insert(id);
        }
    }

    /// An entry is no more.
    pub(crate) fn gone(&mut self, id: u64) {
        if self.is_on {
            self.gone.push(id);
        }
    }

    pub(crate) fn flushed(&mut self, _db: usize) {}

    pub(crate) fn swapped(&mut self, _first: usize, _second: usize) {}
}

/// Hands a unit's effects over.
pub(crate) fn commit(_recorder: &mut Recorder, _databases: &mut [Database]) {}
