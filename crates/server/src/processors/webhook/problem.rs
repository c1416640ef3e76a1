//! What can be wrong with a job's payload, each problem with its field and its remedy.
//!
//! Names are shortened and values never repeated: URLs, headers and bodies hold secrets, and these messages
//! end up in logs and in answers of the HTTP API.

use super::address::RefusedAddress;

/// A payload that cannot be delivered, however often it is tried: `url: must be http or https`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PayloadError {
    field: String,
    problem: Problem,
}

/// What is wrong with a field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The payload is no JSON object.
    #[error("must be a JSON object such as {{\"url\": \"https://…\", \"body\": {{…}}}}")]
    NotAnObject,
    /// The payload is not JSON at all.
    #[error("is not valid JSON ({0})")]
    NotJson(String),
    /// A field that must be there is not.
    #[error("is missing")]
    Missing,
    /// A field that does not exist.
    #[error("is not known: use url, method, headers, body and timeout_ms")]
    Unknown,
    /// The same name twice, for headers in any case.
    #[error("is there more than once")]
    Repeated,
    /// Something else than a string.
    #[error("must be a string")]
    NotText,
    /// Not readable as an absolute URL.
    #[error("is not an absolute URL ({0})")]
    NotUrl(String),
    /// Another scheme.
    #[error("must be http or https")]
    Scheme,
    /// Longer than any server takes.
    #[error("is longer than {most} characters")]
    UrlLength {
        /// The most that is taken.
        most: usize,
    },
    /// A user name or a password in the URL.
    #[error("must not hold a user name or password: send them in headers.authorization")]
    Credentials,
    /// The port, or an address written in the URL, is not allowed.
    #[error("{0}")]
    Address(#[from] RefusedAddress),
    /// Another method.
    #[error("must be POST or PUT")]
    Method,
    /// `headers` is something else than an object.
    #[error("must be an object of header names and string values")]
    NotHeaders,
    /// A header name with characters that HTTP does not allow.
    #[error("is not a header name: use letters, digits and hyphens")]
    HeaderName,
    /// A header value that could break out of its line.
    #[error("must be visible ASCII, spaces and tabs only")]
    HeaderValue,
    /// A header that the server sets itself.
    #[error("is set by the delivery itself: leave it out")]
    HeaderReserved,
    /// Too many headers, or too long in sum.
    #[error("are too many: send at most {most_headers} with {most_bytes} bytes in all")]
    HeaderSize {
        /// The most headers.
        most_headers: usize,
        /// The most bytes of all names and values.
        most_bytes: usize,
    },
    /// The body is larger than `max_body_bytes`.
    #[error("holds {bytes} bytes, but at most {most} are sent: send a link instead, or raise max_body_bytes")]
    BodySize {
        /// What it holds.
        bytes: usize,
        /// The most that is sent.
        most: usize,
    },
    /// Not a number of milliseconds in range.
    #[error("must be a whole number of milliseconds from 1 to {most} (max_timeout)")]
    Timeout {
        /// The longest time-out that a job may ask for.
        most: u128,
    },
}

impl PayloadError {
    pub(super) fn new(field: impl Into<String>, problem: Problem) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }

    /// The path of the field: `url`, `headers.x-tenant`, or `payload` for the whole.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// A name from outside, made fit for a message: short, and without control characters.
pub(super) fn shown(name: &str) -> String {
    const MOST: usize = 60;
    let mut short: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
