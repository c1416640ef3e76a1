//! One queue: how many jobs are in each state, and a page of those in one of them.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use oxherd::{JobState, Timestamp};

use super::failure::Failure;
use super::frame::{Frame, Parameters, render};
use super::moment::{Moment, now};
use super::pager::{PAGE, Pager, offset};
use super::progress::Progress;
use super::{address, state, words};
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::view::{JobList, JobSummary, QueueCounts, QueueStatus};

/// Which list is opened unless one is asked for: the first of these that is not empty.
const MOST_INTERESTING: [JobState; 7] = [
    JobState::Failed,
    JobState::Active,
    JobState::Waiting,
    JobState::Prioritized,
    JobState::Delayed,
    JobState::WaitingChildren,
    JobState::Completed,
];
/// Letters of a payload or reason in a row.
const ROW_LETTERS: usize = 240;

#[derive(Debug, Template)]
#[template(path = "queue/show.html")]
struct Page {
    frame: Frame,
    name: String,
    address: String,
    is_paused: bool,
    oldest: Option<String>,
    totals: Option<String>,
    tabs: Vec<Tab>,
    selected: JobState,
    word: &'static str,
    meaning: &'static str,
    when_it_appears: &'static str,
    time_heading: &'static str,
    rows: Vec<Row>,
    pager: Pager,
}

#[derive(Debug)]
struct Tab {
    state: JobState,
    word: &'static str,
    count: String,
    number: u64,
    address: String,
    is_selected: bool,
}

#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    address: String,
    priority: u32,
    attempts: String,
    moment: Option<Moment>,
    /// What stands in for a moment that nobody knows.
    otherwise: String,
    detail: String,
    is_reason: bool,
    progress: Option<String>,
    has_problems: bool,
}

/// `GET /queues/{queue}?state=failed&page=2`, or `?id=7` to go to a job.
pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Failure> {
    let tried = format!("show queue {name:?}");
    let trying = |error| Failure::trying(&app, &tried, error).of_page();
    if let Some(id) = parameters
        .get("id")
        .map(|id| id.trim())
        .filter(|id| !id.is_empty())
    {
        return find(&app, &name, id).await;
    }
    let status = app.view.queue_status(&name).await.map_err(trying)?;
    let status = status.ok_or_else(|| Failure::new(&app, &no_such_queue(&name)))?;
    let counts = status.counts.unwrap_or_default();
    let (selected, page) = asked_for(&parameters, &counts).map_err(|problem| {
        Failure::new(&app, &problem).with_way(address::queue(&name), format!("Queue {name}"))
    })?;
    let list = app
        .view
        .jobs(&name, selected, offset(page), PAGE)
        .await
        .map_err(trying)?;
    let frame = Frame::new(&app, format!("{name} · {}", state::word(selected))).after(&parameters);
    Ok(render(
        StatusCode::OK,
        &Page::new(frame, &status, &counts, &list, page),
    ))
}

async fn find(app: &App, queue: &str, id: &str) -> Result<Response, Failure> {
    let trying = |error| Failure::trying(app, format!("find job {id:?} in queue {queue:?}"), error).of_page();
    match app.view.job(queue, id).await.map_err(trying)? {
        Some(_found) => Ok(Redirect::to(&address::job(queue, id)).into_response()),
        None => Err(Failure::new(app, &no_such_job(queue, id))
            .with_way(address::queue(queue), format!("Queue {queue}"))),
    }
}

pub(super) fn no_such_queue(name: &str) -> Problem {
    let detail = format!("there is no queue {name:?}; a queue comes into being with its first job");
    Problem::new(Kind::NoSuchQueue, detail)
}

pub(super) fn no_such_job(queue: &str, id: &str) -> Problem {
    let detail =
        format!("there is no job {id:?} in queue {queue:?}; it may have been removed when it finished");
    Problem::new(Kind::NoSuchJob, detail)
}

/// The state and page of a query.
fn asked_for(parameters: &Parameters, counts: &QueueCounts) -> Result<(JobState, u64), Problem> {
    let selected = match parameters.get("state") {
        Some(text) => text
            .parse()
            .map_err(|error: oxherd::UnknownState| Problem::new(Kind::InvalidRequest, error.to_string()))?,
        None => most_interesting(counts),
    };
    let page = match parameters.get("page") {
        Some(text) => text.parse::<u32>().ok().filter(|page| *page > 0).ok_or_else(|| {
            let detail = format!(
                "`page` must be a whole number from 1 to {}, not {text:?}",
                u32::MAX
            );
            Problem::new(Kind::InvalidRequest, detail)
        })?,
        None => 1,
    };
    Ok((selected, u64::from(page)))
}

fn most_interesting(counts: &QueueCounts) -> JobState {
    let mut states = MOST_INTERESTING.into_iter();
    states
        .find(|state| counts.of(*state).is_some_and(|number| number > 0))
        .unwrap_or(JobState::Waiting)
}

impl Page {
    fn new(frame: Frame, status: &QueueStatus, counts: &QueueCounts, list: &JobList, page: u64) -> Self {
        let name = status.name.as_str();
        let (selected, now) = (list.state, now());
        let tabs = JobState::LISTED.into_iter().map(|state| {
            let number = counts.of(state).unwrap_or(0);
            Tab {
                state,
                word: state::word(state),
                count: words::count(number),
                number,
                address: address::jobs(name, state, 1),
                is_selected: state == selected,
            }
        });
        let shown = list.jobs.len() as u64;
        let totals = counts.completed_total.zip(counts.failed_total);
        Self {
            frame: frame.live(""),
            name: name.to_owned(),
            address: address::queue(name),
            is_paused: counts.paused,
            oldest: counts
                .oldest_waiting_age_ms
                .map(|age| words::length(Duration::from_millis(age))),
            totals: totals.map(|(completed, failed)| {
                let (completed, failed) = (words::count(completed), words::count(failed));
                format!("{completed} completed and {failed} failed since counting began")
            }),
            tabs: tabs.collect(),
            selected,
            word: state::word(selected),
            meaning: state::meaning(selected),
            when_it_appears: state::when_it_appears(selected),
            time_heading: state::time_heading(selected),
            rows: list.jobs.iter().map(|job| Row::new(name, job, now)).collect(),
            pager: Pager::new(page, shown, list.total, |page| {
                address::jobs(name, selected, page)
            }),
        }
    }

    /// What the list is called where it is read out.
    fn caption(&self) -> String {
        format!("{} jobs of queue {}, {}", self.word, self.name, self.pager.range)
    }
}

impl Row {
    fn new(queue: &str, job: &JobSummary, now: Timestamp) -> Self {
        let (moment, otherwise) = when(job, now);
        let reason = job
            .failed_reason
            .as_deref()
            .filter(|_| job.state == JobState::Failed);
        Self {
            id: job.id.clone(),
            name: job.name.clone(),
            address: address::job(queue, &job.id),
            priority: job.priority,
            attempts: attempts(job),
            moment,
            otherwise,
            detail: words::beginning(reason.unwrap_or(job.data.text()), ROW_LETTERS),
            is_reason: reason.is_some(),
            progress: job
                .progress
                .as_ref()
                .filter(|_| job.state == JobState::Active)
                .map(Progress::in_row),
            has_problems: !job.problems.is_empty(),
        }
    }
}

/// `2 of 3`: attempts that ended, and for an active job the one that runs.
pub(super) fn attempts(job: &JobSummary) -> String {
    let running = u32::from(job.state == JobState::Active);
    let current = u64::from(job.attempts_made.saturating_add(running));
    let allowed = u64::from(job.attempts_allowed);
    format!("{} of {}", words::count(current), words::count(allowed))
}

/// The time that matters in this state, or what stands in for it.
fn when(job: &JobSummary, now: Timestamp) -> (Option<Moment>, String) {
    let known = match job.state {
        JobState::Delayed => due(job).filter(|due| *due > now),
        JobState::Active => job.processed_on,
        JobState::Completed | JobState::Failed => job.finished_on,
        _ => Some(job.timestamp).filter(|at| at.as_millis() > 0),
    };
    let otherwise = match job.state {
        JobState::Delayed => format!("held back {}", words::length(Duration::from_millis(job.delay))),
        _ => "unknown".to_owned(),
    };
    (known.map(|at| Moment::new(at, now)), otherwise)
}

/// When a delayed job is due. Between attempts nobody but its place in line knows: the delay then counts from the end
/// of the latest attempt.
pub(super) fn due(job: &JobSummary) -> Option<Timestamp> {
    (job.attempts_made == 0).then(|| job.timestamp.after(Duration::from_millis(job.delay)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_list_that_opens_is_not_empty_if_any_is_not() {
        let counts = |failed, active, completed| QueueCounts {
            failed,
            active,
            completed,
            ..Default::default()
        };
        assert_eq!(most_interesting(&counts(1, 2, 3)), JobState::Failed);
        assert_eq!(most_interesting(&counts(0, 2, 3)), JobState::Active);
        assert_eq!(most_interesting(&counts(0, 0, 3)), JobState::Completed);
        assert_eq!(most_interesting(&counts(0, 0, 0)), JobState::Waiting);
    }

    #[test]
    fn a_query_that_makes_no_sense_is_refused_with_what_would() {
        let counts = QueueCounts::default();
        let asked = asked_for(&parameters(&[("state", "delayed"), ("page", "3")]), &counts);
        assert_eq!(asked.unwrap(), (JobState::Delayed, 3));
        let refused = |name: &str, value: &str| {
            let problem = asked_for(&parameters(&[(name, value)]), &counts).unwrap_err();
            problem.detail().to_owned()
        };
        assert!(refused("state", "lost").contains("waiting-children"));
        for page in ["0", "-1", "x", "", "4294967296"] {
            assert!(refused("page", page).contains("from 1"), "{page}");
        }
    }
}
