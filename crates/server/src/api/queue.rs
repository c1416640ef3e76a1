//! Queues: all of them, or one.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::extract::{At, Parameters};
use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::view::QueueStatus;

/// `GET /api/v1/queues`: `{"queues": [...]}`, by name.
pub(super) async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    Ok(Json(json!({"queues": app.view.queues().await?})))
}

/// `GET /api/v1/queues/{queue}`.
pub(super) async fn show(
    State(app): State<App>,
    At(queue): At<String>,
    parameters: Parameters,
) -> Result<Json<QueueStatus>, Problem> {
    parameters.only(&[])?;
    let status = app.view.queue_status(&queue).await?;
    status.map(Json).ok_or_else(|| {
        let detail = format!("there is no queue {queue:?}; a queue comes into being with its first job");
        Problem::new(Kind::NoSuchQueue, detail).about("queue")
    })
}
