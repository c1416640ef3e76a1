//! One job with everything known of it.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::StatusCode;
use oxherd::JobState;

use super::attempts::Attempt;
use super::failure::Failure;
use super::frame::{Frame, Parameters, render};
use super::log::Log;
use super::moment::now;
use super::progress::Progress;
use super::queue::no_such_job;
use super::timeline::Step;
use super::{address, attempts, log, queue, state, timeline, words};
use crate::app::App;
use crate::view::{JobDetail, LogPage, Shown};

#[derive(Debug, Template)]
#[template(path = "job/show.html")]
struct Page {
    frame: Frame,
    job: JobDetail,
    queue: String,
    queue_address: String,
    list_address: String,
    address: String,
    word: &'static str,
    steps: Vec<Step>,
    facts: Vec<Fact>,
    failures: Vec<Attempt>,
    progress: Option<Progress>,
    data: Block,
    options: Block,
    result: Option<Block>,
    log: Option<Log>,
    actions: Actions,
}

/// Something small worth knowing.
#[derive(Debug)]
struct Fact {
    label: &'static str,
    value: String,
}

/// A piece of JSON.
#[derive(Debug)]
struct Block {
    text: String,
    /// How large it is, and what of it is not shown.
    note: String,
    has_masked: bool,
}

/// What can be done with the job as it is.
#[derive(Debug)]
struct Actions {
    /// What running it again is called, if it can be.
    retry: Option<&'static str>,
    /// Whether its attempts are used up, so that counting anew makes a difference.
    offers_reset: bool,
    promote: bool,
    remove: bool,
}

/// `GET /queues/{queue}/jobs/{id}`; `?logs=200` begins the log at that row, without it the end is shown.
pub(super) async fn show(
    State(app): State<App>,
    Path((queue, id)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Failure> {
    let tried = format!("show job {id:?} of queue {queue:?}");
    let trying = |error| Failure::trying(&app, &tried, error).of_page();
    let elsewhere = |failure: Failure| failure.with_way(address::queue(&queue), format!("Queue {queue}"));
    let Some(job) = app.view.job(&queue, &id).await.map_err(trying)? else {
        return Err(elsewhere(Failure::new(&app, &no_such_job(&queue, &id))));
    };
    let log = match log::first_row(&parameters, job.log_rows) {
        Ok(Some(first)) => app
            .view
            .logs(&queue, &id, first, log::ROWS)
            .await
            .map_err(trying)?,
        Ok(None) => None,
        Err(problem) => return Err(elsewhere(Failure::new(&app, &problem))),
    };
    let frame = Frame::new(&app, format!("{} {id} · {queue}", job.summary.name)).after(&parameters);
    Ok(render(StatusCode::OK, &Page::new(frame, job, log)))
}

impl Page {
    fn new(frame: Frame, job: JobDetail, log: Option<LogPage>) -> Self {
        let (queue, id) = (job.queue.to_string(), job.summary.id.clone());
        let word = state::word(job.summary.state);
        let address = address::job(&queue, &id);
        let mut frame = frame.live(format!("Job {id}: {word}"));
        if !job.summary.state.is_finished() {
            frame.events = Some(address::job_events(&queue, &id));
        }
        let now = now();
        Self {
            frame,
            queue_address: address::queue(&queue),
            list_address: address::jobs(&queue, job.summary.state, 1),
            word,
            steps: timeline::of(&job, now),
            facts: facts(&job),
            failures: attempts::of(&job),
            progress: job.summary.progress.as_ref().map(Progress::new),
            data: Block::new(&job.summary.data, Some(job.summary.data_bytes)),
            options: Block::new(&job.opts, None),
            result: job.returnvalue.as_ref().map(|value| Block::new(value, None)),
            log: log.map(|page| Log::new(page, &address)),
            actions: Actions::new(&job),
            address,
            queue,
            job,
        }
    }
}

impl Block {
    fn new(shown: &Shown, bytes: Option<usize>) -> Self {
        let size = bytes.map(words::size);
        let note = match (shown.is_cut(), size) {
            (true, Some(size)) => format!("the beginning of {size}"),
            (true, None) => "the beginning".to_owned(),
            (false, Some(size)) => size,
            (false, None) => String::new(),
        };
        Self {
            text: shown.pretty().into_owned(),
            note,
            has_masked: shown.text().contains("\"***\""),
        }
    }
}

impl Actions {
    fn new(job: &JobDetail) -> Self {
        let summary = &job.summary;
        Self {
            retry: match summary.state {
                JobState::Failed => Some("Retry"),
                JobState::Completed => Some("Run again"),
                _ => None,
            },
            offers_reset: summary.attempts_allowed > 1 && summary.attempts_made > 0,
            promote: summary.state == JobState::Delayed,
            remove: summary.state != JobState::Active || job.locked_for_ms.is_none(),
        }
    }
}

fn facts(job: &JobDetail) -> Vec<Fact> {
    let summary = &job.summary;
    let number = |number: u32| words::count(u64::from(number));
    let is_active = summary.state == JobState::Active;
    let accounted_for = summary.attempts_made.saturating_add(u32::from(is_active));
    // An attempt that began and never ended was lost with its worker.
    let has_lost = job.attempts_started > accounted_for;
    let lock = job.locked_for_ms.map(Duration::from_millis).map(words::length);
    let candidates = [
        (
            if is_active { "Attempt" } else { "Attempts" },
            Some(queue::attempts(summary)),
        ),
        ("Attempts begun", has_lost.then(|| number(job.attempts_started))),
        (
            "Worker lost",
            (job.stalled_counter > 0).then(|| format!("{} times", number(job.stalled_counter))),
        ),
        (
            "Priority",
            (summary.priority > 0).then(|| number(summary.priority)),
        ),
        ("Worker", summary.processed_by.clone()),
        ("Lock holds", lock),
        ("Parent", job.parent_key.clone()),
        ("Scheduler", job.repeat_job_key.clone()),
        ("Deduplication", job.deduplication_id.clone()),
    ];
    let known = candidates.into_iter();
    known
        .filter_map(|(label, value)| Some(Fact { label, value: value? }))
        .collect()
}
