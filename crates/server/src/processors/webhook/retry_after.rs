//! Reads `Retry-After`: seconds, or one of the three date forms that RFC 9110 asks recipients to take.
//!
//! What cannot be read counts as absent: a receiver's broken header must not change when the retry comes.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

/// A receiver may not put off a delivery for longer.
const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait that a receiver asks for, at most a day; a date in the past means none.
pub(super) fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Only digits, so what does not fit is simply very long.
        return Some(text.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST));
    }
    let date = SystemTime::from(http_date(text)?);
    Some(date.duration_since(now).unwrap_or_default().min(LONGEST))
}

fn http_date(text: &str) -> Option<Timestamp> {
    if text.ends_with(" GMT")
        && let Ok(timestamp) = DateTimeParser::new().parse_timestamp(text)
    {
        return Some(timestamp);
    }
    ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|format| {
            let date = BrokenDownTime::parse(format, text).ok()?.to_datetime().ok()?;
            date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str, now: &str) -> Option<u64> {
        let now: Timestamp = now.parse().unwrap();
        retry_after(&HeaderValue::from_static(text), now.into()).map(|wait| wait.as_secs())
    }

    const NOW: &str = "1994-11-06T08:49:00Z";

    #[test]
    fn seconds_are_read_and_capped_at_a_day() {
        for (text, seconds) in [
            ("0", 0),
            ("120", 120),
            (" 7 ", 7),
            ("86401", 86_400),
            ("99999999999999999999", 86_400),
        ] {
            assert_eq!(read(text, NOW), Some(seconds), "{text:?}");
        }
    }

    #[test]
    fn all_three_date_forms_are_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(text, NOW), Some(37), "{text:?}");
            assert_eq!(read(text, "1994-11-06T09:00:00Z"), Some(0), "{text:?}");
            assert_eq!(read(text, "1990-01-01T00:00:00Z"), Some(86_400), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        for text in [
            "",
            "-5",
            "1.5",
            "+5",
            "soon",
            "2026-01-01T00:00:00Z",
            "Sun, 36 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text, NOW), None, "{text:?}");
        }
        assert_eq!(
            retry_after(&HeaderValue::from_bytes(b"\xff").unwrap(), SystemTime::UNIX_EPOCH),
            None
        );
    }
}
