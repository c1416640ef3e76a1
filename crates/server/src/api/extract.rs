//! Reading requests so that every mistake becomes a problem that names it.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long, and how many times the allowed size, a body that is too large is still read: a client that is sending
/// sees the answer only when it is through.
const DRAIN_TIME: Duration = Duration::from_secs(2);
const DRAIN_FACTOR: usize = 8;

/// The parts of the path.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(at)) => Ok(Self(at)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(Problem::new(
                Kind::InvalidRequest,
                format!("the path cannot be read: {error}"),
            )),
            Err(error) => Err(Problem::new(Kind::InvalidRequest, error.to_string())),
        }
    }
}

/// The query's parameters, as written.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl FromRequestParts<App> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Ok(Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        ))
    }
}

impl Parameters {
    /// Refuses parameters that are not among these.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let unknown = self.0.iter().find(|(name, _)| !known.contains(&name.as_str()));
        match unknown {
            None => Ok(self),
            Some((name, _)) => {
                let list = match known {
                    [] => "this route takes none".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                let detail = format!("unknown parameter `{name:.60}`; {list}");
                Err(Problem::new(Kind::InvalidRequest, detail).about(name.clone()))
            }
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, name: &str, default: u64, least: u64, most: u64) -> Result<u64, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            let detail = format!("`{name}` must be a whole number from {least} to {most}");
            Problem::new(Kind::InvalidRequest, detail).about(name)
        })
    }

    /// `true` or `false`; a name alone is `true`.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => {
                let detail = format!("`{name}` must be true or false");
                Err(Problem::new(Kind::InvalidRequest, detail).about(name))
            }
        }
    }
}

/// A body that is JSON, not looked into yet.
#[derive(Debug)]
pub(super) struct JsonBody(pub(super) Box<RawValue>);

impl FromRequest<App> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limit = app.config.max_body.value;
        let declared = parts
            .headers
            .get(CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or_default());
        if !declared.is_some_and(is_json) {
            let found = declared.map_or("none was sent".to_owned(), |found| format!("not {found:.100}"));
            let detail = format!("send JSON with the header Content-Type: application/json ({found})");
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        let length = parts
            .headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok());
        let bytes = match tokio::time::timeout(BODY_TIME, collect(body, limit, length)).await {
            Ok(bytes) => bytes?,
            Err(_elapsed) => {
                let detail = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
                return Err(Problem::new(Kind::RequestTimeout, detail));
            }
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Problem::new(
                Kind::MalformedJson,
                format!("the body is not UTF-8 (at byte {at})"),
            )
        })?;
        if text.trim().is_empty() {
            return Err(Problem::new(
                Kind::MalformedJson,
                "the body is empty; send a JSON value",
            ));
        }
        serde_json::from_str(&text).map(Self).map_err(|error| {
            // The parser's words end with the position already.
            Problem::new(Kind::MalformedJson, format!("the body is no valid JSON: {error}"))
        })
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn collect(
    mut body: axum::body::Body,
    limit: usize,
    declared: Option<usize>,
) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let detail = format!(
            "the body is larger than {limit} bytes; send less, store large data elsewhere and pass a reference, or \
             raise max_body"
        );
        Problem::new(Kind::TooLarge, detail)
    };
    let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(limit));
    if declared.is_none_or(|declared| declared <= limit) {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Problem::new(Kind::InvalidRequest, format!("the body broke off: {error}"))
            })?;
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > limit {
                    drain(body, limit).await;
                    return Err(too_large());
                }
                bytes.extend_from_slice(&data);
            }
        }
        return Ok(bytes);
    }
    drain(body, limit).await;
    Err(too_large())
}

async fn drain(mut body: axum::body::Body, limit: usize) {
    let mut left = limit.saturating_mul(DRAIN_FACTOR);
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let read = frame.data_ref().map_or(0, bytes::Bytes::len);
            match left.checked_sub(read) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Whoever is not through by then learns it from the closed connection.
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}
