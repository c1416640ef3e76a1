//! What surrounds every page, and how a page becomes an answer.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use super::assets::Addresses;
use crate::app::App;

/// The parameters of a query by name; of one that is there twice the last counts.
pub(super) type Parameters = BTreeMap<String, String>;

/// How often the script asks for a page again, in ms. All readers of the overview share one read of the store.
pub(super) const REFRESH_MS: u32 = 3_000;
/// How often a page that could not be shown is asked for again, in s, by browsers without script.
const RELOAD_SECONDS: u32 = 5;

/// The head, header and footer of a page.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// In the browser's tab.
    pub(super) title: String,
    /// What the page loads.
    pub(super) assets: Addresses,
    /// Oxherd's version.
    pub(super) version: &'static str,
    /// Whether there is a session that can be ended.
    pub(super) can_sign_out: bool,
    /// What was just done.
    pub(super) done: Option<&'static str>,
    /// How often the script asks for the page again, in ms.
    pub(super) refresh_ms: Option<u32>,
    /// Events after which the script asks for the page again.
    pub(super) events: Option<String>,
    /// How soon browsers without script load the page again, in s.
    pub(super) reload_seconds: Option<u32>,
    /// One sentence that changes when something of note does; the script reads it out.
    pub(super) summary: String,
}

impl Frame {
    /// The frame of a page that does not change by itself.
    pub(super) fn new(app: &App, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            assets: Addresses::new(),
            version: env!("CARGO_PKG_VERSION"),
            can_sign_out: app.auth.needs_token(),
            done: None,
            refresh_ms: None,
            events: None,
            reload_seconds: None,
            summary: String::new(),
        }
    }

    /// The same around what the script keeps up to date.
    pub(super) fn live(mut self, summary: impl Into<String>) -> Self {
        self.refresh_ms = Some(REFRESH_MS);
        self.summary = summary.into();
        self
    }

    /// Makes it the frame of a page that is worth asking for again soon, with or without script.
    pub(super) fn ask_again(&mut self, summary: impl Into<String>) {
        self.refresh_ms = Some(REFRESH_MS);
        self.reload_seconds = Some(RELOAD_SECONDS);
        self.summary = summary.into();
    }

    /// The same with what was just done. The query holds a word out of a fixed list and never a text, or a link could
    /// put any sentence on our page.
    pub(super) fn after(mut self, parameters: &Parameters) -> Self {
        self.done = match parameters.get("done").map(String::as_str) {
            Some("retried") => Some("The job is back in line."),
            Some("promoted") => Some("The job is no longer held back."),
            Some("removed") => Some("The job was removed."),
            Some("paused") => Some("The queue is paused: workers take no more jobs."),
            Some("resumed") => Some("The queue goes on: workers take jobs again."),
            _ => None,
        };
        self
    }

    /// The same without a way out, for whoever is not in.
    pub(super) fn outside(mut self) -> Self {
        self.can_sign_out = false;
        self
    }
}

/// A page as an answer.
pub(super) fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be rendered\n").into_response()
        }
    }
}
