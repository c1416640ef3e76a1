//! What nobody needs any more and takes time to drop.
//!
//! It is kept until the housekeeper drops it without the lock. Only so much is kept: beyond that, whoever throws more
//! away waits for its end.
//! Next: `housekeeping.rs`.

use crate::keyspace::{Database, Value};

/// Smaller values are dropped at once.
const LARGE: usize = 64 * 1024;
/// With this much kept, more is dropped at once.
const KEPT_AT_MOST: usize = 64 * 1024 * 1024;

/// Values and whole databases to be dropped.
#[derive(Debug, Default)]
pub(crate) struct Trash {
    values: Vec<Value>,
    databases: Vec<Database>,
    bytes: usize,
}

impl Trash {
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.databases.is_empty()
    }

    pub(crate) fn add_value(&mut self, value: Value) {
        // A string is one piece of memory, however long.
        if !matches!(value, Value::String(_)) && self.has_room_for(value.memory()) {
            self.values.push(value);
        }
    }

    pub(crate) fn add_database(&mut self, database: Database) {
        if self.has_room_for(database.memory()) {
            self.databases.push(database);
        }
    }

    /// Whether something that large is to be kept; it is counted then.
    fn has_room_for(&mut self, bytes: usize) -> bool {
        let is_kept = bytes > LARGE && self.bytes < KEPT_AT_MOST;
        if is_kept {
            self.bytes += bytes;
        }
        is_kept
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.databases.len()
    }
}
