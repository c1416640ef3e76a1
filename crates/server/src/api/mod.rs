//! The HTTP API under `/api/v1`: one file a noun, every error a problem (RFC 9457), every read through the view.
//!
//! | route                                        | does                                                    |
//! |----------------------------------------------|---------------------------------------------------------|
//! | `GET    /api/v1/status`                      | everything at a glance                                  |
//! | `GET    /api/v1/queues`                      | queues with counts                                      |
//! | `GET    /api/v1/queues/{queue}`              | one queue                                               |
//! | `POST   /api/v1/queues/{queue}/jobs`         | adds a job: 202, or 200 when its id was there already   |
//! | `POST   /api/v1/queues/{queue}/jobs/bulk`    | adds an array of jobs                                   |
//! | `GET    /api/v1/queues/{queue}/jobs`         | a page of jobs: `state`, `offset`, `limit`              |
//! | `GET    /api/v1/queues/{queue}/jobs/{id}`    | one job                                                 |
//! | `DELETE /api/v1/queues/{queue}/jobs/{id}`    | removes it                                              |
//! | `POST   …/jobs/{id}/retry`                   | runs it again: `reset_attempts=true` to count from 0    |
//! | `GET    …/jobs/{id}/logs`                    | a page of its log: `offset`, `limit`                    |
//! | `GET    …/jobs/{id}/events`                  | what happens to it, as server-sent events               |
//! | `GET    /api/v1/cache`                       | namespaces of the cache with what is counted            |
//! | `GET    /api/v1/cache/{namespace}`           | one namespace                                           |
//! | `GET    /api/v1/cache/{namespace}/entries/{key}` | one entry: `tenant`                                 |
//! | `GET    /api/v1/cache/{namespace}/top`       | the keys read most, and the largest: `limit`, `sample`  |
//! | `POST   /api/v1/cache/{namespace}/invalidate` | by key, tag, tenant, prefix, pattern, or all           |
//!
//! Next: `job.rs`, `job_events.rs`; `extract.rs` (reading requests); `crate::problem` (errors).

mod cache;
mod extract;
mod health;
mod job;
mod job_events;
mod job_log;
mod queue;
mod status;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;

/// The most entries of one page.
const LONGEST_PAGE: u64 = 1000;
/// The entries of one page unless told otherwise.
const PAGE: u64 = 50;

/// All routes under `/api`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/status", get(status::show))
        .route("/api/v1/queues", get(queue::list))
        .route("/api/v1/queues/{queue}", get(queue::show))
        .route("/api/v1/queues/{queue}/jobs", get(job::list).post(job::add))
        .route("/api/v1/queues/{queue}/jobs/bulk", post(job::add_many))
        .route(
            "/api/v1/queues/{queue}/jobs/{id}",
            delete(job::remove).get(job::show),
        )
        .route("/api/v1/queues/{queue}/jobs/{id}/retry", post(job::retry))
        .route("/api/v1/queues/{queue}/jobs/{id}/logs", get(job::logs))
        .route("/api/v1/queues/{queue}/jobs/{id}/events", get(job_events::follow))
        .route("/api/v1/cache", get(cache::list))
        .route("/api/v1/cache/{namespace}", get(cache::show))
        // Keys have slashes; they may come escaped or not.
        .route("/api/v1/cache/{namespace}/entries/{*key}", get(cache::entry))
        .route("/api/v1/cache/{namespace}/top", get(cache::top))
        .route("/api/v1/cache/{namespace}/invalidate", post(cache::invalidate))
}

/// The routes that probes ask.
pub(crate) fn health_routes() -> Router<App> {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
}

/// One segment of a path, with everything escaped that could end it.
fn segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~' | b':' | b'@') {
            escaped.push(char::from(byte));
        } else {
            // A full stop, too: clients resolve a segment of one or two of them.
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Where a job is found.
fn job_path(queue: &str, id: &str) -> String {
    format!("/api/v1/queues/{}/jobs/{}", segment(queue), segment(id))
}

#[cfg(test)]
mod tests {
    use super::job_path;

    #[test]
    fn names_of_any_form_fit_into_a_path() {
        assert_eq!(job_path("mail", "7"), "/api/v1/queues/mail/jobs/7");
        assert_eq!(
            job_path("a/b ü", "x?#%"),
            "/api/v1/queues/a%2Fb%20%C3%BC/jobs/x%3F%23%25"
        );
        assert_eq!(job_path("q", ".."), "/api/v1/queues/q/jobs/%2E%2E");
    }
}
