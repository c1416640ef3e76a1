//! Signing in and out: the token is traded for a session cookie that scripts cannot read.
//!
//! `crate::auth` decides what a token or session is worth; here are only the page and the form.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::SET_COOKIE;

use super::address;
use super::frame::{Frame, Parameters, render};
use crate::app::App;

#[derive(Debug, Template)]
#[template(path = "session/new.html")]
struct Page {
    frame: Frame,
    next: String,
    was_wrong: bool,
}

impl Page {
    fn new(app: &App, parameters: &Parameters, was_wrong: bool) -> Self {
        Self {
            frame: Frame::new(app, "Sign in").outside(),
            next: next(parameters).to_owned(),
            was_wrong,
        }
    }
}

/// `GET /login?next=/queues/mail`.
pub(super) async fn form(State(app): State<App>, Query(parameters): Query<Parameters>) -> Response {
    if app.auth.needs_token() {
        render(StatusCode::OK, &Page::new(&app, &parameters, false))
    } else {
        Redirect::to(next(&parameters)).into_response()
    }
}

/// `POST /login` with `token` and `next`: 303 with the session's cookie, or 401 with the form again.
pub(super) async fn begin(State(app): State<App>, Form(fields): Form<Parameters>) -> Response {
    if !app.auth.needs_token() {
        return Redirect::to(next(&fields)).into_response();
    }
    // Tokens hold no spaces; those around it came from copying.
    let token = fields.get("token").map(|token| token.trim()).unwrap_or_default();
    match app.auth.issue_session(token) {
        Some(cookie) => ([(SET_COOKIE, cookie)], Redirect::to(next(&fields))).into_response(),
        None => render(StatusCode::UNAUTHORIZED, &Page::new(&app, &fields, true)),
    }
}

/// `POST /logout`.
pub(super) async fn end(State(app): State<App>) -> Response {
    ([(SET_COOKIE, app.auth.end_session())], Redirect::to("/login")).into_response()
}

fn next(parameters: &Parameters) -> &str {
    parameters.get("next").map_or("/", |wanted| address::own(wanted))
}
