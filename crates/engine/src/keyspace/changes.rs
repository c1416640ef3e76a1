//! Which elements of a large collection changed since a journal last asked.
//!
//! A plain list that is tidied whenever it has doubled: a counter that is raised a million times between two
//! questions stays one entry, and noting a change costs one allocation and no look-up.
use super::dirt::Dirt;

/// Below this many names nothing is tidied.
const SMALLEST: usize = 64;

/// The changes since the last question, or the fact that all has changed.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    whole: bool,
    names: Vec<Box<[u8]>>,
    tidy_at: usize,
}

impl Changes {
    /// For a collection of which the journal knows nothing that could be amended.
    pub(super) fn whole() -> Self {
        Self {
            whole: true,
            ..Self::none()
        }
    }

    /// For a collection just read from the journal.
    pub(super) fn none() -> Self {
        Self {
            whole: false,
            names: Vec::new(),
            tidy_at: SMALLEST,
        }
    }

    pub(super) fn note(&mut self, name: &[u8]) {
        if self.whole || self.names.last().is_some_and(|last| **last == *name) {
            return;
        }
        if self.names.len() >= self.tidy_at {
            self.tidy();
            self.tidy_at = (self.names.len() * 2).max(SMALLEST);
        }
        self.names.push(name.into());
    }

    fn tidy(&mut self) {
        self.names.sort_unstable();
        self.names.dedup();
    }

    /// Answers what changed and begins anew.
    pub(super) fn take(&mut self) -> Dirt<Box<[u8]>> {
        if std::mem::take(&mut self.whole) {
            return Dirt::Whole;
        }
        self.tidy();
        self.tidy_at = SMALLEST;
        Dirt::Parts(std::mem::take(&mut self.names))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::{Changes, Dirt};

    #[test]
    fn a_name_is_told_once() {
        let mut changes = Changes::whole();
        changes.note(b"a");
        assert_eq!(changes.take(), Dirt::Whole);
        for number in 0..100_000 {
            changes.note(format!("{}", number % 100).as_bytes());
            assert!(changes.names.len() <= 200);
        }
        let Dirt::Parts(parts) = changes.take() else {
            panic!("nothing was replaced as a whole")
        };
        assert_eq!(parts.len(), 100);
        assert_eq!(changes.take(), Dirt::Parts(Vec::new()));
    }
}
