//! Jobs that nobody waits for.
//!
//! A call that was given up and sent again may still run later, and take jobs with the same token. For a while after
//! each resend the worker asks for them and gives back what it does not know, without a stall.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Dispatcher, State};
use crate::worker::claim::Claim;
use crate::worker::verdict::{HandIn, Verdict};

/// When to look for jobs that a lost call took after all.
pub(super) const SUSPICION: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(6),
    Duration::from_secs(15),
];

impl Dispatcher {
    /// Asks the store, aside, for jobs that a call took after it was given up and sent again.
    pub(super) fn look_for_suspects(&self, state: &mut State) {
        let now = Instant::now();
        let (due, later) = state.suspects.drain(..).partition(|(_, due)| *due <= now);
        state.suspects = later;
        let due: Vec<(Arc<str>, Instant)> = due;
        for (token, _) in due {
            let (exchanger, report_found) = (self.exchanger.clone(), state.report_found.clone());
            tokio::spawn(async move {
                match exchanger.held_with(&token).await {
                    // The worker may have stopped meanwhile.
                    Ok(ids) => drop(report_found.send((token, ids))),
                    // The next answer of the store brings new suspicion.
                    Err(error) => {
                        tracing::debug!(queue = %exchanger.core.name, %error, "cannot look for lost jobs");
                    }
                }
            });
        }
    }

    /// Gives back those of them that this worker knows nothing of.
    pub(super) fn on_found(&self, state: &mut State, token: &Arc<str>, ids: Vec<String>) {
        for id in ids {
            // The count of starts is unknown, and not needed while the lock is there.
            let claim = Claim {
                id: id.into(),
                token: Arc::clone(token),
                starts: 0,
            };
            let is_known = state
                .attempts
                .keys()
                .any(|known| known.id == claim.id && known.token == claim.token);
            if !is_known {
                tracing::info!(queue = %self.exchanger.core.name, job = %claim.id, "giving back a job that a lost call took");
                state.handed_in.push_back(HandIn {
                    claim,
                    verdict: Verdict::Release,
                });
            }
        }
    }
}
