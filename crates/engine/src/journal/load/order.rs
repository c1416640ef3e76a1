//! Which databases there are.
//!
//! Numbers are given in ascending order and never twice: one that is smaller than the greatest of the databases there
//! are, and not among them, was emptied. Databases that nobody has spoken of yet get the numbers behind the greatest,
//! by their index, so an engine started again with as many finds them where they were.
//! Next: `load.rs`.

use super::{Contradiction, GREATEST_NUMBER};

/// The databases by the index clients use, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Order {
    told: Vec<u64>,
    /// Greater than every number among these.
    free: u64,
    /// Greater than every number ever told.
    next: u64,
}

impl Order {
    /// The databases are these.
    pub(super) fn set(&mut self, order: &[u64]) -> Result<(), Contradiction> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some(*one),
            _ => None,
        });
        if let Some(database) = twice {
            return Err(Contradiction::Order { database });
        }
        if let Some(greatest) = sorted.last() {
            self.see(*greatest)?;
        }
        self.free = sorted.last().map_or(0, |greatest| greatest + 1);
        self.told = order.to_vec();
        Ok(())
    }

    /// There is or was a database of this number.
    pub(super) fn see(&mut self, database: u64) -> Result<(), Contradiction> {
        if database > GREATEST_NUMBER {
            return Err(Contradiction::DatabaseNumber { database });
        }
        self.next = self.next.max(database + 1);
        Ok(())
    }

    pub(super) fn was_emptied(&self, database: u64) -> bool {
        database < self.free && !self.told.contains(&database)
    }

    /// At which index a database is, if it is there.
    pub(super) fn index(&self, database: u64) -> Option<usize> {
        match database.checked_sub(self.free) {
            Some(behind) => self.told.len().checked_add(usize::try_from(behind).ok()?),
            None => self.told.iter().position(|told| *told == database),
        }
    }

    /// The numbers of this many databases at least.
    pub(super) fn numbers(&self, databases: usize) -> Vec<u64> {
        let more = databases.saturating_sub(self.told.len());
        self.told
            .iter()
            .copied()
            .chain((self.free..).take(more))
            .collect()
    }

    /// The number for a database to come, if there are so many.
    pub(super) fn next(&self, databases: usize) -> u64 {
        let given = self.numbers(databases).into_iter().max();
        self.next.max(given.map_or(0, |greatest| greatest + 1))
    }
}
