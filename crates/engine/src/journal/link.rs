//! The engine's side of its journal: it rings when there is something to keep, and says what may leave.
//!
//! Next: `progress.rs`, `writer.rs` (the other side).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Fsync;
use super::progress::{Progress, Reached, Sequence};
use super::status::Figures;

/// With `Fsync::EverySecond`, how old what is not durable may get before answers wait for it. Syncs begin twice a second,
/// so only a disk that is too slow comes so far.
const LATE: Duration = Duration::from_millis(900);

/// What the engine knows of its journal.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) progress: Arc<Progress>,
    pub(crate) bell: Arc<Bell>,
    pub(crate) delay: Arc<Delay>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) room: Arc<Room>,
    pub(crate) fsync: Fsync,
}

impl Link {
    /// To a journal that holds everything up to a unit.
    pub(crate) fn new(fsync: Fsync, durable: Sequence) -> Self {
        Self {
            progress: Arc::new(Progress::from(durable)),
            bell: Arc::default(),
            delay: Arc::default(),
            figures: Arc::default(),
            room: Arc::new(Room::from(durable)),
            fsync,
        }
    }

    /// There is something to keep.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    /// What has to be kept before anything that has seen all units up to this one may leave.
    pub(crate) fn horizon(&self, sequence: Sequence) -> Sequence {
        let waits = match self.fsync {
            Fsync::Always => true,
            Fsync::EverySecond => self.delay.is_long(),
            Fsync::Never => false,
        };
        if waits && !self.progress.is_reached(sequence) {
            sequence
        } else {
            Sequence::NONE
        }
    }
}

/// Bounds what units have changed and the journal has not written: if the disk is slower than they are, units wait, in
/// front of the engine's lock, until what was there before them is written.
#[derive(Debug)]
pub(crate) struct Room {
    /// What has to be written before more is changed; 0 as long as there is room.
    wanted: AtomicU64,
    /// How far the log is written, durable or not.
    written: Arc<Progress>,
}

impl Room {
    fn from(written: Sequence) -> Self {
        Self {
            wanted: AtomicU64::new(0),
            written: Arc::new(Progress::from(written)),
        }
    }

    /// It has become too much with this unit.
    pub(crate) fn fill(&self, last: Sequence) {
        self.wanted.store(last.0, Ordering::Relaxed);
    }

    /// What there was is in the hands of the journal's thread.
    pub(crate) fn clear(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }

    /// Everything up to this unit is written, or never will be.
    pub(crate) fn advance(&self, written: Sequence) {
        self.written.advance(written);
    }

    /// Waits until there is room; `None` when there is.
    pub(crate) fn wait(&self) -> Option<Reached> {
        match self.wanted.load(Ordering::Relaxed) {
            0 => None,
            wanted => self.written.wait_for(Sequence(wanted)),
        }
    }
}

/// Wakes the journal's thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    has_rung: AtomicBool,
    sleep: Mutex<()>,
    wake: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        if !self.has_rung.swap(true, Ordering::AcqRel) {
            // Taken so that the thread is either before its last look or asleep.
            drop(self.sleep.lock());
            self.wake.notify_one();
        }
    }

    pub(crate) fn has_rung(&self) -> bool {
        self.has_rung.load(Ordering::Acquire)
    }

    /// Waits until it rings, for so long at most; true when it has rung.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut sleep = self.sleep.lock();
        while !self.has_rung.swap(false, Ordering::AcqRel) {
            if self.wake.wait_until(&mut sleep, until).timed_out() {
                return self.has_rung.swap(false, Ordering::AcqRel);
            }
        }
        true
    }
}

/// For how long something written has not been durable.
#[derive(Debug)]
pub(crate) struct Delay {
    origin: Instant,
    /// Milliseconds after `origin`, and one; 0 when everything is durable.
    since: AtomicU64,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            since: AtomicU64::new(0),
        }
    }
}

impl Delay {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// Something is about to be written.
    pub(crate) fn begin(&self) {
        // Only the journal's thread writes here.
        if self.since.load(Ordering::Relaxed) == 0 {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Everything written is durable.
    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Everything written is durable, but there is more since that moment, which `moment` gave.
    pub(crate) fn end_but_since(&self, moment: u64) {
        self.since.store(moment, Ordering::Relaxed);
    }

    /// This moment, for `end_but_since`.
    pub(crate) fn moment(&self) -> u64 {
        self.now()
    }

    /// How long it has lasted.
    pub(crate) fn length(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }

    fn is_long(&self) -> bool {
        self.length() > LATE
    }
}
