//! Where the loaders of several keys meet, so that the source is asked once.
//!
//! Every key of a call has a place. It asks for its value when its flight calls its loader; it steps aside when somebody
//! else loads it, and leaves when it is answered. When nobody is left who may still ask, those who asked are loaded together. Who
//! asks later, because another's load failed, is loaded alone. What all of them ask of the store takes turns, and their leases last
//! longer the more they are: many keys are no more at once to the store than few.
//! Next: `many.rs`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::loading::{Fresh, LoadFuture, LoadPanicked, LoadTimedOut, Loader};
use super::space::Site;
use super::within::Part;
use crate::clock::Clock;
use crate::error::{Cause, LoadCause};

/// What a batch loader answers, in the order of the positions it was told.
pub(crate) type BatchFuture = Pin<Box<dyn Future<Output = Result<Vec<Fresh>, Cause>> + Send>>;
type Load = Box<dyn Fn(Vec<usize>) -> BatchFuture + Send + Sync>;

/// How many scripts of one call are under way at once: each has its deadline from when it is sent.
const AT_ONCE: usize = 64;
/// By how much each key prolongs the leases of all: so up to some 199,000 keys they are renewed about a thousand times a second at the most.
const TERM_PER_KEY: Duration = Duration::from_millis(3);
/// How long a lease is at the most for that.
const LONGEST_TERM: Duration = Duration::from_secs(600);

/// A position, and where its value is waited for.
type Asked = (usize, oneshot::Sender<Result<Fresh, Cause>>);

/// The keys of one call.
pub(crate) struct Batch {
    load: Load,
    /// Bounds the loads of the namespace.
    loads: Arc<Semaphore>,
    /// Where it is loaded: who goes away last may do so outside of it.
    runtime: Handle,
    /// Whether it is part of a load, whose permit is enough.
    is_within_load: bool,
    part: Part,
    clock: Clock,
    /// How long a load may take.
    limit: Duration,
    scripts: Semaphore,
    /// How many keys are to be loaded, as far as is known.
    missing: AtomicU32,
    state: Mutex<State>,
}

struct State {
    /// How many may still ask.
    undecided: usize,
    asked: Vec<Asked>,
}

/// One of the keys.
pub(crate) struct Place {
    batch: Arc<Batch>,
    at: usize,
    is_decided: AtomicBool,
    /// Whether a flight of its own decides, which outlives the caller.
    has_flight: AtomicBool,
}

/// Leaves a place when it is dropped: with its caller, or, once there is one, with its flight.
pub(crate) struct Leaving {
    place: Arc<Place>,
    is_of_flight: bool,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.is_of_flight || !self.place.has_flight.load(Ordering::SeqCst) {
            self.place.step_aside();
        }
    }
}

impl Batch {
    pub(crate) fn new(
        count: usize,
        site: &Site,
        load: impl Fn(Vec<usize>) -> BatchFuture + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            load: Box::new(load),
            loads: Arc::clone(&site.space.loads),
            runtime: Handle::current(),
            is_within_load: site.is_within_load(),
            part: site.part(),
            clock: site.shared.clock.clone(),
            limit: site.space.settings.loads.hard_timeout,
            scripts: Semaphore::new(AT_ONCE),
            missing: AtomicU32::new(0),
            state: Mutex::new(State {
                undecided: count,
                asked: Vec::new(),
            }),
        })
    }

    /// So many of the keys are not there.
    pub(crate) fn lacks(&self, missing: usize) {
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        self.missing.store(missing, Ordering::Relaxed);
    }

    pub(crate) fn place(self: &Arc<Self>, at: usize) -> Arc<Place> {
        Arc::new(Place {
            batch: Arc::clone(self),
            at,
            is_decided: AtomicBool::new(false),
            has_flight: AtomicBool::new(false),
        })
    }

    /// Loads for those who asked, when nobody else may still ask.
    fn load_if_complete(self: &Arc<Self>) {
        let asked = {
            let mut state = self.state.lock();
            if state.undecided > 0 || state.asked.is_empty() {
                return;
            }
            std::mem::take(&mut state.asked)
        };
        let batch = Arc::clone(self);
        // Whoever asked may go away; the others still want it.
        self.runtime.spawn(async move { batch.load_for(asked).await });
    }

    async fn load_for(&self, asked: Vec<Asked>) {
        let _permit = match self.is_within_load {
            true => None,
            // Never closed: the semaphore lives as long as the namespace.
            false => self.loads.acquire().await.ok(),
        };
        let late = self.clock.sleep_until(self.clock.now().after(self.limit));
        // While it waited for its permit, flights may have been given up.
        let asked = asked.into_iter().filter(|(_, answer)| !answer.is_closed());
        let (positions, answers): (Vec<_>, Vec<_>) = asked.unzip();
        if positions.is_empty() {
            return;
        }
        let load =
            AssertUnwindSafe(self.part.of(async { (self.load)(positions.clone()).await })).catch_unwind();
        let values = tokio::select! {
            biased;
            values = load => values,
            () = late => {
                for answer in answers {
                    let _ = answer.send(Err(LoadTimedOut(self.limit).into()));
                }
                return;
            }
        };
        let failure = match values {
            Ok(Ok(values)) => {
                for (answer, value) in answers.into_iter().zip(values) {
                    // Nobody waits for it any more: its flight was given up.
                    let _ = answer.send(Ok(value));
                }
                return;
            }
            Ok(Err(cause)) => LoadCause::new(cause),
            Err(panic) => LoadCause::new(LoadPanicked::of(&*panic).into()),
        };
        for answer in answers {
            let _ = answer.send(Err(failure.clone().into()));
        }
    }
}

impl Place {
    /// The turn of a script, if it is of a call of many.
    pub(crate) async fn turn(place: Option<&Arc<Self>>) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        place?.batch.scripts.acquire().await.ok()
    }

    /// How long its lease lasts, where that of one key alone lasts so long.
    pub(crate) fn term(&self, alone: Duration) -> Duration {
        let more = TERM_PER_KEY.saturating_mul(self.batch.missing.load(Ordering::Relaxed));
        alone.saturating_add(more).min(LONGEST_TERM.max(alone))
    }

    /// It does not ask, or not now.
    pub(crate) fn step_aside(&self) {
        if !self.is_decided.swap(true, Ordering::SeqCst) {
            self.batch.state.lock().undecided -= 1;
            self.batch.load_if_complete();
        }
    }

    /// For its caller.
    pub(crate) fn leaving(self: &Arc<Self>) -> Leaving {
        Leaving {
            place: Arc::clone(self),
            is_of_flight: false,
        }
    }

    /// For the flight that its caller starts: others wait for what it decides, also when the caller goes away.
    pub(crate) fn boarding(self: &Arc<Self>) -> Leaving {
        self.has_flight.store(true, Ordering::SeqCst);
        Leaving {
            place: Arc::clone(self),
            is_of_flight: true,
        }
    }

    /// Asks when it is called.
    pub(crate) fn loader(self: &Arc<Self>) -> Loader {
        let place = Arc::clone(self);
        Loader::new(move || -> LoadFuture {
            Box::pin(async move {
                let (answer, answered) = oneshot::channel();
                {
                    let mut state = place.batch.state.lock();
                    state.asked.push((place.at, answer));
                    if !place.is_decided.swap(true, Ordering::SeqCst) {
                        state.undecided -= 1;
                    }
                }
                place.batch.load_if_complete();
                let gone = || Cause::from("the loader panicked, or ended with its runtime");
                answered.await.unwrap_or_else(|_| Err(gone()))
            })
        })
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
