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
use crate::reply::{Fault, Reply};

/// Bytes that units may have changed before the next one has to wait for the journal to write them. As much again is
/// being written meanwhile.
#[cfg(not(test))]
const MOST_UNWRITTEN: usize = 32 << 20;
#[cfg(test)]
const MOST_UNWRITTEN: usize = 1 << 20;
/// What a unit takes beside its bytes: names, places, headers.
const EACH_UNIT: usize = 64;

/// A journal that has failed.
#[derive(Debug)]
pub(super) struct Trouble {
    kept: Kept,
    reason: String,
}

/// What it had kept before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Is being read again.
    Loading,
    /// Is what the engine holds.
    Readable,
    /// Cannot be read.
    Unreadable,
}

impl Trouble {
    /// What is said to whoever would write.
    fn refusal(&self) -> Fault {
        Fault::new(format!(
            "MISCONF The journal failed ({}). Writes are refused until the engine is started again.",
            self.reason
        ))
    }
}

impl Core {
    /// Ends a unit for whoever keeps what has changed.
    pub(crate) fn commit(&mut self) {
        #[cfg(test)]
        if self.effects.is_held {
            return;
        }
        let is_mixed = self.effects.take_volatile_news() && self.is_wide;
        let bytes = self.unit_bytes.max(self.unit_made);
        self.forget_bytes();
        if self.effects.take_news() {
            match &self.journal {
                Some(journal) => {
                    self.sequence = self.sequence.next();
                    self.unwritten += bytes + EACH_UNIT;
                    if self.unwritten > MOST_UNWRITTEN {
                        journal.room.fill(self.sequence);
                    }
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
        self.unwritten = 0;
        if let Some(journal) = &self.journal {
            journal.room.clear();
        }
    }

    /// A command of this unit is about to write this.
    pub(crate) fn note_writing(&mut self, words: &[&[u8]]) {
        if self.journal.is_some() {
            self.unit_bytes += words.iter().map(|word| word.len()).sum::<usize>();
        }
    }

    /// A value is new as a whole and takes so much: COPY and RENAME make much with few words.
    pub(crate) fn note_made(&mut self, bytes: usize) {
        if self.journal.is_some() {
            self.unit_made += bytes;
        }
    }

    /// What was noted of the unit's bytes counts no more.
    pub(crate) fn forget_bytes(&mut self) {
        (self.unit_bytes, self.unit_made) = (0, 0);
    }

    /// The data takes so much at the end of a unit: it may have changed more than it was given (SETRANGE, APPEND).
    pub(crate) fn note_memory(&mut self, memory: usize) {
        self.unit_bytes = self.unit_bytes.max(memory.saturating_sub(self.memory_before));
        self.memory_before = memory;
    }

    /// Whether so much is not written yet that the next unit should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.unwritten > MOST_UNWRITTEN
    }

    /// Goes on with what a journal has kept.
    pub(crate) fn adopt(&mut self, loaded: Loaded, journal: Link) {
        self.hold(loaded);
        self.sequence = journal.progress.durable();
        self.memory_before = self.data_memory();
        self.journal = Some(journal);
    }

    /// Lets everything go because the journal can keep no more: what it has kept, up to a unit, is read again. Whoever
    /// waits for a key is told. Answers what there was, to be dropped without the lock.
    pub(crate) fn let_go(&mut self, up_to: Sequence, reason: &dyn fmt::Display) -> impl Send + use<> {
        if let Some(journal) = &self.journal {
            journal.figures.fail(&reason.to_string());
            journal.figures.set_loading(true);
            journal.room.clear();
        }
        self.trouble = Some(Trouble {
            kept: Kept::Loading,
            reason: reason.to_string(),
        });
        self.effects = self.effects.stopped();
        self.strays.stop();
        // Volatile keys go as well: what they hold may come from what is lost.
        (self.sequence, self.mixed) = (up_to, up_to);
        self.unwritten = 0;
        let old = (self.hold(Loaded::default()), self.take_trash());
        self.change_all();
        for waiter in self.blocked.take_all() {
            if let Some(trouble) = &self.trouble {
                let refusal = trouble.refusal();
                self.answer_later(waiter, Reply::Error(refusal));
            }
        }
        self.settle();
        old
    }

    /// Goes on with what the journal has kept; without it nothing is served any more. Answers what there was.
    pub(crate) fn take_back(&mut self, kept: Option<Loaded>) -> impl Send + use<> {
        if let Some(trouble) = &mut self.trouble {
            trouble.kept = match kept {
                Some(_) => Kept::Readable,
                None => Kept::Unreadable,
            };
        }
        if let Some(journal) = &self.journal {
            journal.figures.set_loading(false);
        }
        let old = self.hold(kept.unwrap_or_default());
        self.change_all();
        self.settle();
        old
    }

    /// Tells everybody who watches or tracks keys that they are not what they were.
    fn change_all(&mut self) {
        let watching = self.watchers.values().flat_map(HashMap::values);
        let seats: Vec<Seat> = watching.flatten().copied().collect();
        self.mark_dirty(&seats);
        self.tracking.flushed();
    }

    /// Holds what was read from a journal, and nothing else. Answers what was there before.
    pub(crate) fn hold(&mut self, loaded: Loaded) -> Vec<Database> {
        let Loaded {
            databases,
            next_entry,
            next_database,
            ..
        } = loaded;
        let old = std::mem::replace(&mut self.databases, databases);
        // Of what could not be read nothing is there, but the places are.
        self.databases
            .resize_with(self.config.databases.max(1), || Database::named(u64::MAX));
        self.next_entry = self.next_entry.max(next_entry);
        self.next_database = self.next_database.max(next_database);
        self.reached = self.databases.len();
        old
    }

    #[cfg(test)]
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.trouble.is_some()
    }

    /// Whether what the journal has kept was read again.
    #[cfg(test)]
    pub(crate) fn has_fallen_back(&self) -> bool {
        self.trouble
            .as_ref()
            .is_some_and(|trouble| trouble.kept == Kept::Readable)
    }

    /// Refuses what a journal in trouble cannot keep. Of volatile keys it would keep nothing anyway.
    pub(crate) fn check_journal(&self, command: &Command, args: Args<'_>) -> Result<(), Fault> {
        match &self.trouble {
            None => Ok(()),
            Some(Trouble {
                kept: Kept::Readable, ..
            }) if self.keeps_to_volatile(command, args) => Ok(()),
            Some(_) => self.check_kept(command),
        }
    }

    /// Refuses what a journal in trouble cannot keep, of a command that reaches keys which are kept.
    pub(crate) fn check_kept(&self, command: &Command) -> Result<(), Fault> {
        let Some(trouble) = &self.trouble else {
            return Ok(());
        };
        if command.has(flag::WRITE) {
            return Err(trouble.refusal());
        }
        if !command.has(flag::READ_ONLY) {
            return Ok(());
        }
        let reason = &trouble.reason;
        match trouble.kept {
            Kept::Readable => Ok(()),
            Kept::Loading => Err(Fault::new(format!(
                "LOADING The journal failed ({reason}), and what it has kept is being read again."
            ))),
            Kept::Unreadable => Err(Fault::new(format!(
                "MISCONF The journal failed and cannot be read ({reason}). The data on disk is untouched."
            ))),
        }
    }

    /// Refuses to wait for a key when nothing can come any more.
    pub(crate) fn check_waiting(&self, keys: &[&[u8]]) -> Result<(), Fault> {
        match &self.trouble {
            None => Ok(()),
            Some(Trouble {
                kept: Kept::Readable, ..
            }) if keys.iter().all(|key| self.volatile().covers(key)) => Ok(()),
            Some(trouble) => Err(trouble.refusal()),
        }
    }

    /// The journal, if there is one.
    pub(crate) fn journal(&self) -> Option<&Link> {
        self.journal.as_ref()
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
