//! A permit that is kept for somebody else to decide upon, when the caller it was given to has gone.

use std::sync::Arc;
use std::time::Duration;

use super::phase::Word;
use super::{Breaker, Permit, Shared};

/// A permit that borrows nothing. Dropped, it says nothing.
pub(crate) struct KeptPermit {
    shared: Arc<Shared>,
    word: Word,
    is_trial: bool,
    began: u64,
}

impl Breaker {
    /// Keeps a permit of this breaker, for a call that began at that tick.
    pub(crate) fn keep(&self, mut permit: Permit<'_>, began: u64) -> KeptPermit {
        KeptPermit {
            shared: Arc::clone(&self.shared),
            word: permit.word,
            is_trial: std::mem::take(&mut permit.is_trial),
            began,
        }
    }
}

impl KeptPermit {
    /// What was called answers, or does not.
    pub(crate) fn end(mut self, does_answer: bool) {
        let now = self.shared.clock.ticks();
        let elapsed = Duration::from_millis(now.saturating_sub(self.began));
        let permit = self.permit();
        match does_answer {
            true => permit.success(elapsed),
            false => permit.failure(elapsed),
        }
    }

    fn permit(&mut self) -> Permit<'_> {
        Permit {
            shared: &self.shared,
            word: self.word,
            is_trial: std::mem::take(&mut self.is_trial),
        }
    }
}

impl Drop for KeptPermit {
    fn drop(&mut self) {
        drop(self.permit());
    }
}
