//! The state and whoever keeps what has changed of it: a journal, or a program that is told of each unit.
//!
//! A unit that keeps to volatile keys is nothing to a journal, and its answer need not wait for one: such keys hold what
//! they were given by units of their kind, and by wide ones, which did or saw something else as well. So whoever looks at
//! volatile keys alone has seen no more than the last wide unit that changed one had.
//! Next: `../effect/` (what has changed), `../journal/` (who writes it).

use std::collections::HashMap;
use std::fmt;

use super::Core;
use crate::arguments::Args;
use crate::client::{Client, Seat};
use crate::commands::{Command, Keys, flag, keys_of};
use crate::effect::{Take, Volatile};
use crate::journal::{Link, Loaded, Sequence};
use crate::keyspace::{Database, Entry};
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

    /// Which keys are kept in memory alone.
    pub(crate) fn volatile(&self) -> &Volatile {
        self.effects.volatile()
    }

    /// What is served from here on may keep to volatile keys: `see` says when it does not.
    pub(crate) fn narrow(&mut self) {
        if self.effects.has_volatile_news() {
            // Of a unit that panicked; it counts for a wide one.
            self.commit();
        }
        self.is_wide = self.volatile().is_empty();
    }

    /// The unit sees or changes more than volatile keys.
    pub(crate) fn widen(&mut self) {
        self.is_wide = true;
    }

    /// A command of the unit is about to run.
    #[inline]
    pub(crate) fn see(&mut self, client: &Client, command: &Command, args: Args<'_>) {
        if !self.is_wide {
            self.is_wide = !self.keeps_to_volatile(command, args) && !self.sees_nothing(client, command);
        }
    }

    /// Whether all keys that a command may reach are volatile, and there are some.
    pub(crate) fn keeps_to_volatile(&self, command: &Command, args: Args<'_>) -> bool {
        let volatile = self.volatile();
        match command.keys {
            // SORT looks for weights under names it makes, and a script does what it likes.
            Keys::None | Keys::Sort => false,
            Keys::Counted { .. } if command.runs_script() => false,
            Keys::Range {
                first: 1, last: 1, ..
            } => volatile.covers(args.at(1)),
            _ => {
                let keys = keys_of(command, args);
                !keys.is_empty() && keys.iter().all(|key| volatile.covers(key))
            }
        }
    }

    /// Whether a command itself says nothing of any key, or only of volatile ones: those it runs are asked for
    /// themselves.
    fn sees_nothing(&self, client: &Client, command: &Command) -> bool {
        match command.name {
            "exec" => client.watched.iter().all(|(_, key)| self.volatile().covers(key)),
            "multi" => true,
            _ => command.runs_script(),
        }
    }

    /// Notes that a value gets another name or database. One that becomes volatile is gone; one that becomes what it was
    /// not, kept, is new, so that no number that is gone ever comes back.
    pub(super) fn note_way(&mut self, entry: &mut Entry, from: (u64, &[u8]), to: (u64, &[u8])) {
        let volatile = self.volatile();
        match (volatile.covers(from.1), volatile.covers(to.1)) {
            (false, false) => {
                self.effects.relocated(entry.id, from, to);
                self.strays.note(entry.id, to.0, to.1);
            }
            (true, true) => self.effects.volatile_changed(),
            (false, true) => {
                entry.value.track(false);
                self.effects.gone(entry.id, from.1);
                self.effects.volatile_changed();
            }
            (true, false) => {
                entry.value.track(self.effects.is_on());
                self.next_entry += 1;
                entry.id = self.next_entry;
                self.effects.made(entry.id, to.0, to.1);
                self.effects.volatile_changed();
            }
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

    /// The last unit that what the present one answers may have to do with.
    pub(crate) fn seen(&self) -> Sequence {
        if self.is_wide { self.sequence } else { self.mixed }
    }

    /// What the journal has to keep before anything that has to do with units up to this one may leave the engine.
    pub(crate) fn horizon(&self, seen: Sequence) -> Sequence {
        match &self.journal {
            Some(journal) => journal.horizon(seen),
            None => Sequence::NONE,
        }
    }
}
