//! Takes an image while the engine runs.
//!
//! It holds the engine's lock for one slice at a time and stays away from it for longer than it had it, so commands
//! hardly notice.
//! Next: `walk.rs` (slices), `image.rs` (the file), `writer.rs` (who adopts it).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::codec::encode;
use super::error::JournalError;
use super::frame::{Draft, RECORD_HEADER};
use super::image::{ImageWriter, WholeImage};
use super::status::Figures;
use super::walk::{BUDGET, Walk};
use crate::engine::Shared;

/// For each moment with the lock, so many without it.
const MOMENTS_OFF: u32 = 3;

/// An image being taken.
#[derive(Debug)]
pub(super) struct Snapshot {
    walking: Walking,
    image: ImageWriter,
    draft: Draft,
    budget: usize,
    figures: Arc<Figures>,
}

/// A walk that is given up when it is dropped before its end: the engine then remembers no renames for it.
#[derive(Debug)]
pub(super) struct Walking {
    engine: Weak<Shared>,
    walk: Option<Walk>,
}

impl Walking {
    pub(super) fn new(engine: Weak<Shared>, walk: Walk) -> Self {
        let walk = Some(walk);
        Self { engine, walk }
    }
}

impl Drop for Walking {
    fn drop(&mut self) {
        if let (Some(walk), Some(engine)) = (self.walk.take(), self.engine.upgrade()) {
            walk.give_up(&mut engine.lock());
        }
    }
}

/// What taking a slice came to.
#[derive(Debug)]
pub(super) enum Step {
    /// There is more to take, after a pause.
    More(Duration),
    /// The image is written and reaches up to this change.
    Over(u64),
    /// The engine has gone.
    Gone,
}

impl Snapshot {
    pub(super) fn new(walking: Walking, image: ImageWriter, figures: &Arc<Figures>) -> Self {
        Self {
            walking,
            image,
            draft: Draft::new(),
            budget: BUDGET,
            figures: Arc::clone(figures),
        }
    }

    #[cfg(test)]
    pub(super) fn with_budget(mut self, budget: usize) -> Self {
        self.budget = budget;
        self
    }

    /// Takes everything there is; `None` when the engine has gone.
    pub(super) fn take(mut self) -> Result<Option<WholeImage>, JournalError> {
        loop {
            match self.step()? {
                Step::More(pause) => std::thread::sleep(pause),
                Step::Over(needs) => return self.finish(needs).map(Some),
                Step::Gone => return Ok(None),
            }
        }
    }

    /// Takes one slice.
    pub(super) fn step(&mut self) -> Result<Step, JournalError> {
        let Walking { engine, walk } = &mut self.walking;
        let (Some(engine), Some(walk)) = (engine.upgrade(), walk.as_mut()) else {
            return Ok(Step::Gone);
        };
        self.draft.clear();
        let payload = self.draft.payload();
        let (is_more, seen, held) = {
            let mut core = engine.lock();
            let started = Instant::now();
            let emit = &mut |effects: &[crate::Effect<'_>]| encode(effects, payload);
            let volatile = core.volatile().clone();
            let is_more = walk.slice(&mut core, self.budget, &|name| volatile.covers(name), emit);
            (is_more, core.sequence(), started.elapsed())
        };
        drop(engine);
        if !self.draft.is_empty() {
            let bytes = RECORD_HEADER + self.draft.len();
            self.image.write(&mut self.draft)?;
            self.figures
                .bytes_written
                .fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if is_more {
            return Ok(Step::More(held * MOMENTS_OFF));
        }
        self.walking.walk = None;
        Ok(Step::Over(seen.0))
    }

    /// Ends the file, once the last slice is taken.
    pub(super) fn finish(self, needs: u64) -> Result<WholeImage, JournalError> {
        self.image.finish(needs)
    }
}
