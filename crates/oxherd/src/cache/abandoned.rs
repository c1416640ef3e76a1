//! Questions whose askers went away before the store had answered.
//!
//! Callers with less time than the cache's deadline would otherwise never find out that the store is silent: each takes its
//! permit along when it gives up, the breaker hears of no failure, and the next caller waits again. So the permits of those who
//! have gone wait for the answer to one PING, sent behind their questions on the same connection: a store that answers it has
//! not failed them, however little time they had, and one that does not has failed all of them. There is one such PING at a
//! time, and none while nobody goes away.
//! Next: `shared.rs`.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::RedisResult;
use redis::aio::ConnectionLike as _;
use tokio::runtime::Handle;

use super::shared::{Repeated, Shared, Trouble};
use crate::breaker::{KeptPermit, Permit};
use crate::store::Connection;

/// Permits of those who went away; not empty while somebody asks in their place.
#[derive(Clone, Default)]
pub(crate) struct Abandoned(Arc<Mutex<Vec<KeptPermit>>>);

/// Leave to ask, for as long as the asker is there.
pub(crate) struct Asking<'a> {
    shared: &'a Shared,
    permit: Option<Permit<'a>>,
    began: u64,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(shared: &'a Shared, permit: Permit<'a>) -> Self {
        Self {
            shared,
            permit: Some(permit),
            began: shared.clock.ticks(),
        }
    }

    /// The store answered, or did not.
    pub(crate) fn judge<T>(
        self,
        operation: &str,
        repeated: Repeated,
        answer: RedisResult<T>,
    ) -> Result<T, Trouble> {
        // What the store refuses it has answered: only silence opens the breaker.
        self.ends(!matches!(&answer, Err(error) if error.is_io_error()));
        answer.map_err(|error| Trouble::Failed(repeated.refused(operation, error)))
    }

    /// The asker stayed, and this came of it.
    pub(crate) fn ends(mut self, does_answer: bool) {
        let took = self.shared.clock.ticks().saturating_sub(self.began);
        let took = std::time::Duration::from_millis(took);
        match self.permit.take() {
            Some(permit) if does_answer => permit.success(took),
            Some(permit) => permit.failure(took),
            None => {}
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let permit = self.shared.breaker.keep(permit, self.began);
            self.shared.abandoned.find_out(self.shared, permit);
        }
    }
}

impl Abandoned {
    /// Decides upon this permit when it is known whether the store answers; at the end of a runtime, not at all.
    #[cold]
    fn find_out(&self, shared: &Shared, permit: KeptPermit) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut permits = self.0.lock();
        permits.push(permit);
        let is_first = permits.len() == 1;
        drop(permits);
        if is_first {
            let connection = shared.tracked.connection().with_deadline(shared.deadline);
            runtime.spawn(Deciding(Some(self.clone())).decide(connection));
        }
    }

    fn take(&self) -> Vec<KeptPermit> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// Somebody asks in the place of those who went away. If that ends early, with its runtime, nothing is known of the store.
struct Deciding(Option<Abandoned>);

impl Deciding {
    async fn decide(mut self, mut connection: Connection) {
        let answer = connection.req_packed_command(&redis::cmd("PING")).await;
        let does_answer = !matches!(&answer, Err(error) if error.is_io_error());
        // Whoever goes away from now on has somebody else ask.
        let permits = self.0.take().map_or_else(Vec::new, |abandoned| abandoned.take());
        for permit in permits {
            permit.end(does_answer);
        }
    }
}

impl Drop for Deciding {
    fn drop(&mut self) {
        drop(self.0.take().map(|abandoned| abandoned.take()));
    }
}
