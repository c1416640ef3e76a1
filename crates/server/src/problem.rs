//! Errors as RFC 9457 problem JSON: one table of kinds, and one table from the library's errors to them.
//!
//! `type` is stable and meant for programs, `detail` is for people and names the field and the remedy. A `field` says
//! which part of the request is wrong; a bulk request has `errors`, each with `index`, `field` and `detail`.

use std::error::Error as _;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use oxherd::Error;
use serde::Serialize;

/// When to come back to a store that is away; it reconnects on its own within two seconds.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// The kinds of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A path, query or header that cannot be understood.
    InvalidRequest,
    /// A body that is no JSON.
    MalformedJson,
    /// A job with a field or option that cannot be.
    InvalidJob,
    /// No token, or another one.
    Unauthorized,
    /// A request that another site's page made.
    Forbidden,
    /// There is no such route.
    NoSuchRoute,
    /// There is no such queue.
    NoSuchQueue,
    /// There is no such job.
    NoSuchJob,
    /// There is no such namespace of the cache.
    NoSuchNamespace,
    /// There is no such entry in the cache.
    NoSuchEntry,
    /// The route knows other methods.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The job's state does not allow this.
    WrongState,
    /// The body, or a job's data, is larger than allowed.
    TooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The queue holds as many waiting jobs as it may.
    QueueFull,
    /// The store refused, or another program's keys are in the way.
    StoreFault,
    /// The store answered what this version does not understand.
    UnexpectedReply,
    /// The store does not answer.
    StoreUnavailable,
    /// The store answers, but takes no changes.
    StoreRefusesWrites,
    /// As many event streams as may be are open.
    TooManyStreams,
    /// The change may or may not have been made.
    OutcomeUnknown,
}

impl Kind {
    /// Status, name within `urn:oxherd:problem:`, and title.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "invalid request"),
            Self::MalformedJson => (StatusCode::BAD_REQUEST, "malformed-json", "malformed JSON"),
            Self::InvalidJob => (StatusCode::BAD_REQUEST, "invalid-job", "invalid job"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "token required"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "request from elsewhere"),
            Self::NoSuchRoute => (StatusCode::NOT_FOUND, "no-such-route", "no such route"),
            Self::NoSuchQueue => (StatusCode::NOT_FOUND, "no-such-queue", "no such queue"),
            Self::NoSuchJob => (StatusCode::NOT_FOUND, "no-such-job", "no such job"),
            Self::NoSuchNamespace => (
                StatusCode::NOT_FOUND,
                "no-such-namespace",
                "no such cache namespace",
            ),
            Self::NoSuchEntry => (StatusCode::NOT_FOUND, "no-such-entry", "no such cache entry"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "method not allowed",
            ),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "request too slow"),
            Self::WrongState => (StatusCode::CONFLICT, "wrong-state", "job is in another state"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "unsupported media type",
            ),
            Self::QueueFull => (StatusCode::TOO_MANY_REQUESTS, "queue-full", "queue full"),
            Self::StoreFault => (StatusCode::INTERNAL_SERVER_ERROR, "store-fault", "store refused"),
            Self::UnexpectedReply => (StatusCode::BAD_GATEWAY, "unexpected-reply", "unexpected reply"),
            Self::StoreUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unavailable",
                "store does not answer",
            ),
            Self::StoreRefusesWrites => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-refuses-writes",
                "store refuses writes",
            ),
            Self::TooManyStreams => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too-many-streams",
                "too many event streams",
            ),
            Self::OutcomeUnknown => (StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", "outcome unknown"),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }
}

/// One job of a bulk request that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IndexedFault {
    /// Its position, from 0.
    pub index: usize,
    /// The field.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// An answer that says what went wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    field: Option<String>,
    errors: Vec<IndexedFault>,
    retry_after: Option<Duration>,
}

/// An answer's detail, left in the extensions of answers that are the server's fault, for the log.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub(crate) String);

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [IndexedFault],
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem of this kind, said in a sentence.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// The same problem about a certain field.
    #[must_use]
    pub fn about(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same problem with the jobs of a bulk request that are at fault.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<IndexedFault>) -> Self {
        self.errors = errors;
        self
    }

    /// The same problem, worth trying again after this long.
    #[must_use]
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// As JSON, for one job's result within a bulk answer.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.body()).unwrap_or_default()
    }

    fn body(&self) -> Body<'_> {
        let (status, name, title) = self.kind.parts();
        Body {
            r#type: format!("urn:oxherd:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            field: self.field.as_deref(),
            errors: &self.errors,
            retry_after_seconds: self.retry_after.map(seconds),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self.body()).unwrap_or_default();
        let mut response = (self.kind.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        if self.kind == Kind::Unauthorized {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"oxherd\""),
            );
        }
        if self.kind.status().is_server_error() {
            response.extensions_mut().insert(Cause(self.detail));
        }
        response
    }
}

/// At least one: a client that is told 0 would come back at once.
fn seconds(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1000)
        .max(1)
        .try_into()
        .unwrap_or(u64::MAX)
}

/// The one table from the library's errors to answers.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        let problem = |kind| Self::new(kind, detail.clone());
        match &error {
            Error::QueueName { .. } => problem(Kind::InvalidRequest).about("queue"),
            Error::CacheName { what, .. } => problem(Kind::InvalidRequest).about(*what),
            Error::CacheKey { .. } => problem(Kind::InvalidRequest).about("key"),
            Error::CacheOutOfReach { .. } => problem(Kind::InvalidRequest).about("namespace"),
            Error::JobId { .. } => problem(Kind::InvalidJob).about("opts.jobId"),
            Error::JobOption { option, .. } if option == "opts" => problem(Kind::InvalidJob).about("opts"),
            Error::JobOption { option, .. } => problem(Kind::InvalidJob).about(format!("opts.{option}")),
            Error::Data { .. } => problem(Kind::InvalidJob).about("data"),
            Error::DataTooLarge { .. } => problem(Kind::TooLarge).about("data"),
            Error::QueueFull { retry_after, .. } => problem(Kind::QueueFull).retry_after(*retry_after),
            Error::JobNotFound { .. } => problem(Kind::NoSuchJob),
            Error::JobState { .. } | Error::JobRefused { .. } => problem(Kind::WrongState),
            Error::StoreUnavailable { .. } | Error::Open { .. } => {
                log(&error);
                problem(Kind::StoreUnavailable).retry_after(STORE_RETRY)
            }
            Error::OutcomeUnknown { .. } => {
                log(&error);
                problem(Kind::OutcomeUnknown)
            }
            Error::Reply { .. } => {
                log(&error);
                problem(Kind::UnexpectedReply)
            }
            Error::Store { source, .. } if write_refusal(&source.to_string()).is_some() => {
                log(&error);
                let remedy = write_refusal(&source.to_string()).unwrap_or_default();
                Self::new(Kind::StoreRefusesWrites, format!("{detail}; {remedy}")).retry_after(STORE_RETRY)
            }
            Error::Store { source, .. } if is_passing(&source.to_string()) => {
                log(&error);
                problem(Kind::StoreUnavailable).retry_after(STORE_RETRY)
            }
            // The rest is nothing that the client could do otherwise.
            _ => {
                log(&error);
                problem(Kind::StoreFault)
            }
        }
    }
}

/// What to do about a server that answers but takes no changes, if that is what it said.
#[must_use]
pub fn write_refusal(refusal: &str) -> Option<&'static str> {
    let has = |code: &str| words(refusal).any(|word| word == code);
    if has("OOM") {
        Some("the server is out of memory: raise its `maxmemory` or free memory")
    } else if has("READONLY") || has("ReadOnly") {
        Some("the server is a replica: set the store to the primary")
    } else if has("MISCONF") {
        Some("the server cannot save to its disk: free space or mend what its own log names")
    } else if has("NOREPLICAS") {
        Some("too few replicas follow the server: bring them back or lower `min-replicas-to-write`")
    } else {
        None
    }
}

/// Refusals of a server that starts or fails over: they pass without anybody changing the request.
fn is_passing(refusal: &str) -> bool {
    words(refusal).any(|word| {
        matches!(
            word,
            "LOADING"
                | "BusyLoading"
                | "MASTERDOWN"
                | "MasterDown"
                | "CLUSTERDOWN"
                | "ClusterDown"
                | "TRYAGAIN"
                | "TryAgain"
                | "BUSY"
        )
    })
}

/// Codes are words of their own: what the server wrote, or the client library's spelling of the kinds it knows.
fn words(refusal: &str) -> impl Iterator<Item = &str> {
    refusal.split(|letter: char| !letter.is_ascii_alphanumeric())
}

fn log(error: &Error) {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(%error, cause, "a request failed at the store");
}

#[cfg(test)]
mod tests {
    use super::{is_passing, write_refusal};

    #[test]
    fn refused_writes_have_a_remedy_and_other_refusals_do_not() {
        for (refusal, remedy) in [
            (
                "OOM command not allowed when used memory > 'maxmemory'.",
                "maxmemory",
            ),
            (
                "ReadOnly: You can't write against a read only replica.",
                "primary",
            ),
            ("-MISCONF Redis is configured to save RDB snapshots", "disk"),
            ("NOREPLICAS: Not enough good replicas to write.", "replicas"),
        ] {
            assert!(write_refusal(refusal).unwrap().contains(remedy), "{refusal}");
        }
        for other in ["LOADING Redis is loading", "WRONGTYPE key \"ROOM\"", ""] {
            assert_eq!(write_refusal(other), None, "{other}");
        }
    }

    #[test]
    fn a_server_that_starts_or_fails_over_is_worth_another_try() {
        for passing in [
            "BusyLoading: Redis is loading the dataset in memory",
            "LOADING Redis is loading",
            "MasterDown: Link with MASTER is down",
            "BUSY: Redis is busy running a script",
        ] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in [
            "NotBusy: No scripts in execution right now",
            "NOPERM no such user",
            "",
        ] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
