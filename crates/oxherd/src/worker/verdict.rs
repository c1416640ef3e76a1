//! From the end of an attempt to what the store is told.

use std::time::Duration;

use redis::Cmd;

use super::claim::Claim;
use super::outcome::{Failure, Outcome, Reason, When};
use super::settings::Settings;
use crate::clock::{Timestamp, millis};
use crate::job::{Backoff, JobRecord, LONGEST_DELAY, Retention};

/// What becomes of a job that this worker held.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Completed {
        value: String,
        keep: Retention,
    },
    Failed {
        failure: Recorded,
        keep: Retention,
        attempts: u32,
    },
    Retry {
        failure: Recorded,
        lifo: bool,
    },
    Delay {
        when: When,
        failure: Option<Recorded>,
    },
    Release,
    RateLimit(Duration),
}

/// A failure as it is written down: the message, and the chains of all attempts as a JSON array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) reason: String,
    chains: String,
}

/// One job handed in.
#[derive(Clone, Debug)]
pub(super) struct HandIn {
    pub(super) claim: Claim,
    pub(super) verdict: Verdict,
}

impl Verdict {
    /// Decides from the handler's outcome, the job's options and the worker's settings.
    pub(super) fn of(ended: Outcome<String>, job: &JobRecord, settings: &Settings, now: Timestamp) -> Self {
        let (failure, after) = match ended.map_err(|stop| stop.0) {
            Ok(value) => {
                let keep = job
                    .options
                    .remove_on_complete
                    .unwrap_or(settings.remove_on_complete);
                return Self::Completed { value, keep };
            }
            Err(Reason::Fail(failure)) => return Self::failed(failure, job, settings),
            Err(Reason::DelayUntil(when)) => {
                let when = match when {
                    When::At(until) => When::At(until.min(now.after(LONGEST_DELAY))),
                    When::In(wait) => When::In(wait.min(LONGEST_DELAY)),
                };
                return Self::Delay { when, failure: None };
            }
            Err(Reason::RateLimited(wait)) => return Self::RateLimit(wait.min(LONGEST_DELAY)),
            Err(Reason::Retry { failure, after }) => (failure, after),
        };
        let attempt = job.attempts_made.saturating_add(1);
        if attempt >= job.options.attempts {
            return Self::failed(failure, job, settings);
        }
        let wait = match (after, &job.options.backoff) {
            (Some(after), _) => after,
            (None, None) => Duration::ZERO,
            (None, Some(Backoff::Custom { strategy, .. })) => {
                match settings.ask_strategy(strategy, attempt, &failure) {
                    Ok(Some(wait)) => wait,
                    Ok(None) => return Self::failed(failure, job, settings),
                    Err(problem) => {
                        let mut failure = failure;
                        failure.chain.push_str("\n    not tried again: ");
                        failure.chain.push_str(&problem);
                        return Self::failed(failure, job, settings);
                    }
                }
            }
            (None, Some(backoff)) => backoff.wait(attempt, rand::random()).unwrap_or_default(),
        };
        let failure = Recorded::new(failure, job);
        if wait.is_zero() {
            Self::Retry {
                failure,
                lifo: job.options.lifo == Some(true),
            }
        } else {
            Self::Delay {
                when: When::In(wait.min(LONGEST_DELAY)),
                failure: Some(failure),
            }
        }
    }

    /// Failed for good.
    pub(super) fn failed(failure: Failure, job: &JobRecord, settings: &Settings) -> Self {
        let keep = job.options.remove_on_fail.unwrap_or(settings.remove_on_fail);
        Self::Failed {
            failure: Recorded::new(failure, job),
            keep,
            attempts: job.options.attempts,
        }
    }
}

impl Recorded {
    fn new(failure: Failure, job: &JobRecord) -> Self {
        let limit = job
            .options
            .stack_trace_limit
            .map_or(usize::MAX, |limit| limit as usize);
        let earlier = job.stack_trace.iter().map(String::as_str);
        let chains: Vec<&str> = earlier.chain([failure.chain.as_str()]).collect();
        let kept = chains
            .get(chains.len().saturating_sub(limit)..)
            .unwrap_or_default();
        let chains = serde_json::Value::from(kept).to_string();
        Self {
            reason: failure.reason,
            chains,
        }
    }
}

impl Recorded {
    fn texts(&self) -> (&str, &str) {
        (&self.reason, &self.chains)
    }
}

impl HandIn {
    /// The eleven arguments of one job, as `worker/exchange` takes them.
    pub(super) fn write(&self, call: &mut Cmd) {
        call.arg(&*self.claim.id).arg(&*self.claim.token);
        let all = Retention::KeepAll;
        let (outcome, value, chains, keep, number, counts) = match &self.verdict {
            Verdict::Completed { value, keep } => ("completed", value.as_str(), "", *keep, 0, true),
            Verdict::Failed {
                failure,
                keep,
                attempts,
            } => (
                "failed",
                failure.reason.as_str(),
                failure.chains.as_str(),
                *keep,
                u64::from(*attempts),
                true,
            ),
            Verdict::Retry { failure, lifo } => (
                "retry",
                failure.reason.as_str(),
                failure.chains.as_str(),
                all,
                u64::from(*lifo),
                true,
            ),
            Verdict::Delay { when, failure } => {
                let (outcome, number) = match when {
                    When::At(due) => ("until", due.as_millis()),
                    When::In(wait) => ("delay", millis(*wait)),
                };
                let (reason, chains) = failure.as_ref().map_or(("", ""), Recorded::texts);
                (outcome, reason, chains, all, number, failure.is_some())
            }
            Verdict::Release => ("release", "", "", all, 0, false),
            Verdict::RateLimit(wait) => ("limit", "", "", all, millis(*wait).max(1), false),
        };
        let (count, age, limit) = keep.script_arguments();
        call.arg(outcome).arg(value).arg(chains).arg(count);
        match age {
            Some(age) => call.arg(age),
            None => call.arg(""),
        };
        call.arg(limit)
            .arg(number)
            .arg(u8::from(counts))
            .arg(self.claim.starts);
    }
}
