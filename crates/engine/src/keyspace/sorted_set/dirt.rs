//! What a journal has to write again: which members changed since it last asked.
//!
//! Names are collected as they come, which costs one small allocation per change, and sorted out now and then so
//! that a script changing one member a million times does not keep a million names.

/// The changed parts of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dirt<P> {
    /// Everything is to be written again.
    Whole,
    /// These parts only; a part that no longer exists is gone.
    Parts(Vec<P>),
}

/// How many names may pile up before the repeated ones are sorted out.
const PILE: usize = 1024;

#[derive(Debug)]
pub(super) struct Changes {
    whole: bool,
    names: Vec<Box<[u8]>>,
    limit: usize,
}

impl Changes {
    /// The changes of a collection nobody has written yet.
    pub(super) fn whole() -> Self {
        Self { whole: true, names: Vec::new(), limit: PILE }
    }

    pub(super) fn note(&mut self, member: &[u8]) {
        if self.whole || self.names.last().is_some_and(|last| **last == *member) {
            return;
        }
        if self.names.len() >= self.limit {
            self.sort_out();
            self.limit = (2 * self.names.len()).max(PILE);
        }
        self.names.push(member.into());
    }

    pub(super) fn take(&mut self) -> Dirt<Box<[u8]>> {
        if std::mem::take(&mut self.whole) {
            return Dirt::Whole;
        }
        self.sort_out();
        self.limit = PILE;
        Dirt::Parts(std::mem::take(&mut self.names))
    }

    fn sort_out(&mut self) {
        self.names.sort_unstable();
        self.names.dedup();
    }
}

/// A copy is a collection nobody has written yet.
impl Clone for Changes {
    fn clone(&self) -> Self {
        Self::whole()
    }
}
