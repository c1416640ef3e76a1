//! One attempt at one job: from the moment it was taken to the end of its handler.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Dispatcher, State};
use crate::job::JobRecord;
use crate::worker::claim::Claim;
use crate::worker::context::JobContext;
use crate::worker::event::WorkerEvent;
use crate::worker::outcome::Failure;
use crate::worker::verdict::{HandIn, Verdict};

/// The end of one attempt.
pub(super) struct Ended {
    pub(super) claim: Claim,
    pub(super) verdict: Verdict,
    pub(super) ran: Duration,
}

/// What is remembered of a job until the store knows its outcome.
pub(super) struct Attempt {
    pub(super) job: Arc<JobRecord>,
    pub(super) ran: Duration,
}

impl Attempt {
    /// How long the job was in line, which its timestamps tell only for the first attempt.
    pub(super) fn waited(&self) -> Option<Duration> {
        let job = &self.job;
        if job.attempts_made > 0 || job.attempts_started > 1 {
            return None;
        }
        let available = job.timestamp.after(job.options.delay.unwrap_or_default());
        Some(job.processed_on?.since(available))
    }
}

impl Dispatcher {
    /// Starts a job's handler, unless its fate is decided already.
    pub(super) fn start(&self, state: &mut State, job: JobRecord, claim: Claim) {
        let job = Arc::new(job);
        let attempt = Attempt {
            job: Arc::clone(&job),
            ran: Duration::ZERO,
        };
        state.attempts.insert(claim.clone(), attempt);
        if state.stopping.is_some() {
            state.report.given_back += 1;
            state.handed_in.push_back(HandIn {
                claim,
                verdict: Verdict::Release,
            });
            return;
        }
        if let Some(failure) = decided_failure(&job) {
            let verdict = Verdict::failed(failure, &job, &self.exchanger.settings);
            state.handed_in.push_back(HandIn { claim, verdict });
            return;
        }
        if let Some(scheduler) = &job.scheduler_id {
            tracing::warn!(queue = %self.exchanger.core.name, %scheduler, "this job belongs to a job scheduler, which only a BullMQ worker continues");
        }
        self.exchanger.announcer.tell(|| WorkerEvent::Active {
            id: job.id.clone(),
            name: job.name.clone(),
            attempt: job.attempts_made.saturating_add(1),
        });
        let cancelled = self.claims.hold(claim.clone());
        let handlers = Arc::clone(&self.handlers);
        let settings = Arc::clone(&self.exchanger.settings);
        let core = self.exchanger.core.clone();
        let report_end = state.report_end.clone();
        let running = tokio::spawn({
            let claim = claim.clone();
            async move {
                let started = Instant::now();
                let context = JobContext::new(core.clone(), Arc::clone(&job), claim.clone(), cancelled);
                let ended = handlers.run(context).await;
                let verdict = Verdict::of(ended, &job, &settings, core.clock.now());
                // Nobody listens only when the worker gave this job back.
                let _ = report_end.send(Ended {
                    claim,
                    verdict,
                    ran: started.elapsed(),
                });
            }
        });
        state.running.insert(claim, running.abort_handle());
    }
}

/// A failure that is certain before the handler runs.
fn decided_failure(job: &JobRecord) -> Option<Failure> {
    if let Some(reason) = &job.deferred_failure {
        return Some(Failure::new(reason));
    }
    let problem = job.unreadable()?;
    Some(Failure::new(format_args!(
        "cannot read the job: field `{}` {}",
        problem.field, problem.reason
    )))
}
