//! Jobs: adding, listing, showing, retrying, removing.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::LOCATION;
use oxherd::{Added, JobId, JobState, Queue};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::extract::{At, JsonBody, Parameters};
use super::{LONGEST_PAGE, PAGE, job_path};
use crate::app::App;
use crate::intake::JobFault;
use crate::problem::{IndexedFault, Kind, Problem};
use crate::view::{JobDetail, JobList, LogPage};

/// Longer than every deadline below it; reached only when more jobs wait to be sent than the store takes.
const ADDING_TIME: Duration = Duration::from_secs(20);
/// Faulty jobs of one bulk request that are named.
const FAULTS_NAMED: usize = 100;

/// `POST /api/v1/queues/{queue}/jobs`: 202 with `{"id", "queue", "status_url"}`; 200 and `"duplicate": true` when a job
/// with this id was there already.
pub(super) async fn add(
    State(app): State<App>,
    At(queue): At<String>,
    parameters: Parameters,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let queue = app.view.queue(&queue)?;
    let job = app.intake.read(queue.name().as_str(), &body).map_err(problem)?;
    let adding = tokio::time::timeout(ADDING_TIME, queue.add_job(job));
    let added = adding.await.map_err(|_elapsed| {
        let detail = "the store takes jobs more slowly than they come; the job may have been added: give jobs an id \
                      (opts.jobId) to make adding safe to repeat";
        Problem::new(Kind::OutcomeUnknown, detail)
    })??;
    app.view.note_queue(queue.name());
    app.metrics.added(&queue, u64::from(!added.already_there));
    let path = job_path(queue.name().as_str(), added.id.as_str());
    let status = if added.already_there {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, [(LOCATION, path)], Json(receipt(&queue, &added))).into_response())
}

/// `POST /api/v1/queues/{queue}/jobs/bulk`: everything is checked before anything is added, and 400 names every job and
/// field at fault. Then each job has its own result, in order: 202 when all were taken, 207 when some were not.
pub(super) async fn add_many(
    State(app): State<App>,
    At(queue): At<String>,
    parameters: Parameters,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    parameters.only(&[])?;
    let queue = app.view.queue(&queue)?;
    let jobs: Vec<&RawValue> = serde_json::from_str(body.get())
        .map_err(|_| Problem::new(Kind::InvalidJob, "the body must be an array of jobs"))?;
    let (mut taken, mut faults) = (Vec::with_capacity(jobs.len()), Vec::new());
    for (index, job) in jobs.into_iter().enumerate() {
        match app.intake.read(queue.name().as_str(), job) {
            Ok(job) => taken.push(job),
            Err(fault) => faults.push((index, fault)),
        }
    }
    if !faults.is_empty() {
        return Err(bulk_problem(faults));
    }
    let results = queue.add_many(taken).await?;
    let mut receipts = Vec::with_capacity(results.len());
    let (mut added, mut refused, mut first_refusal) = (0, 0, None);
    for result in results {
        match result {
            Ok(done) => {
                added += u64::from(!done.already_there);
                receipts.push(json!(receipt(&queue, &done)));
            }
            Err(error) => {
                refused += 1;
                let problem = Problem::from(error);
                receipts.push(json!({"error": problem.to_json()}));
                first_refusal = first_refusal.or(Some(problem));
            }
        }
    }
    app.view.note_queue(queue.name());
    app.metrics.added(&queue, added);
    let status = match first_refusal {
        // Nothing was taken: one answer says it all.
        Some(problem) if refused == receipts.len() => return Err(problem),
        Some(_) => StatusCode::MULTI_STATUS,
        None => StatusCode::ACCEPTED,
    };
    Ok((
        status,
        Json(json!({"added": added, "refused": refused, "results": receipts})),
    )
        .into_response())
}

/// `GET /api/v1/queues/{queue}/jobs?state=waiting&offset=0&limit=50`.
pub(super) async fn list(
    State(app): State<App>,
    At(queue): At<String>,
    parameters: Parameters,
) -> Result<Json<JobList>, Problem> {
    let parameters = parameters.only(&["state", "offset", "limit"])?;
    let state: JobState =
        parameters
            .text("state")
            .unwrap_or("waiting")
            .parse()
            .map_err(|error: oxherd::UnknownState| {
                Problem::new(Kind::InvalidRequest, error.to_string()).about("state")
            })?;
    let offset = parameters.number("offset", 0, 0, u64::from(u32::MAX))?;
    let limit = parameters.number("limit", PAGE, 1, LONGEST_PAGE)?;
    Ok(Json(app.view.jobs(&queue, state, offset, limit).await?))
}

/// `GET /api/v1/queues/{queue}/jobs/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    At((queue, id)): At<(String, String)>,
    parameters: Parameters,
) -> Result<Json<JobDetail>, Problem> {
    parameters.only(&[])?;
    let job = app.view.job(&queue, &id).await?;
    job.map(Json).ok_or_else(|| not_found(&queue, &id))
}

/// `GET /api/v1/queues/{queue}/jobs/{id}/logs?offset=0&limit=50`, oldest first.
pub(super) async fn logs(
    State(app): State<App>,
    At((queue, id)): At<(String, String)>,
    parameters: Parameters,
) -> Result<Json<LogPage>, Problem> {
    let parameters = parameters.only(&["offset", "limit"])?;
    let offset = parameters.number("offset", 0, 0, u64::from(u32::MAX))?;
    let limit = parameters.number("limit", PAGE, 1, LONGEST_PAGE)?;
    let page = app.view.logs(&queue, &id, offset, limit).await?;
    page.map(Json).ok_or_else(|| not_found(&queue, &id))
}

/// `POST /api/v1/queues/{queue}/jobs/{id}/retry?reset_attempts=true`: 409 unless the job is completed or failed.
pub(super) async fn retry(
    State(app): State<App>,
    At((queue, id)): At<(String, String)>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let reset_attempts = parameters.only(&["reset_attempts"])?.flag("reset_attempts")?;
    existing(&app, &queue, &id)
        .await?
        .retry(&JobId::existing(&*id), reset_attempts)
        .await?;
    Ok(Json(
        json!({"id": id, "queue": queue, "status_url": job_path(&queue, &id)}),
    ))
}

/// `DELETE /api/v1/queues/{queue}/jobs/{id}`: says in which state it was; 409 while it is processed or has children.
pub(super) async fn remove(
    State(app): State<App>,
    At((queue, id)): At<(String, String)>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let state = existing(&app, &queue, &id)
        .await?
        .remove(&JobId::existing(&*id))
        .await?;
    Ok(Json(
        json!({"id": id, "queue": queue, "removed": true, "state": state}),
    ))
}

/// The queue, if it has this job.
async fn existing(app: &App, queue: &str, id: &str) -> Result<Queue, Problem> {
    let handle = app.view.queue(queue)?;
    if app.view.has_job(&handle, id).await? {
        Ok(handle)
    } else {
        Err(not_found(queue, id))
    }
}

/// That there is no such job.
pub(super) fn not_found(queue: &str, id: &str) -> Problem {
    let detail =
        format!("there is no job {id:?} in queue {queue:?}; it may have been removed after it finished");
    Problem::new(Kind::NoSuchJob, detail)
}

/// What whoever added a job is told.
#[derive(Debug, Serialize)]
struct Receipt<'a> {
    id: &'a str,
    queue: &'a str,
    status_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    duplicate: bool,
}

fn receipt<'a>(queue: &'a Queue, added: &'a Added) -> Receipt<'a> {
    let (queue, id) = (queue.name().as_str(), added.id.as_str());
    Receipt {
        id,
        queue,
        status_url: job_path(queue, id),
        duplicate: added.already_there,
    }
}

fn kind(fault: &JobFault) -> Kind {
    if fault.is_too_large {
        Kind::TooLarge
    } else {
        Kind::InvalidJob
    }
}

fn problem(fault: JobFault) -> Problem {
    let problem = Problem::new(kind(&fault), fault.to_string());
    if fault.field.is_empty() {
        problem
    } else {
        problem.about(fault.field)
    }
}

fn bulk_problem(faults: Vec<(usize, JobFault)>) -> Problem {
    let count = faults.len();
    let detail = faults
        .first()
        .map(|(index, fault)| format!("job {index}: {fault}"))
        .unwrap_or_default();
    let others = if count > 1 {
        format!(" (and {} more at fault)", count - 1)
    } else {
        String::new()
    };
    let errors = faults
        .into_iter()
        .take(FAULTS_NAMED)
        .map(|(index, fault)| IndexedFault {
            index,
            detail: fault.to_string(),
            field: fault.field,
        });
    Problem::new(Kind::InvalidJob, format!("{detail}{others}; nothing was added"))
        .with_errors(errors.collect())
}
