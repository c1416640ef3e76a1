//! What a webhook job says: where to, how, and what.
//!
//! ```json
//! {
//!   "url": "https://example.com/hook", "method": "POST", "headers": {"x-tenant": "7"},
//!   "body": {"type": "chapter.published"}, "timeout_ms": 5000
//! }
//! ```
//!
//! `url` and `body` must be there; the body may be any JSON and is sent byte for byte as it was written. The
//! same check runs when a job is added and when it is delivered, because jobs also arrive past the HTTP API
//! and rules change. Next: `headers.rs` (which headers), `problem.rs` (what can be wrong), `address.rs`
//! (where it may go).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde_json::value::RawValue;
use url::Url;

use super::address::AddressPolicy;
use super::headers;
use super::members::{Members, text};
use super::problem::{PayloadError, Problem, shown};

/// RFC 9110 asks servers to take at least 8,000 octets, so more would not be portable.
const LONGEST_URL: usize = 8_000;

/// What a payload is checked against; comes from `WebhookConfig::rules`.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The most bytes of a body.
    pub max_body_bytes: usize,
    /// The longest `timeout_ms` that a job may ask for.
    pub max_timeout: Duration,
    /// Where deliveries may go.
    pub addresses: AddressPolicy,
}

/// A checked payload. `Debug` shows neither path and query nor header values nor the body.
#[derive(Clone)]
pub struct Payload {
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    timeout: Option<Duration>,
}

impl Payload {
    /// Checks a job's payload; pass `raw.get().as_bytes()` for a `RawValue`. Never looks anything up.
    ///
    /// # Errors
    /// [`PayloadError`] names the first field that is wrong and what would be right.
    pub fn parse(json: &[u8], rules: &Rules) -> Result<Self, PayloadError> {
        let members = Members::parse(json, Problem::NotAnObject)
            .map_err(|problem| PayloadError::new("payload", problem))?;
        let mut fields = Fields::default();
        for (name, value) in members.pairs {
            let slot = match name.as_str() {
                "url" => &mut fields.url,
                "method" => &mut fields.method,
                "headers" => &mut fields.headers,
                "body" => &mut fields.body,
                "timeout_ms" => &mut fields.timeout_ms,
                _ => return Err(PayloadError::new(shown(&name), Problem::Unknown)),
            };
            if slot.replace(value).is_some() {
                return Err(PayloadError::new(name, Problem::Repeated));
            }
        }
        fields.check(rules)
    }

    /// The host, without path and query.
    #[must_use]
    pub fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// How long the whole attempt may take, when the job says so.
    #[must_use]
    pub const fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The bytes that are signed and sent.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The request with its own headers; the signature's are added by the sender.
    pub(super) fn into_request(self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body));
        *request.uri_mut() = self.uri;
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        headers
            .entry(CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "Oxherd/",
                env!("CARGO_PKG_VERSION")
            )));
        request
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Payload")
            .field("host", &self.host())
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish()
    }
}

#[derive(Default)]
struct Fields<'a> {
    url: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
    timeout_ms: Option<&'a RawValue>,
}

impl Fields<'_> {
    fn check(self, rules: &Rules) -> Result<Payload, PayloadError> {
        let at = |field: &'static str| move |problem: Problem| PayloadError::new(field, problem);
        let url = given(self.url).ok_or(Problem::Missing).map_err(at("url"))?;
        let uri = check_url(url, rules).map_err(at("url"))?;
        let method = given(self.method)
            .map_or(Ok(Method::POST), check_method)
            .map_err(at("method"))?;
        let headers = given(self.headers).map_or(Ok(HeaderMap::new()), headers::parse)?;
        let body = self.body.ok_or(Problem::Missing).map_err(at("body"))?;
        let body = check_body(body, rules).map_err(at("body"))?;
        let timeout = given(self.timeout_ms)
            .map(|value| check_timeout(value, rules))
            .transpose()
            .map_err(at("timeout_ms"))?;
        Ok(Payload {
            uri,
            method,
            headers,
            body,
            timeout,
        })
    }
}

/// A field that may be absent; many programs write `null` for that. (The body is asked directly: `null` is a
/// body.)
fn given(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| value.get() != "null")
}

fn check_url(value: &RawValue, rules: &Rules) -> Result<Uri, Problem> {
    let text = text(value)?;
    if text.len() > LONGEST_URL {
        return Err(Problem::UrlLength { most: LONGEST_URL });
    }
    let mut url = Url::parse(&text).map_err(|error| Problem::NotUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::Credentials);
    }
    rules.addresses.check_url(&url)?;
    url.set_fragment(None);
    // Escaping may have made it longer than what was written.
    if url.as_str().len() > LONGEST_URL {
        return Err(Problem::UrlLength { most: LONGEST_URL });
    }
    url.as_str()
        .parse()
        .map_err(|error: http::uri::InvalidUri| Problem::NotUrl(error.to_string()))
}

fn check_method(value: &RawValue) -> Result<Method, Problem> {
    match text(value)?.as_str() {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        _ => Err(Problem::Method),
    }
}

fn check_body(value: &RawValue, rules: &Rules) -> Result<Bytes, Problem> {
    let body = value.get().as_bytes();
    if body.len() > rules.max_body_bytes {
        return Err(Problem::BodySize {
            bytes: body.len(),
            most: rules.max_body_bytes,
        });
    }
    Ok(Bytes::copy_from_slice(body))
}

fn check_timeout(value: &RawValue, rules: &Rules) -> Result<Duration, Problem> {
    let wrong = Problem::Timeout {
        most: rules.max_timeout.as_millis(),
    };
    let Ok(milliseconds) = value.get().parse::<u64>() else {
        return Err(wrong);
    };
    let timeout = Duration::from_millis(milliseconds);
    if timeout.is_zero() || timeout > rules.max_timeout {
        return Err(wrong);
    }
    Ok(timeout)
}
