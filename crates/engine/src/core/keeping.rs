//! The state and whoever keeps what has changed of it: a journal, or a program that is told of each unit.
//!
//! Next: `../effect/` (what has changed), `../journal/` (who writes it), `volatile.rs` (what nobody keeps).

use std::collections::HashMap;
use std::fmt;

use super::Core;
use crate::arguments::Args;
use crate::client::Seat;
use crate::commands::{Command, flag};
use crate::effect::Take;
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
        let is_mixed = self.effects.take_volatile_news() && self.is_wide;
        if self.effects.take_news() {
            match &self.journal {
                Some(journal) => {
                    self.sequence = self.sequence.next();
                    journal.ring();
                }
                None => crate::effect::gather(&mut self.effects, &mut self.databases, None),
            }
        }
        if is_mixed {
            self.mixed = self.sequence;
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
        self.trouble = Some(Trouble {
            is_readable: kept.is_some(),
            reason: reason.to_string(),
        });
        self.effects = self.effects.stopped();
        self.strays.stop();
        // Volatile keys go as well: what they hold may come from what is lost.
        (self.sequence, self.mixed) = (up_to, up_to);
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
            ..
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

    /// Refuses what a journal in trouble cannot keep. Of volatile keys it would keep nothing anyway.
    pub(crate) fn check_journal(&self, command: &Command, args: Args<'_>) -> Result<(), Fault> {
        match &self.trouble {
            None => Ok(()),
            Some(trouble) if trouble.is_readable && self.keeps_to_volatile(command, args) => Ok(()),
            Some(_) => self.check_kept(command),
        }
    }

    /// Refuses what a journal in trouble cannot keep, of a command that reaches keys which are kept.
    pub(crate) fn check_kept(&self, command: &Command) -> Result<(), Fault> {
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

    /// The last unit that changed something the journal keeps.
    pub(crate) fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// What the journal has to keep before anything that has to do with units up to this one may leave the engine.
    pub(crate) fn horizon(&self, seen: Sequence) -> Sequence {
        match &self.journal {
            Some(journal) => journal.horizon(seen),
            None => Sequence::NONE,
        }
    }
}
