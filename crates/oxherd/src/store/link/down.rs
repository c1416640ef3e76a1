//! What a link knows while it has no connection: since when it tries in vain, and whether trying is of use.
//!
//! Who is in haste waits for a connection no longer than one deadline after the first attempt since the last one was lost: a
//! server that restarts in a moment costs nobody an error, and one that is gone costs nobody else any time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError};

/// Who is in haste tries no more often than this.
const PAUSE: Duration = Duration::from_millis(500);
/// After this long without an attempt nobody knows whether the server is still away.
const FORGOTTEN: Duration = Duration::from_secs(3);

#[derive(Default)]
pub(super) struct Down(Mutex<State>);

#[derive(Default)]
struct State {
    /// The first attempt since the last connection, and the latest one.
    tries: Option<(Instant, Instant)>,
    /// What the server said to the latest one, if it was a no.
    refusal: Option<RedisError>,
}

impl Down {
    /// An attempt begins.
    pub(super) fn tries(&self) {
        let mut state = self.state();
        let now = Instant::now();
        let first = state.tries.map_or(now, |(first, _)| first);
        state.tries = Some((first, now));
    }

    pub(super) fn failed(&self, error: &RedisError) {
        self.state().refusal = is_refusal(error).then(|| error.clone());
    }

    /// There is a connection.
    pub(super) fn ends(&self) {
        *self.state() = State::default();
    }

    /// How much of its deadline a request in haste may wait; nothing once the server is known to be away.
    pub(super) fn left_of(&self, deadline: Duration) -> Duration {
        let mut state = self.state();
        match state.tries {
            Some((first, latest)) if latest.elapsed() < FORGOTTEN => deadline.saturating_sub(first.elapsed()),
            _ => {
                *state = State::default();
                deadline
            }
        }
    }

    /// Whether it is time for another attempt by somebody in haste.
    pub(super) fn is_due(&self) -> bool {
        self.state()
            .tries
            .is_none_or(|(_, latest)| latest.elapsed() >= PAUSE)
    }

    /// What the server said to the latest attempt, if it was a no, and that was just now.
    pub(super) fn refusal(&self) -> Option<RedisError> {
        let state = self.state();
        let (_, latest) = state.tries?;
        state.refusal.clone().filter(|_| latest.elapsed() < PAUSE)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server is there and will have none of us until somebody changes its settings or ours.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
        || error.kind() == ErrorKind::AuthenticationFailed
}
