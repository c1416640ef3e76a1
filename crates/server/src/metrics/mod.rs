//! `GET /metrics` for Prometheus.
//!
//! Two kinds meet here. What the store holds (jobs by state, ages) and what workers are doing is read when somebody
//! asks, so there are no stale series. What happened in this process (jobs added through it, jobs its workers ended,
//! how long they waited and ran) is counted as it happens and starts at zero with the process.
//! No label ever holds a job's id or name, and there is an end to the number of queues.
//! What the caches of all processes counted is what they report to the
//! store, so each server tells the same; it goes down when a process ends, which Prometheus takes for a restart.
//! Next: `counted.rs` (what happened), `scraped.rs` (what is), `cache.rs` (caches).

mod cache;
mod counted;
mod scraped;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};

use crate::app::App;
use crate::problem::{Kind, Problem};

pub use counted::Metrics;

/// What every name starts with.
const PREFIX: &str = "oxherd";
/// Queues with series of their own.
const MOST_QUEUES: usize = 500;
/// The format that `prometheus-client` writes.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Which queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabel {
    queue: String,
}

/// The route.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(app): State<App>) -> Result<Response, Problem> {
    let status = app.view.status().await;
    let scraped = scraped::registry(&status);
    let mut text = String::new();
    app.metrics
        .encode(&mut text)
        .and_then(|()| encode_registry(&mut text, &scraped))
        .and_then(|()| encode_eof(&mut text))
        .map_err(|error| {
            Problem::new(
                Kind::StoreFault,
                format!("the metrics cannot be written: {error}"),
            )
        })?;
    Ok(([(CONTENT_TYPE, FORMAT)], text).into_response())
}
