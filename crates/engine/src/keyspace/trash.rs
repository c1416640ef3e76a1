//! Large values nobody needs any more, kept until somebody has time to drop them.
//!
//! To give back a collection of millions takes as long as to walk over it, so that is left to a thread that does not
//! hold up others. Whoever throws away faster than that thread comes does the work at once: what waits here is counted
//! by nobody, so there must not be much of it.
//! Next: `housekeeping.rs`, which empties it.

use super::database::Database;
use super::entry::Value;

/// What holds less than this is dropped at once.
const LARGE: usize = 64 * 1024;
/// When as much as this waits, nothing more is taken in.
const FULL: usize = 64 * 1024 * 1024;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Trash {
    values: Vec<Value>,
    databases: Vec<Database>,
    bytes: usize,
}

impl Trash {
    /// Takes a value in, or drops it.
    pub(crate) fn put(&mut self, value: Value) {
        let bytes = value.memory();
        if bytes > LARGE && self.bytes < FULL {
            self.bytes += bytes;
            self.values.push(value);
        }
    }

    /// Takes a whole database in, or drops it.
    pub(crate) fn put_all(&mut self, database: Database) {
        let bytes = database.memory();
        if bytes > LARGE && self.bytes < FULL {
            self.bytes += bytes;
            self.databases.push(database);
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{FULL, LARGE, Trash};
    use crate::keyspace::Value;

    #[test]
    fn who_throws_away_faster_than_it_is_emptied_drops_at_once() {
        let mut trash = Trash::default();
        trash.put(Value::String(vec![0; LARGE / 2]));
        assert_eq!(trash.bytes(), 0);
        for _ in 0..200 {
            trash.put(Value::String(vec![0; 1 << 20]));
        }
        assert!(!trash.values.is_empty() && trash.bytes() <= FULL + (2 << 20));
    }
}
