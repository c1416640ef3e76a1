//! All routes, and what surrounds every one of them.

use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode, Uri};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::problem::{Kind, Problem};
use crate::{api, auth, dashboard, metrics};

/// Every route of the server, ready to be served or mounted.
pub fn router(app: App) -> Router {
    Router::new()
        .merge(api::routes())
        .merge(api::health_routes())
        .merge(metrics::routes())
        .merge(dashboard::routes())
        .fallback(no_such_route)
        .layer(from_fn(explain_method_not_allowed))
        .layer(from_fn_with_state(app.clone(), auth::guard))
        .layer(SetResponseHeaderLayer::if_not_present(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn(note_request))
        .with_state(app)
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(
        Kind::NoSuchRoute,
        format!("there is nothing at {:.200}", uri.path()),
    )
}

/// axum's own answer is empty; it knows which methods there are.
async fn explain_method_not_allowed(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response.headers().get(ALLOW).cloned();
    let known = allowed
        .as_ref()
        .and_then(|allowed| allowed.to_str().ok())
        .unwrap_or("none");
    let detail = format!("{method} is not possible here; possible: {known}");
    let mut explained = Problem::new(Kind::MethodNotAllowed, detail).into_response();
    if let Some(allowed) = allowed {
        explained.headers_mut().insert(ALLOW, allowed);
    }
    explained
}

/// Queries, headers and bodies stay out of the log: they may hold secrets.
async fn note_request(request: Request, next: Next) -> Response {
    let (method, path, started) = (
        request.method().clone(),
        request.uri().path().to_owned(),
        Instant::now(),
    );
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    if response.status().is_server_error() {
        tracing::warn!(%method, path, status, ?took, "request failed");
    } else {
        tracing::debug!(%method, path, status, ?took, "request");
    }
    response
}
