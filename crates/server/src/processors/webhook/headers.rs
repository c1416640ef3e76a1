//! The headers that a job may add to its request.
//!
//! Refused are those that would change how the request is framed or where it goes, and those of the signature
//! scheme: a job must not be able to speak in the server's name. Values are marked as sensitive, so `Debug`
//! hides them.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::value::RawValue;

use super::members::{Members, text};
use super::problem::{PayloadError, Problem, shown};

const MOST_HEADERS: usize = 50;
const MOST_BYTES: usize = 8 * 1024;

const RESERVED: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
const RESERVED_PREFIXES: [&str; 4] = ["webhook-", "proxy-", "keep-alive", "http2-settings"];

/// Reads the `headers` object of a payload.
pub(super) fn parse(value: &RawValue) -> Result<HeaderMap, PayloadError> {
    let members = Members::parse(value.get().as_bytes(), Problem::NotHeaders)
        .map_err(|problem| PayloadError::new("headers", problem))?;
    let bytes: usize = members
        .pairs
        .iter()
        .map(|(name, value)| name.len() + value.get().len())
        .sum();
    if members.pairs.len() > MOST_HEADERS || bytes > MOST_BYTES {
        let problem = Problem::HeaderSize {
            most_headers: MOST_HEADERS,
            most_bytes: MOST_BYTES,
        };
        return Err(PayloadError::new("headers", problem));
    }

    let mut headers = HeaderMap::with_capacity(members.pairs.len());
    for (name, value) in members.pairs {
        let (header, value) = one(&name, value)
            .map_err(|problem| PayloadError::new(format!("headers.{}", shown(&name)), problem))?;
        if headers.insert(header, value).is_some() {
            return Err(PayloadError::new(
                format!("headers.{}", shown(&name)),
                Problem::Repeated,
            ));
        }
    }
    Ok(headers)
}

fn one(name: &str, value: &RawValue) -> Result<(HeaderName, HeaderValue), Problem> {
    let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Problem::HeaderName)?;
    let has_reserved_prefix = RESERVED_PREFIXES
        .iter()
        .any(|prefix| header.as_str().starts_with(prefix));
    if RESERVED.contains(&header) || has_reserved_prefix {
        return Err(Problem::HeaderReserved);
    }
    let text = text(value)?;
    // The type would take bytes beyond ASCII, which receivers read in different encodings.
    if !text.is_ascii() {
        return Err(Problem::HeaderValue);
    }
    let mut value = HeaderValue::from_str(&text).map_err(|_| Problem::HeaderValue)?;
    value.set_sensitive(true);
    Ok((header, value))
}
