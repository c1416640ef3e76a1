//! From closed to open and back.
//!
//! Each change of state begins a new *period*, whose number is in the same word as the state: permits carry the word, and
//! an outcome counts only in the period it belongs to. Changes are made under the lock of [`Core`]; the word is what
//! others look at. A breaker that is open refuses without the lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::options::WHOLE;
use super::{Open, Permit, Shared, State};
use crate::clock::{Timestamp, millis};

/// A state, and the number of its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const STATE_BITS: u32 = 3;

impl Word {
    pub(super) const fn first() -> Self {
        Self(0)
    }

    pub(super) const fn into_raw(self) -> u64 {
        self.0
    }

    pub(super) const fn state(self) -> State {
        match self.0 & ((1 << STATE_BITS) - 1) {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            3 => State::ForcedOpen,
            _ => State::Disabled,
        }
    }

    /// The first word of the next period.
    const fn next(self, state: State) -> Self {
        let state = match state {
            State::Closed => 0,
            State::Open => 1,
            State::HalfOpen => 2,
            State::ForcedOpen => 3,
            State::Disabled => 4,
        };
        Self((((self.0 >> STATE_BITS) + 1) << STATE_BITS) | state)
    }
}

/// What changes with the state.
#[derive(Debug)]
pub(super) struct Core {
    since: Timestamp,
    opened: u64,
    /// How many times it opened since it was closed.
    streak: u32,
    /// Trials under way, and those that succeeded.
    trying: u32,
    succeeded: u32,
}

impl Core {
    pub(super) const fn new(since: Timestamp) -> Self {
        Self {
            since,
            opened: 0,
            streak: 0,
            trying: 0,
            succeeded: 0,
        }
    }

    pub(super) const fn since(&self) -> Timestamp {
        self.since
    }

    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }
}

impl Shared {
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// A permit while the breaker is not closed.
    pub(super) fn admit(&self) -> Result<Permit<'_>, Open> {
        let now = self.clock.ticks();
        let until = self.until.load(Ordering::Acquire);
        if self.word().state() == State::Open && now < until {
            return Err(self.refuse(State::Open, until - now));
        }
        let mut core = self.core.lock();
        let left = self.until.load(Ordering::Acquire).saturating_sub(now);
        match self.word().state() {
            State::Closed | State::Disabled => return Ok(self.permit_now(false)),
            State::ForcedOpen => return Err(self.refuse(State::ForcedOpen, millis(self.settings.longest))),
            State::Open if left > 0 => return Err(self.refuse(State::Open, left)),
            State::Open => self.enter(&mut core, State::HalfOpen),
            State::HalfOpen if core.trying + core.succeeded < self.settings.trial_calls => {}
            // Trials that never end must not keep it so for ever: others try beside them. What a slow one says still counts when it ends, or
            // a dependency that takes longer than this would never be heard.
            State::HalfOpen if left == 0 => core.trying = 0,
            State::HalfOpen => {
                return Err(self.refuse(State::HalfOpen, left.min(millis(self.settings.first))));
            }
        }
        core.trying += 1;
        // A trial has as long as the breaker was open before.
        let patience_ms = self.settings.open_ms(core.streak, 0.0);
        self.until
            .store(now.saturating_add(patience_ms), Ordering::Release);
        Ok(self.permit_now(true))
    }

    /// A call failed or was slow: opens if too many did.
    #[cold]
    pub(super) fn judge(&self, word: Word, now: u64) {
        if word.state() != State::Closed || !self.is_too_bad(now) {
            return;
        }
        let mut core = self.core.lock();
        if self.word() == word {
            self.open(&mut core, now);
        }
    }

    /// A trial ended.
    pub(super) fn tried(&self, word: Word, is_bad: bool) {
        let mut core = self.core.lock();
        if self.word() != word {
            return;
        }
        core.trying = core.trying.saturating_sub(1);
        if is_bad {
            self.open(&mut core, self.clock.ticks());
            return;
        }
        core.succeeded += 1;
        if core.succeeded >= self.settings.trial_calls {
            tracing::info!(breaker = %self.name, "closed: the trial calls succeeded");
            core.streak = 0;
            self.enter(&mut core, State::Closed);
        }
    }

    /// A trial was given up.
    pub(super) fn give_back(&self, word: Word) {
        let mut core = self.core.lock();
        if self.word() == word {
            core.trying = core.trying.saturating_sub(1);
        }
    }

    /// By the hand of an operator.
    pub(super) fn set(&self, state: State) {
        let mut core = self.core.lock();
        if self.word().state() != state {
            tracing::info!(breaker = %self.name, %state, "set by hand");
        }
        core.streak = 0;
        self.enter(&mut core, state);
    }

    /// Counts failures since the last success. Nothing is written while all goes well.
    pub(super) fn count_row(&self, is_failure: bool) {
        if is_failure {
            self.row.fetch_add(1, Ordering::Relaxed);
        } else if self.row.load(Ordering::Relaxed) > 0 {
            self.row.store(0, Ordering::Relaxed);
        }
    }

    fn is_too_bad(&self, now: u64) -> bool {
        if self.row.load(Ordering::Relaxed) >= self.settings.in_a_row {
            return true;
        }
        let calls = self.window.calls(now);
        if calls.calls < self.settings.minimum_calls {
            return false;
        }
        let reaches = |count: u64, rate: u64| {
            u128::from(count) * u128::from(WHOLE) >= u128::from(calls.calls) * u128::from(rate)
        };
        reaches(calls.failures, self.settings.failure_rate)
            || self
                .settings
                .slow
                .is_some_and(|slow| reaches(calls.slow, slow.rate))
    }

    fn open(&self, core: &mut Core, now: u64) {
        core.streak = core.streak.saturating_add(1);
        core.opened += 1;
        let open_ms = self.settings.open_ms(core.streak, rand::random::<f64>());
        let calls = self.window.calls(now);
        tracing::warn!(
            breaker = %self.name, calls = calls.calls, failures = calls.failures, slow = calls.slow, open_ms,
            "opened: calls are refused"
        );
        // Before the word, so that nobody sees the new state with the old time.
        self.until.store(now.saturating_add(open_ms), Ordering::Release);
        self.enter(core, State::Open);
    }

    fn enter(&self, core: &mut Core, state: State) {
        (core.trying, core.succeeded) = (0, 0);
        self.row.store(0, Ordering::Relaxed);
        core.since = self.clock.now();
        self.window.clear();
        self.word
            .store(self.word().next(state).into_raw(), Ordering::Release);
        self.changes
            .send_if_modified(|known| std::mem::replace(known, state) != state);
    }

    fn permit_now(&self, is_trial: bool) -> Permit<'_> {
        Permit {
            shared: self,
            word: self.word(),
            is_trial,
        }
    }

    fn refuse(&self, state: State, retry_ms: u64) -> Open {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Open {
            breaker: Arc::clone(&self.name),
            state,
            retry_after: Duration::from_millis(retry_ms),
        }
    }
}
