//! A page that could not be shown, or a change that was not made: what was tried, why it failed, what to do.
//!
//! The status and the sentence come from the one table in `crate::problem`. While the store is away the page asks for
//! itself again, but only when it was asked for by GET: a form is never sent twice.

use std::error::Error as _;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::RETRY_AFTER;
use oxherd::Error;

use super::frame::{Frame, render};
use crate::app::App;
use crate::problem::{Kind, Problem};

/// A way out.
#[derive(Debug)]
struct Way {
    address: String,
    text: String,
}

/// Why there is something else to see than what was asked for.
#[derive(Debug)]
pub(super) struct Failure {
    page: Box<Page>,
}

#[derive(Debug, Template)]
#[template(path = "problem/show.html")]
struct Page {
    frame: Frame,
    kind: Kind,
    heading: &'static str,
    detail: String,
    tried: Option<String>,
    cause: Option<String>,
    store: Option<String>,
    /// Whether the server or its store failed, and not the request.
    is_ours: bool,
    ways: Vec<Way>,
}

impl Failure {
    /// From what went wrong with a request that made no sense or named what is not there.
    pub(super) fn new(app: &App, problem: &Problem) -> Self {
        let heading = heading(problem.kind());
        let page = Page {
            frame: Frame::new(app, heading),
            kind: problem.kind(),
            heading,
            detail: sentence(problem.detail()),
            tried: None,
            cause: None,
            store: None,
            is_ours: problem.kind().status().is_server_error(),
            ways: vec![Way {
                address: "/".to_owned(),
                text: "All queues".to_owned(),
            }],
        };
        Self { page: Box::new(page) }
    }

    /// From the library's error and what was tried, as in `show queue "mail"`.
    pub(super) fn trying(app: &App, tried: impl Into<String>, error: Error) -> Self {
        let source = error.source().map(ToString::to_string);
        let is_about_store = error.is_store_unavailable() || matches!(error, Error::Store { .. });
        let problem = Problem::from(error);
        let mut failure = Self::new(app, &problem);
        // Some messages end with their cause already.
        failure.page.cause = source.filter(|cause| !problem.detail().contains(cause.as_str()));
        failure.page.tried = Some(tried.into());
        if failure.page.kind == Kind::StoreUnavailable {
            // The heading has said so.
            failure.page.detail.clear();
        }
        failure.page.store = is_about_store.then(|| app.view.store().name().to_owned());
        failure
    }

    /// The same with one more way out, which comes first.
    pub(super) fn with_way(mut self, address: String, text: impl Into<String>) -> Self {
        let text = text.into();
        self.page.ways.insert(0, Way { address, text });
        self
    }

    /// The same for a page that may come back by itself.
    pub(super) fn of_page(mut self) -> Self {
        if self.page.kind == Kind::StoreUnavailable {
            self.page.frame.ask_again(self.page.heading);
        }
        self
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let kind = self.page.kind;
        let mut response = render(kind.status(), &*self.page);
        if matches!(kind, Kind::StoreUnavailable | Kind::StoreRefusesWrites) {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

const fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::NoSuchQueue => "There is no such queue",
        Kind::NoSuchJob => "There is no such job",
        Kind::WrongState => "The job does not allow this now",
        Kind::InvalidRequest | Kind::InvalidJob => "This address makes no sense",
        Kind::StoreUnavailable => "The store does not answer",
        Kind::StoreRefusesWrites => "The store refuses writes",
        Kind::OutcomeUnknown => "It is not known whether this was done",
        _ => "Something went wrong",
    }
}

/// Messages of the library are parts of sentences.
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let mut sentence: String = letters
        .next()
        .map(|first| first.to_uppercase().to_string())
        .unwrap_or_default();
    sentence.push_str(letters.as_str());
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(
            sentence("cannot show job 7: the store does not answer"),
            "Cannot show job 7: the store does not answer."
        );
        assert_eq!(sentence("is it?"), "Is it?");
        assert_eq!(sentence(""), ".");
    }
}
