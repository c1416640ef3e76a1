//! The dashboard: plain pages, rendered here, that need no script. Everything they show comes from the `view`.
//!
//! | route                                        | does                                                    |
//! |----------------------------------------------|---------------------------------------------------------|
//! | `GET  /`                                     | all queues                                              |
//! | `GET  /queues/{queue}?state=…&page=…`        | the jobs of a queue in one state; `?id=…` finds a job   |
//! | `POST /queues/{queue}/pause`, `…/resume`     | stops workers from taking jobs, lets them go on         |
//! | `GET  /queues/{queue}/jobs/{id}?logs=…`      | one job                                                 |
//! | `POST …/jobs/{id}/retry`, `/promote`, `/remove` | changes it                                           |
//! | `GET, POST /login`, `POST /logout`           | trades the token for a session                          |
//! | `GET  /assets/{name}`                        | style, script and icon                                  |
//!
//! Changes are forms sent by POST, answered with 303 to a page that says what was done. Forged forms are kept out by
//! the guard around all routes (`crate::auth`): a browser names the page's Origin with every form, another site's is
//! refused, and the session cookie is `SameSite=Strict`. A secret in each form would add nothing, since whoever can
//! read it is on our origin already, and a server that keeps no state has nowhere to remember it.
//! Pages may load only our own files, and nothing inline (`protect.rs`). askama escapes whatever a template writes.
//! Next: `overview.rs`, `queue.rs`, `job.rs` (the pages), `change.rs` (the forms), `frame.rs` (what surrounds a page).

mod address;
mod assets;
mod attempts;
mod change;
mod failure;
mod frame;
mod job;
mod log;
mod moment;
mod overview;
mod pager;
mod progress;
mod protect;
mod queue;
mod session;
mod state;
mod timeline;
mod words;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, post};

use crate::app::App;

/// All pages, and what they load.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/queues/{queue}", get(queue::show))
        .route("/queues/{queue}/pause", post(change::pause))
        .route("/queues/{queue}/resume", post(change::resume))
        .route("/queues/{queue}/jobs/{id}", get(job::show))
        .route("/queues/{queue}/jobs/{id}/retry", post(change::retry))
        .route("/queues/{queue}/jobs/{id}/promote", post(change::promote))
        .route("/queues/{queue}/jobs/{id}/remove", post(change::remove))
        .route("/login", get(session::form).post(session::begin))
        .route("/logout", post(session::end))
        .route("/assets/{name}", get(assets::show))
        .layer(map_response(protect::headers))
}
