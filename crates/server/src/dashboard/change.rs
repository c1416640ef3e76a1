//! The forms: what changes a job or a queue.
//!
//! Each is answered with 303 to a page that says what was done, so that reloading repeats nothing. What was not done
//! is told on a page with the API's status and sentence.

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use oxherd::{JobId, Result};

use super::address;
use super::failure::Failure;
use super::frame::Parameters;
use crate::app::App;

type Answer = Result<Response, Failure>;

/// `POST …/retry`, with `reset_attempts=true` to count its attempts from 0.
pub(super) async fn retry(
    State(app): State<App>,
    Path((queue, id)): Path<(String, String)>,
    Form(fields): Form<Parameters>,
) -> Answer {
    let reset_attempts = fields.get("reset_attempts").is_some_and(|value| value == "true");
    let change = async {
        app.view
            .queue(&queue)?
            .retry(&JobId::existing(&*id), reset_attempts)
            .await
    };
    job_changed(&app, &queue, &id, "retry", change.await)?;
    Ok(done(&address::job(&queue, &id), "retried"))
}

/// `POST …/promote`.
pub(super) async fn promote(State(app): State<App>, Path((queue, id)): Path<(String, String)>) -> Answer {
    let change = async { app.view.queue(&queue)?.promote(&JobId::existing(&*id)).await };
    job_changed(&app, &queue, &id, "promote", change.await)?;
    Ok(done(&address::job(&queue, &id), "promoted"))
}

/// `POST …/remove`; leads to the list that the job was in.
pub(super) async fn remove(State(app): State<App>, Path((queue, id)): Path<(String, String)>) -> Answer {
    let change = async { app.view.queue(&queue)?.remove(&JobId::existing(&*id)).await };
    let state = job_changed(&app, &queue, &id, "remove", change.await)?;
    // A job in no list has none to go back to.
    let list = match oxherd::JobState::LISTED.contains(&state) {
        true => address::jobs(&queue, state, 1),
        false => address::queue(&queue),
    };
    Ok(done(&list, "removed"))
}

/// `POST …/pause`.
pub(super) async fn pause(State(app): State<App>, Path(queue): Path<String>) -> Answer {
    let change = async { app.view.queue(&queue)?.pause().await };
    queue_changed(&app, &queue, "pause", change.await)?;
    Ok(done(&address::queue(&queue), "paused"))
}

/// `POST …/resume`.
pub(super) async fn resume(State(app): State<App>, Path(queue): Path<String>) -> Answer {
    let change = async { app.view.queue(&queue)?.resume().await };
    queue_changed(&app, &queue, "resume", change.await)?;
    Ok(done(&address::queue(&queue), "resumed"))
}

fn job_changed<T>(app: &App, queue: &str, id: &str, verb: &str, outcome: Result<T>) -> Result<T, Failure> {
    outcome.map_err(|error| {
        Failure::trying(app, format!("{verb} job {id:?} of queue {queue:?}"), error)
            .with_way(address::queue(queue), format!("Queue {queue}"))
            .with_way(address::job(queue, id), format!("Job {id}"))
    })
}

fn queue_changed(app: &App, queue: &str, verb: &str, outcome: Result<()>) -> Result<(), Failure> {
    outcome.map_err(|error| {
        Failure::trying(app, format!("{verb} queue {queue:?}"), error)
            .with_way(address::queue(queue), format!("Queue {queue}"))
    })
}

fn done(page: &str, word: &str) -> Response {
    let joint = if page.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{page}{joint}done={word}")).into_response()
}
