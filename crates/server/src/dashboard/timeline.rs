//! What happened to a job, in order, and what comes next.

use std::time::Duration;

use oxherd::{JobState, Timestamp};

use super::moment::Moment;
use super::{queue, words};
use crate::view::JobDetail;

/// One step.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Whose shape stands beside it.
    pub(super) state: JobState,
    pub(super) label: &'static str,
    pub(super) moment: Option<Moment>,
    pub(super) note: String,
}

impl Step {
    fn new(state: JobState, label: &'static str, moment: Option<Moment>, note: impl Into<String>) -> Self {
        Self {
            state,
            label,
            moment,
            note: note.into(),
        }
    }
}

/// The steps of a job so far. Only the latest attempt has times: the store keeps no others.
pub(super) fn of(job: &JobDetail, now: Timestamp) -> Vec<Step> {
    let summary = &job.summary;
    let at = |timestamp: Timestamp| Some(Moment::new(timestamp, now));
    let mut steps = vec![added(job, now)];
    if let Some(started) = summary.processed_on {
        let note = match summary.state {
            JobState::Active => format!("running for {}", words::length(now.since(started))),
            _ => waited(job, started),
        };
        steps.push(Step::new(JobState::Active, "Started", at(started), note));
    }
    if let (JobState::Completed | JobState::Failed, Some(finished)) = (summary.state, summary.finished_on) {
        let label = match summary.state {
            JobState::Completed => "Completed",
            _ => "Failed for good",
        };
        let ran = summary.processed_on.map_or(String::new(), |started| {
            format!("ran for {}", words::length(finished.since(started)))
        });
        steps.push(Step::new(summary.state, label, at(finished), ran));
    }
    steps.extend(next(job, now));
    steps
}

fn added(job: &JobDetail, now: Timestamp) -> Step {
    let (at, delay) = (job.summary.timestamp, job.summary.delay);
    if at.as_millis() == 0 {
        return Step::new(JobState::Waiting, "Added", None, "nobody knows when");
    }
    // The delay of a job that was tried is the wait between its attempts.
    let is_first = delay > 0 && job.summary.attempts_made == 0;
    let held_back = if is_first {
        format!("held back for {}", length(delay))
    } else {
        String::new()
    };
    Step::new(JobState::Waiting, "Added", Some(Moment::new(at, now)), held_back)
}

/// How long the job was in line. Told of a first attempt only: later ones waited for something else, too.
fn waited(job: &JobDetail, started: Timestamp) -> String {
    match job.attempts_started {
        0 | 1 if job.stacktrace.is_empty() && job.summary.timestamp.as_millis() > 0 => {
            let delay = Duration::from_millis(job.summary.delay);
            let ready = job.summary.timestamp.after(delay);
            format!("waited {}", words::length(started.since(ready)))
        }
        0 | 1 => String::new(),
        attempt => format!("attempt {attempt}"),
    }
}

/// What a job that has not finished is waiting for.
fn next(job: &JobDetail, now: Timestamp) -> Option<Step> {
    let summary = &job.summary;
    let state = summary.state;
    let (label, note) = match state {
        JobState::Waiting => ("Waiting", "for a worker to take it".to_owned()),
        JobState::Prioritized => {
            let priority = words::count(u64::from(summary.priority));
            ("Prioritized", format!("for a worker, with priority {priority}"))
        }
        JobState::Delayed => match queue::due(summary).filter(|due| *due > now) {
            Some(due) => return Some(Step::new(state, "Due", Some(Moment::new(due, now)), "")),
            None => ("Delayed", format!("held back for {}", length(summary.delay))),
        },
        JobState::Active if job.locked_for_ms.is_none() => (
            "Without a worker",
            "its lock has run out; another worker will take it".to_owned(),
        ),
        JobState::WaitingChildren => ("Waiting for its children", String::new()),
        JobState::Unknown => ("In no list", "another program interfered".to_owned()),
        _ => return None,
    };
    Some(Step::new(state, label, None, note))
}

fn length(milliseconds: u64) -> String {
    words::length(Duration::from_millis(milliseconds))
}
