//! What a worker holds: jobs, by id and by the token of its lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// One attempt's hold on one job. The same job taken again has another token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim {
    pub(super) id: Arc<str>,
    pub(super) token: Arc<str>,
    /// How often the job had been started, this attempt included: proves that nobody else has it after its lock
    /// expired.
    pub(super) starts: u32,
}

#[derive(Debug)]
struct Held {
    renewed: Instant,
    cancel: CancellationToken,
}

/// The claims whose handlers run, shared with the thread that renews their locks.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<Claim, Held>>>);

impl Claims {
    pub(super) fn hold(&self, claim: Claim) -> CancellationToken {
        let cancel = CancellationToken::new();
        self.locked().insert(
            claim,
            Held {
                renewed: Instant::now(),
                cancel: cancel.clone(),
            },
        );
        cancel
    }

    /// `false` when the claim was gone already, because its lock was lost.
    pub(super) fn drop_claim(&self, claim: &Claim) -> bool {
        self.locked().remove(claim).is_some()
    }

    /// Lets go of a claim and tells its handler that what it does no longer counts. `false` when it had ended already.
    pub(super) fn lose(&self, claim: &Claim) -> bool {
        // Removed before the handler hears of it, so that its end finds the claim gone.
        let held = self.locked().remove(claim);
        held.map(|held| held.cancel.cancel()).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.locked().len()
    }

    /// Claims that were last renewed longer ago than this.
    pub(super) fn older_than(&self, age: Duration) -> Vec<Claim> {
        self.locked()
            .iter()
            .filter(|(_, held)| held.renewed.elapsed() >= age)
            .map(|(claim, _)| claim.clone())
            .collect()
    }

    pub(super) fn renewed(&self, claims: &[Claim], at: Instant) {
        let mut held = self.locked();
        for claim in claims {
            if let Some(held) = held.get_mut(claim) {
                held.renewed = at;
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Claim, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
