//! Keys that are kept in memory alone, and what an answer about them has to wait for.
//!
//! A unit that keeps to volatile keys is nothing to a journal, and its answer need not wait for one. Such keys hold what
//! they were given by units of their kind, whose clients knew no more than they had been answered, and by wide units,
//! which saw or did something else as well. So whoever looks at volatile keys alone sees no more than the last wide unit
//! that changed one of them did, and waits for that. A unit is wide unless all it runs is known to keep to volatile keys:
//! commands whose keys stand among their arguments, scripts and transactions of such commands. Whatever empties or
//! exchanges databases changes volatile keys too; what time does to them has nothing to do with other keys.
//! Next: `../effect/volatile.rs` (which keys these are), `../execute.rs` (who asks).

use super::Core;
use crate::arguments::Args;
use crate::client::Client;
use crate::commands::{Command, Keys, keys_of};
use crate::effect::Volatile;
use crate::journal::Sequence;
use crate::keyspace::Entry;

impl Core {
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
                #[cfg(test)]
                if self.effects.forgets_departures {
                    return;
                }
                self.effects.gone(entry.id, from.1);
                self.effects.volatile_changed();
            }
            (true, false) => {
                entry.value.track(self.effects.is_on());
                self.next_entry += 1;
                entry.id = self.next_entry;
                self.effects.made(entry.id, to.0, to.1);
                self.note_made(entry.value.memory());
                self.effects.volatile_changed();
            }
        }
    }

    /// The last unit that what the present one answers may have to do with.
    pub(crate) fn seen(&self) -> Sequence {
        if self.is_wide { self.sequence } else { self.mixed }
    }
}
