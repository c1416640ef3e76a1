//! Circuit breakers: calls that would fail are refused at once, and the dependency gets time to recover.
//!
//! A [`Breaker`] decides in this process alone, without I/O: while it is closed a permit and its outcome cost two looks at
//! memory, a coarse clock and one addition. It judges the share of failed, and of slow, calls in a sliding window; when it
//! has opened it stays so for a growing time, then lets a few trial calls decide. A call whose permit is dropped, because
//! its caller went away, counts neither way.
//!
//! ```
//! # use std::time::Duration;
//! # use oxherd::breaker::{Breaker, CallError};
//! # async fn charge() -> Result<u32, std::io::Error> { Ok(7) }
//! # async fn example() -> oxherd::Result<()> {
//! let payments = Breaker::builder("payments")
//!     .failure_rate(0.5)
//!     .slow_calls(Duration::from_secs(2), 0.8)
//!     .build()?;
//! match payments.call(charge(), |_error| true).await {
//!     Ok(receipt) => println!("charged: {receipt}"),
//!     Err(CallError::Open(open)) => println!("come back in {:?}", open.retry_after),
//!     Err(CallError::Failed(error)) => println!("failed: {error}"),
//! }
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
//! ```
//!
//! Next: `options.rs` (what can be set), `kept.rs` (permits of calls whose callers went away), `phase.rs` (from closed to open and back), `window.rs` (how calls are counted).

mod kept;
mod options;
mod phase;
mod window;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use kept::KeptPermit;
pub use options::BreakerBuilder;
use options::Settings;
use phase::{Core, Word};
pub use window::Calls;
use window::Window;

use crate::clock::{Clock, Timestamp};

/// Refuses calls to a dependency that fails; cheap to clone.
#[derive(Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

struct Shared {
    /// The state and the how many-eth it is: all that the way of a permit looks at while the breaker is closed.
    word: AtomicU64,
    window: Window,
    /// Failures since the last success.
    row: AtomicU32,
    settings: Settings,
    clock: Clock,
    /// The tick at which the open time, or the patience with the last trial, ends.
    until: AtomicU64,
    rejected: AtomicU64,
    core: Mutex<Core>,
    changes: watch::Sender<State>,
    name: Arc<str>,
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Lets them pass and judges them.
    Closed,
    /// Refuses them until its time is over.
    Open,
    /// Lets a few pass, which decide.
    HalfOpen,
    /// Refuses them until [`Breaker::reset`].
    ForcedOpen,
    /// Lets them pass and counts them, and never opens, until [`Breaker::reset`].
    Disabled,
}

impl State {
    /// Its name in metrics: `closed`, `open`, `half_open`, `forced_open`, `disabled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A breaker as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its name.
    pub name: Arc<str>,
    /// What it does with calls.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The calls of the window, which are what it judges.
    pub window: Calls,
    /// All calls since it was made. A call that ended in another period than it began in is not counted anywhere.
    pub total: Calls,
    /// How many calls it refused.
    pub rejected: u64,
    /// How many times it opened by itself.
    pub opened: u64,
}

/// The breaker is open: the call was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("breaker {breaker:?} is {state}: try again in {} ms", retry_after.as_millis())]
#[non_exhaustive]
pub struct Open {
    /// The breaker.
    pub breaker: Arc<str>,
    /// `Open`, `HalfOpen` or `ForcedOpen`.
    pub state: State,
    /// When trying again makes sense. A call exactly then passes the open time.
    pub retry_after: Duration,
}

/// Why [`Breaker::call`] has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError<E> {
    /// The call was not made.
    #[error(transparent)]
    Open(#[from] Open),
    /// The call was made and ended in an error.
    #[error(transparent)]
    Failed(E),
}

/// Leave for one call, which says how it ended. Dropped, it says nothing.
#[must_use = "a permit that is dropped counts neither way"]
pub struct Permit<'a> {
    shared: &'a Shared,
    word: Word,
    is_trial: bool,
}

impl Breaker {
    /// A breaker to be set up; the name is for people and metrics.
    pub fn builder(name: impl Into<String>) -> BreakerBuilder {
        BreakerBuilder::new(name.into())
    }

    fn new(name: &str, clock: Clock, settings: Settings) -> Self {
        let shared = Shared {
            word: AtomicU64::new(Word::first().into_raw()),
            window: Window::new(settings.window_ms),
            row: AtomicU32::new(0),
            settings,
            until: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            core: Mutex::new(Core::new(clock.now())),
            changes: watch::Sender::new(State::Closed),
            clock,
            name: name.into(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// What it does with calls.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.word().state()
    }

    /// Asks for leave to call.
    ///
    /// # Errors
    /// [`Open`] when the call is not to be made.
    pub fn permit(&self) -> Result<Permit<'_>, Open> {
        let shared = &*self.shared;
        let word = shared.word();
        if matches!(word.state(), State::Closed | State::Disabled) {
            return Ok(Permit {
                shared,
                word,
                is_trial: false,
            });
        }
        shared.admit()
    }

    /// Makes a call: not at all while the breaker is open, else to its end. `is_failure` says which errors speak against
    /// the dependency; the others, such as "not found", count as successes. Dropping the future counts neither way.
    ///
    /// # Errors
    /// [`CallError::Open`] when the call was not made, [`CallError::Failed`] with its own error.
    pub async fn call<T, E>(
        &self,
        call: impl Future<Output = Result<T, E>>,
        is_failure: impl FnOnce(&E) -> bool,
    ) -> Result<T, CallError<E>> {
        let permit = self.permit()?;
        let began = self.shared.clock.ticks();
        let outcome = call.await;
        let elapsed = Duration::from_millis(self.shared.clock.ticks().saturating_sub(began));
        match &outcome {
            Err(error) if is_failure(error) => permit.failure(elapsed),
            _ => permit.success(elapsed),
        }
        outcome.map_err(CallError::Failed)
    }

    /// Refuses every call until [`Breaker::reset`].
    pub fn force_open(&self) {
        self.shared.set(State::ForcedOpen);
    }

    /// Lets every call pass, and goes on counting, until [`Breaker::reset`].
    pub fn disable(&self) {
        self.shared.set(State::Disabled);
    }

    /// Closes it, with an empty window and the first open time ahead.
    pub fn reset(&self) {
        self.shared.set(State::Closed);
    }

    /// The state, and every change of it from now on; of changes that follow each other faster than they are looked at,
    /// the last. It goes from open to half-open with the first call after the open time.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<State> {
        self.shared.changes.subscribe()
    }

    /// Everything at once, for a status page or metrics.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let shared = &*self.shared;
        let core = shared.core.lock();
        Snapshot {
            name: shared.name.clone(),
            state: shared.word().state(),
            since: core.since(),
            window: shared.window.calls(shared.clock.ticks()),
            total: shared.window.total(),
            rejected: shared.rejected.load(Ordering::Relaxed),
            opened: core.opened(),
        }
    }
}

impl Permit<'_> {
    /// The call ended well after this time.
    pub fn success(mut self, elapsed: Duration) {
        let is_slow = self.shared.settings.is_slow(elapsed);
        self.end(false, is_slow);
    }

    /// The call failed after this time.
    pub fn failure(mut self, elapsed: Duration) {
        let is_slow = self.shared.settings.is_slow(elapsed);
        self.end(true, is_slow);
    }

    fn end(&mut self, is_failure: bool, is_slow: bool) {
        let shared = self.shared;
        // What began in another period says nothing about this one.
        if shared.word() != self.word {
            return;
        }
        let now = shared.clock.ticks();
        shared.window.count(now, is_failure, is_slow);
        shared.count_row(is_failure);
        if self.is_trial {
            self.is_trial = false;
            shared.tried(self.word, is_failure || is_slow);
        } else if is_failure || is_slow {
            shared.judge(self.word, now);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_trial {
            self.shared.give_back(self.word);
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("breaker", &self.shared.name)
            .field("is_trial", &self.is_trial)
            .finish()
    }
}

#[cfg(test)]
mod tests;
