//! `GET …/jobs/{id}/events`: what happens to one job, as server-sent events.
//!
//! First comes `state` with the whole job as it is, then `state`, `progress`, `log` and `stalled` as they happen, and
//! the stream ends after `state` completed or failed, or after `removed`. Rows of the log come before the end that
//! follows them. An event's id holds how far the queue's stream and the job's log were read; a client that comes back
//! with it as `Last-Event-ID` goes on there, and one that saw the end gets 204, which tells browsers to stay away.
//!
//! Log rows make no event in the queue's stream (BullMQ 6.7.0 has none), so the log is looked at with each event and
//! every half second. Next: `job_log.rs` (which rows are new).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use oxherd::{JobId, JobState, QueueEvent, QueueEvents};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Interval;

use super::extract::{At, Parameters};
use super::job::not_found;
use super::job_log::JobLog;
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::view::{JobDetail, Shown};

/// How often the log is looked at.
const LOG_POLL: Duration = Duration::from_millis(500);
/// After how long without any event of the queue the job itself is looked at: its stream may have been cut.
const SILENCE: Duration = Duration::from_secs(5);
/// Keeps proxies from closing a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const BUSY_RETRY: Duration = Duration::from_secs(5);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What stands for the position in a stream of which nothing was read yet.
const NOWHERE: &str = "-";
const END: &str = "end";

/// Where a client was.
#[derive(Debug, PartialEq, Eq)]
enum Resume {
    Fresh,
    After { position: Option<String>, rows: u64 },
    Ended,
}

/// A change of state, as the queue's stream tells it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    state: JobState,
    prev: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returnvalue: Option<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_reason: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Progress {
    progress: Shown,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    row: &'a str,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// One client that follows one job.
struct Follower {
    app: App,
    queue_name: String,
    id: JobId,
    events: QueueEvents,
    position: Option<String>,
    log: JobLog,
    last_state: Option<JobState>,
    last_heard: Instant,
    tick: Interval,
    unsent: VecDeque<Event>,
    has_ended: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn follow(
    State(app): State<App>,
    At((queue_name, id)): At<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let resume = resume_from(&headers);
    if resume == Resume::Ended {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::TooManyStreams,
            "as many event streams as allowed are open; poll the job instead",
        )
        .retry_after(BUSY_RETRY)
    })?;
    let queue = app.view.queue(&queue_name)?;
    let (position, rows) = match &resume {
        Resume::After { position, rows } => (position.clone(), *rows),
        Resume::Fresh | Resume::Ended => (None, 0),
    };
    // Listen first, then look: what happens in between is heard.
    let events = queue.events(position.as_deref()).await?;
    let job = app
        .view
        .job(&queue_name, &id)
        .await?
        .ok_or_else(|| not_found(&queue_name, &id))?;
    let mut follower = Follower {
        app,
        log: JobLog::after(queue, &job, rows),
        id: JobId::existing(id),
        queue_name,
        events,
        last_state: None,
        last_heard: Instant::now(),
        tick: tokio::time::interval_at((Instant::now() + LOG_POLL).into(), LOG_POLL),
        unsent: VecDeque::new(),
        has_ended: false,
        _permit: permit,
        // Whoever has a position hears what came since; the state as it is now would come before that.
        position: position.clone(),
    };
    follower
        .tick
        .set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    if position.is_none() || job.summary.state.is_finished() {
        follower.look_at(Some(job)).await;
    }
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let mut response = Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // nginx would hold events back until a buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.unsent.pop_front() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            tokio::select! {
                // An event that is there comes before the rows that followed it.
                biased;
                () = self.app.draining() => return None,
                event = self.events.next() => self.on_event(event?).await,
                _ = self.tick.tick() => self.on_tick().await,
            }
        }
    }

    async fn on_event(&mut self, event: QueueEvent) {
        self.last_heard = Instant::now();
        self.position = Some(event.id);
        if event.job_id.as_ref() != Some(&self.id) {
            return;
        }
        let text = |name: &str| event.fields.get(name).map(String::as_str);
        match event.event.as_str() {
            "progress" => {
                let progress = self.app.view.show(text("data").unwrap_or("null"));
                self.push("progress", &Progress { progress });
            }
            "stalled" => self.push("stalled", &Nothing {}),
            "removed" => self.end("removed", &Nothing {}),
            name => {
                // Others tell nothing of the job's state: `added`, `duplicated`, `retries-exhausted`, ...
                let Ok(state) = name.parse::<JobState>() else {
                    return;
                };
                let change = Change {
                    state,
                    prev: text("prev"),
                    returnvalue: text("returnvalue").map(|value| self.app.view.show(value)),
                    failed_reason: text("failedReason"),
                };
                // What it writes while it is active comes after that, and before whatever ends that.
                if state != JobState::Active {
                    self.push_rows().await;
                }
                self.push_state(state, &change);
                if state == JobState::Active {
                    self.push_rows().await;
                }
            }
        }
    }

    async fn on_tick(&mut self) {
        if self.last_heard.elapsed() < SILENCE {
            return self.push_rows().await;
        }
        self.last_heard = Instant::now();
        // A store that is away for a moment is no end; the next look comes soon.
        if let Ok(job) = self.app.view.job(&self.queue_name, self.id.as_str()).await {
            self.look_at(job).await;
        }
    }

    /// Tells of the job as it is now, if that is news.
    async fn look_at(&mut self, job: Option<JobDetail>) {
        self.push_rows().await;
        let Some(job) = job else {
            return self.end("removed", &Nothing {});
        };
        let state = job.summary.state;
        if self.last_state != Some(state) {
            self.push_state(state, &job);
        }
    }

    async fn push_rows(&mut self) {
        loop {
            let rows = self.log.untold().await;
            if rows.is_empty() {
                return;
            }
            for row in rows {
                self.log.tell(row.clone());
                self.push("log", &Row { row: &row });
            }
        }
    }

    fn push_state(&mut self, state: JobState, told: &impl Serialize) {
        self.last_state = Some(state);
        if state.is_finished() {
            self.end("state", told);
        } else {
            self.push("state", told);
        }
    }

    fn push(&mut self, name: &str, told: &impl Serialize) {
        let position = self.position.as_deref().unwrap_or(NOWHERE);
        let id = format!("{position}/{}", self.log.told());
        self.send(name, id, told);
    }

    fn end(&mut self, name: &str, told: &impl Serialize) {
        if !self.has_ended {
            self.has_ended = true;
            self.send(name, END.to_owned(), told);
        }
    }

    fn send(&mut self, name: &str, id: String, told: &impl Serialize) {
        match serde_json::to_string(told) {
            Ok(json) => self
                .unsent
                .push_back(Event::default().event(name).id(id).data(json)),
            Err(error) => tracing::warn!(job = %self.id, %error, "an event cannot become JSON"),
        }
    }
}

fn resume_from(headers: &HeaderMap) -> Resume {
    let Some(id) = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()) else {
        return Resume::Fresh;
    };
    if id == END {
        return Resume::Ended;
    }
    let Some((position, rows)) = id.split_once('/') else {
        return Resume::Fresh;
    };
    let is_number =
        |text: &str| !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_entry = position
        .split_once('-')
        .is_some_and(|(ms, n)| is_number(ms) && is_number(n));
    match rows.parse() {
        Ok(rows) if is_entry => Resume::After {
            position: Some(position.to_owned()),
            rows,
        },
        Ok(rows) if position == NOWHERE => Resume::After { position: None, rows },
        _ => Resume::Fresh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resume(id: &str) -> Resume {
        let mut headers = HeaderMap::new();
        headers.insert(LAST_EVENT_ID, id.parse().unwrap());
        resume_from(&headers)
    }

    #[test]
    fn a_client_goes_on_where_it_was() {
        assert_eq!(resume_from(&HeaderMap::new()), Resume::Fresh);
        let position = Some("1700000000000-3".to_owned());
        assert_eq!(resume("1700000000000-3/7"), Resume::After { position, rows: 7 });
        assert_eq!(
            resume("-/2"),
            Resume::After {
                position: None,
                rows: 2
            }
        );
        assert_eq!(resume("end"), Resume::Ended);
        for nonsense in ["7", "$/1", "1-1/x", "1-/1", "0-0 STREAMS/1"] {
            assert_eq!(resume(nonsense), Resume::Fresh, "{nonsense}");
        }
    }
}
