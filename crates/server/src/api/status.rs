//! Everything at a glance.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::extract::Parameters;
use crate::app::App;
use crate::problem::Problem;

/// `GET /api/v1/status`: 200 also while the store is away; `store.connected` tells.
pub(super) async fn show(State(app): State<App>, parameters: Parameters) -> Result<Response, Problem> {
    parameters.only(&[])?;
    Ok(Json(app.view.status().await.as_ref()).into_response())
}
