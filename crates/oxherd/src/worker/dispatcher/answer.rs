//! What the store answered for each job handed in, and what the process hears of it.

use super::attempt::Attempt;
use super::{Dispatcher, State};
use crate::job::JobId;
use crate::worker::event::WorkerEvent;
use crate::worker::outcome::Stop;
use crate::worker::verdict::{HandIn, Verdict};

impl Dispatcher {
    /// One table from exchange codes to what the process hears.
    pub(super) fn on_code(&self, state: &mut State, job: HandIn, code: i64, was_resent: bool) {
        let queue = &self.exchanger.core.name;
        let attempt = state.attempts.remove(&job.claim);
        // Only a resend can find its own work done. The lock went with the first copy, so a job that ended answers that
        // it is gone or no longer active; one that went back in line may be another's already.
        let is_in_line_again = !matches!(job.verdict, Verdict::Completed { .. } | Verdict::Failed { .. });
        let is_done = code == 0
            || (was_resent && (matches!(code, -1 | -3) || (is_in_line_again && matches!(code, -2 | -6))));
        if is_done {
            if let Some(attempt) = attempt {
                self.announce(&attempt, job.verdict);
            }
            return;
        }
        if attempt.is_none() && matches!(code, -1 | -2 | -3 | -6) {
            // A suspect that ended or went elsewhere meanwhile.
            return;
        }
        let id = &job.claim.id;
        match code {
            // It cannot complete: for its options that is a failed attempt like any other.
            -4 | -9 if !matches!(job.verdict, Verdict::Failed { .. }) => {
                let reason = if code == -4 {
                    "the job has children that have not finished"
                } else {
                    "a child of the job failed"
                };
                tracing::warn!(%queue, job = %id, reason, "the job cannot complete");
                if let Some(attempt) = attempt {
                    let (settings, now) = (&self.exchanger.settings, self.exchanger.core.clock.now());
                    let verdict = Verdict::of(Err(Stop::retry(reason)), &attempt.job, settings, now);
                    state.attempts.insert(job.claim.clone(), attempt);
                    state.handed_in.push_back(HandIn {
                        claim: job.claim,
                        verdict,
                    });
                }
            }
            -1 => tracing::warn!(%queue, job = %id, "the job was removed while it ran; its outcome is lost"),
            -2 | -6 => {
                tracing::warn!(%queue, job = %id, "the lock was lost before the outcome arrived; another worker has or had the job");
                self.exchanger.announcer.tell(|| WorkerEvent::LockLost {
                    id: JobId::existing(&**id),
                });
            }
            -3 => tracing::warn!(%queue, job = %id, "the job was no longer active; its outcome is ignored"),
            -20 => {
                tracing::error!(%queue, job = %id, "the job's key is no hash any more; another program overwrote it");
            }
            -21 => {
                tracing::error!(%queue, job = %id, "the store could not take the outcome; the job will stall and run again");
            }
            other => tracing::error!(%queue, job = %id, code = other, "unknown answer for a job"),
        }
    }

    fn announce(&self, attempt: &Attempt, verdict: Verdict) {
        let (waited, ran) = (attempt.waited(), attempt.ran);
        let (queue, id, name) = (
            &self.exchanger.core.name,
            &attempt.job.id,
            attempt.job.name.as_str(),
        );
        let number = attempt.job.attempts_made.saturating_add(1);
        match &verdict {
            Verdict::Completed { .. } => {
                tracing::debug!(%queue, job = %id, name, attempt = number, ?ran, "completed");
            }
            Verdict::Failed { failure, .. } => {
                tracing::warn!(%queue, job = %id, name, attempt = number, cause = %failure.reason, "failed for good");
            }
            Verdict::Retry { failure, .. }
            | Verdict::Delay {
                failure: Some(failure),
                ..
            } => {
                tracing::info!(%queue, job = %id, name, attempt = number, cause = %failure.reason, "failed; trying again");
            }
            _ => {}
        }
        let (id, name) = (id.clone(), name.to_owned());
        self.exchanger.announcer.tell(|| match verdict {
            Verdict::Completed { .. } => WorkerEvent::Completed {
                id,
                name,
                waited,
                ran,
            },
            Verdict::Failed { failure, .. } => WorkerEvent::Failed {
                id,
                name,
                reason: failure.reason,
                waited,
                ran,
                is_final: true,
            },
            Verdict::Retry { failure, .. }
            | Verdict::Delay {
                failure: Some(failure),
                ..
            } => WorkerEvent::Failed {
                id,
                name,
                reason: failure.reason,
                waited,
                ran,
                is_final: false,
            },
            Verdict::Delay { failure: None, .. } | Verdict::Release | Verdict::RateLimit(_) => {
                WorkerEvent::Returned { id, name }
            }
        });
    }
}
