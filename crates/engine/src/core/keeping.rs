//! The state and whoever keeps what has changed of it: a journal, or a program that is told of each unit.
//!
//! Next: `../effect/` (what has changed), `../journal/` (who writes it).

use std::collections::HashMap;
use std::fmt;

use super::Core;
use crate::client::Seat;
use crate::commands::{Command, flag};
use crate::effect::{Recorder, Take};
use crate::journal::{Link, Loaded, Sequence};
use crate::keyspace::Database;
use crate::reply::Fault;

/// A journal that has failed.
#[derive(Debug)]
pub(super) struct Trouble {
    /// What it had kept before can be read.
    is_readable: bool,
    reason: String,
}

impl Core {
    /// Ends a unit for whoever keeps what has changed.
    pub(crate) fn commit(&mut self) {
        #[cfg(test)]
        if self.effects.is_held {
            return;
        }
        if !self.effects.take_news() {
            return;
        }
        match &self.journal {
            Some(journal) => {
                self.sequence = self.sequence.next();
                journal.ring();
            }
            None => crate::effect::gather(&mut self.effects, &mut self.databases, None),
        }
    }

    /// Hands the effects of all units since the last time to the journal.
    pub(crate) fn gather(&mut self, take: Take<'_>) {
        // A unit that panicked has not ended; what it changed belongs to the log all the same.
        self.commit();
        crate::effect::gather(&mut self.effects, &mut self.databases, Some(take));
    }

    /// Goes on with what a journal has kept.
    pub(crate) fn adopt(&mut self, loaded: Loaded, journal: Link) {
        self.hold(loaded);
        self.sequence = journal.progress.durable();
        self.journal = Some(journal);
    }

    /// Goes back to what the journal has kept, because it can keep no more; without it nothing is served any more.
    pub(crate) fn fall_back(&mut self, kept: Option<Loaded>, up_to: Sequence, reason: &dyn fmt::Display) {
        if let Some(journal) = &self.journal {
            journal.figures.fail(&reason.to_string());
        }
        self.trouble = Some(Trouble {
            is_readable: kept.is_some(),
            reason: reason.to_string(),
        });
        self.effects = Recorder::default();
        self.strays.stop();
        self.sequence = up_to;
        self.hold(kept.unwrap_or_default());
        let watching = self.watchers.values().flat_map(HashMap::values);
        let seats: Vec<Seat> = watching.flatten().copied().collect();
        self.mark_dirty(&seats);
        self.tracking.flushed();
    }

    /// Holds what was read from a journal, and nothing else.
    pub(crate) fn hold(&mut self, loaded: Loaded) {
        let Loaded {
            databases,
            next_entry,
            next_database,
        } = loaded;
        self.databases = databases;
        // Of what could not be read nothing is there, but the places are.
        self.databases
            .resize_with(self.config.databases.max(1), || Database::named(u64::MAX));
        self.next_entry = self.next_entry.max(next_entry);
        self.next_database = self.next_database.max(next_database);
        self.reached = self.databases.len();
    }

    #[cfg(test)]
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Refuses what a journal in trouble cannot keep.
    pub(crate) fn check_journal(&self, command: &Command) -> Result<(), Fault> {
        let Some(trouble) = &self.trouble else {
            return Ok(());
        };
        if command.has(flag::WRITE) {
            return Err(Fault::new(format!(
                "MISCONF The journal failed ({}). Writes are refused until the engine is started again.",
                trouble.reason
            )));
        }
        if command.has(flag::READ_ONLY) && !trouble.is_readable {
            return Err(Fault::new(format!(
                "MISCONF The journal failed and cannot be read ({}). The data on disk is untouched.",
                trouble.reason
            )));
        }
        Ok(())
    }

    /// The journal, if there is one.
    pub(crate) fn journal(&self) -> Option<&Link> {
        self.journal.as_ref()
    }

    /// The last unit that changed something the journal keeps.
    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// What the journal has to keep before anything that was seen up to now may leave the engine.
    pub(crate) fn horizon(&self) -> Sequence {
        match &self.journal {
            Some(journal) => journal.horizon(self.sequence),
            None => Sequence::NONE,
        }
    }
}
