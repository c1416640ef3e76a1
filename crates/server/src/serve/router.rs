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
use crate::problem::{Cause, Kind, Problem};
use crate::{api, auth, dashboard, metrics};

/// Every route of the server, ready to be served or mounted.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .merge(api::routes())
        .merge(api::health_routes())
        .merge(metrics::routes())
        .merge(dashboard::routes())
        .fallback(no_such_route)
        .with_state(app.clone());
    // A layer on the routes themselves would run before axum says which methods there are.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn(explain_method_not_allowed))
        .layer(from_fn_with_state(app, auth::guard))
        .layer(SetResponseHeaderLayer::if_not_present(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(from_fn(note_request))
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
        .unwrap_or_default();
    let known: Vec<&str> = known.split(',').map(str::trim).collect();
    let detail = format!("{method} is not possible here; possible: {}", known.join(", "));
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
    // Probes come every few seconds, and whoever sends them reads their answer.
    let is_probe = path.starts_with("/health/");
    if response.status().is_server_error() && !is_probe {
        let cause = response.extensions().get::<Cause>();
        let cause = cause.map_or("", |cause| cause.0.as_str());
        tracing::warn!(%method, path, status, ?took, cause, "request failed");
    } else {
        tracing::debug!(%method, path, status, ?took, "request");
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_failed_request_is_logged_with_its_cause_and_a_failed_probe_is_no_warning() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer({
                let log = log.clone();
                move || log.clone()
            })
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let failing = async || Problem::new(Kind::StoreFault, "the disk is full");
        let router = Router::new()
            .route("/health/ready", get(failing))
            .route("/other", get(failing))
            .layer(from_fn(note_request));
        for path in ["/health/ready", "/other"] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap();
        }
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(
            log.contains("WARN") && log.contains("cause=\"the disk is full\""),
            "{log}"
        );
    }
}
