//! A directory: the names programs see, those the disk holds, and the changes between them.

use std::collections::BTreeMap;

use super::file::Keep;

/// A change of a name.
#[derive(Clone, Debug)]
enum Change {
    Create { name: String, id: u64 },
    Rename { from: String, to: String, id: u64 },
    Remove { name: String, id: u64 },
}

impl Change {
    /// Does what is left to do of it, whatever was done of those before.
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create { name, id } => {
                names.insert(name.clone(), *id);
            }
            Self::Rename { from, to, id } => {
                if names.get(from) == Some(id) {
                    names.remove(from);
                }
                names.insert(to.clone(), *id);
            }
            Self::Remove { name, id } => {
                if names.get(name) == Some(id) {
                    names.remove(name);
                }
            }
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Remove { name, .. } => name,
            Self::Rename { to, .. } => to,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Names {
    seen: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

impl Names {
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.keys().cloned().collect()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &u64> {
        self.seen.values()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        self.seen.get(name).copied()
    }

    /// The name of a file.
    pub(crate) fn of(&self, id: u64) -> Option<String> {
        let mut names = self.seen.iter();
        names
            .find(|(_, named)| **named == id)
            .map(|(name, _)| name.clone())
    }

    /// Whether a file has a name on the disk.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.durable.values().any(|named| *named == id)
    }

    /// The names of what is pending.
    pub(crate) fn pending(&self) -> Vec<&str> {
        self.pending.iter().map(Change::name).collect()
    }

    /// A durable name.
    pub(crate) fn put(&mut self, name: &str, id: u64) {
        self.seen.insert(name.to_owned(), id);
        self.durable.insert(name.to_owned(), id);
    }

    pub(crate) fn create(&mut self, name: &str, id: u64) {
        let name = name.to_owned();
        self.change(Change::Create { name, id });
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, id: u64) {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.change(Change::Rename { from, to, id });
    }

    pub(crate) fn remove(&mut self, name: &str, id: u64) {
        let name = name.to_owned();
        self.change(Change::Remove { name, id });
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// A part of what is pending is written; the rest stays pending.
    pub(crate) fn fail_to_sync(&mut self, rng: &mut fastrand::Rng) {
        let written = rng.usize(0..=self.pending.len());
        for change in self.pending.drain(..written) {
            change.apply(&mut self.durable);
        }
    }

    pub(crate) fn crash(&mut self, keep: Keep, rng: &mut fastrand::Rng) {
        let in_order = rng.bool();
        let prefix = rng.usize(0..=self.pending.len());
        for (index, change) in self.pending.drain(..).enumerate() {
            let is_kept = match keep {
                Keep::Everything => true,
                Keep::Nothing => false,
                Keep::Some if in_order => index < prefix,
                Keep::Some => rng.bool(),
            };
            if is_kept {
                change.apply(&mut self.durable);
            }
        }
        self.seen.clone_from(&self.durable);
    }
}
