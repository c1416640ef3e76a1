//! What probes ask: is the process alive, and should it get work.
//!
//! Liveness never asks the store: a store that is away must not make an orchestrator restart everything. Readiness
//! asks the store and the workers, and turns to 503 as soon as the server begins to stop. A store whose disk failed
//! answers and takes nothing: that is not ready either.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::Serialize;
use serde_json::json;

use super::extract::Parameters;
use crate::app::App;
use crate::problem::Problem;

/// One thing that must be right.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

/// `GET /health/live`: `alive`, or JSON with `?verbose`.
pub(super) async fn live(parameters: Parameters) -> Result<Response, Problem> {
    if parameters.flag("verbose")? {
        return Ok(Json(json!({"alive": true, "version": env!("CARGO_PKG_VERSION")})).into_response());
    }
    Ok("alive\n".into_response())
}

/// `GET /health/ready`: 200 `ready` or 503 `not ready: …`; with `?verbose` JSON with every check.
pub(super) async fn ready(State(app): State<App>, parameters: Parameters) -> Result<Response, Problem> {
    let verbose = parameters.flag("verbose")?;
    let checks = checks(&app).await;
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{} ({})", check.name, check.detail))
        .collect();
    let is_ready = failed.is_empty();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let no_store = [(CACHE_CONTROL, "no-store")];
    if verbose {
        return Ok((
            status,
            no_store,
            Json(json!({"ready": is_ready, "checks": checks})),
        )
            .into_response());
    }
    let text = if is_ready {
        "ready\n".to_owned()
    } else {
        format!("not ready: {}\n", failed.join(", "))
    };
    Ok((status, no_store, text).into_response())
}

async fn checks(app: &App) -> Vec<Check> {
    let health = app.view.store().health().await;
    let store = Check {
        name: "store".to_owned(),
        ok: health.round_trip.is_some() && health.writes_refused.is_none(),
        detail: match (health.round_trip, health.writes_refused) {
            (Some(_), Some(reason)) => format!("{} refuses writes: {reason}", health.store),
            (Some(took), None) => format!(
                "{} answers in {:.1} ms",
                health.store,
                took.as_secs_f64() * 1000.0
            ),
            (None, _) => format!(
                "{} does not answer: {}",
                health.store,
                health.problem.unwrap_or_default()
            ),
        },
    };
    let is_draining = app.is_draining();
    let accepting = Check {
        name: "accepting".to_owned(),
        ok: !is_draining,
        detail: if is_draining {
            "the server is stopping"
        } else {
            "takes requests"
        }
        .to_owned(),
    };
    let workers = app.view.workers().status().into_iter().map(|worker| Check {
        name: format!("worker {}", worker.queue),
        ok: worker.is_listening && (worker.is_taking || is_draining),
        detail: worker
            .trouble
            .unwrap_or_else(|| format!("runs {} of {} jobs", worker.running, worker.concurrency)),
    });
    [store, accepting].into_iter().chain(workers).collect()
}
