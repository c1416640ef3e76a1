//! One load per key in this process, however many wait for it.
//!
//! A flight is a task of its own: a caller that goes away does not end it, and nobody's cancellation is another's error.
//! Who may have its result follows from when they came. What a load returned, and what could not be kept because something was invalidated
//! meanwhile, answers those only who came before the load began; the others may have come after that invalidation was
//! acknowledged, and start over. A flight takes nobody in any more once it asks the store for what it will answer.
//! Next: `loading.rs` (what a flight does), `docs/design/cache.md` ("Who may have the result").

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::key::KeyText;
use super::local::Held;
use crate::error::LoadCause;

/// The flights of one namespace that still take callers in.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    open: Mutex<HashMap<KeyText, Arc<Flight>>>,
}

#[derive(Debug)]
struct Flight {
    /// Changed under the lock of [`Flights`] alone.
    has_load_begun: AtomicBool,
    waiting: AtomicUsize,
    end: OnceLock<Landing>,
    /// Wakes those on board in the order in which they came.
    landed: Notify,
}

/// How a flight ended.
#[derive(Clone, Debug)]
pub(crate) struct Landing {
    pub(crate) result: Result<Arc<Held>, Failure>,
    pub(crate) answers: Answers,
}

impl Landing {
    /// Of what concerns all who wait.
    pub(crate) const fn everybody(result: Result<Arc<Held>, Failure>) -> Self {
        let answers = Answers::Everybody;
        Self { result, answers }
    }

    /// With a value for those who may have it.
    pub(crate) const fn to(held: Arc<Held>, answers: Answers) -> Self {
        let result = Ok(held);
        Self { result, answers }
    }
}

/// Whom a flight's end may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    Everybody,
    /// As those who may be answered by what this process keeps: not who asks past it, unless they came before the loader was called.
    KeptHere,
    /// Those who came before the loader was called.
    CameBeforeLoad,
}

/// Why a flight has no value.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The loader failed, panicked or took too long.
    Load(LoadCause),
    /// Something else came between: whoever waited starts over.
    Again,
}

/// A caller's place.
#[derive(Debug)]
pub(crate) struct Seat {
    flight: Arc<Flight>,
    came_before_load: bool,
}

/// The flight's own end of it, held by its task.
#[derive(Debug)]
pub(crate) struct Pilot {
    flights: Arc<Flights>,
    key: KeyText,
    flight: Arc<Flight>,
    has_landed: bool,
}

impl Flights {
    /// A place on the flight for this key. A new flight comes with its pilot, for the caller to start.
    pub(crate) fn join(self: &Arc<Self>, key: &KeyText) -> (Seat, Option<Pilot>) {
        let mut open = self.open.lock();
        if let Some(flight) = open.get(key) {
            let seat = Seat::on(flight);
            drop(open);
            return (seat, None);
        }
        let flight = Arc::new(Flight {
            has_load_begun: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            end: OnceLock::new(),
            landed: Notify::new(),
        });
        let seat = Seat::on(&flight);
        open.insert(key.clone(), Arc::clone(&flight));
        drop(open);
        let pilot = Pilot {
            flights: Arc::clone(self),
            key: key.clone(),
            flight,
            has_landed: false,
        };
        (seat, Some(pilot))
    }

    /// How many flights take callers in.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.open.lock().len()
    }
}

impl Flight {
    fn land(&self, landing: Landing) {
        // Its pilot does this once.
        let _ = self.end.set(landing);
        self.landed.notify_waiters();
    }
}

impl Seat {
    fn on(flight: &Arc<Flight>) -> Self {
        flight.waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            flight: Arc::clone(flight),
            came_before_load: !flight.has_load_begun.load(Ordering::Relaxed),
        }
    }

    /// Waits for the end. `None`: it may not answer this caller, who starts over.
    pub(crate) async fn landing(&mut self, is_strict: bool) -> Option<Result<Arc<Held>, LoadCause>> {
        let mut landed = pin!(self.flight.landed.notified());
        // First the place in the queue, then the look: an end in between is not missed.
        landed.as_mut().enable();
        let landing = match self.flight.end.get() {
            Some(landing) => landing,
            None => {
                landed.await;
                self.flight.end.get()?
            }
        };
        let landing = landing.clone();
        match landing.result {
            Ok(held) => {
                let may_have_it = match landing.answers {
                    Answers::Everybody => true,
                    Answers::KeptHere => self.came_before_load || !is_strict,
                    Answers::CameBeforeLoad => self.came_before_load,
                };
                may_have_it.then_some(Ok(held))
            }
            Err(Failure::Load(cause)) => Some(Err(cause)),
            Err(Failure::Again) => None,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flight.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pilot {
    pub(crate) fn key(&self) -> &KeyText {
        &self.key
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_alone(&self) -> bool {
        self.flight.waiting.load(Ordering::Relaxed) == 0
    }

    /// From now on the load sees the source: who comes later has only what nobody invalidated.
    pub(crate) fn begin_load(&self) {
        let _joining = self.flights.open.lock();
        self.flight.has_load_begun.store(true, Ordering::Relaxed);
    }

    /// Takes nobody in any more. To be called before the store is asked for what answers the flight.
    pub(crate) fn close(&self) {
        let mut open = self.flights.open.lock();
        // A later flight may have the key by now.
        if open
            .get(&self.key)
            .is_some_and(|flight| Arc::ptr_eq(flight, &self.flight))
        {
            open.remove(&self.key);
        }
    }

    /// Answers everybody on board.
    pub(crate) fn land(mut self, landing: Landing) {
        self.close();
        self.has_landed = true;
        self.flight.land(landing);
    }
}

impl Drop for Pilot {
    /// A task that ended without landing (its runtime is going down): nobody waits for ever.
    fn drop(&mut self) {
        if !self.has_landed {
            self.close();
            self.flight.land(Landing::everybody(Err(Failure::Again)));
        }
    }
}
