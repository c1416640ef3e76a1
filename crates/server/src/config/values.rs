//! What each setting may be: from text to value, or a sentence saying what would be right.
//!
//! No message repeats the value of a secret.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use oxherd::StoreUrl;

use crate::processors::webhook::HumanDuration;
use crate::view::Masking;

const DEFAULT_STORE: &str = "embedded:./oxherd-data";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const UNITS: [(&str, usize); 8] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("B", 1),
];
/// Less would refuse every request; more no store takes as one value.
const BODY_SIZES: std::ops::RangeInclusive<usize> = 1024..=512 * 1024 * 1024;
/// Less memory than this is a mistake in the unit.
const SMALLEST_STORE: usize = 1 << 20;

/// The secret that opens the server. Shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The secret.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

impl LogFormat {
    /// As it is written in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// A store URL and whether it names a prefix itself.
pub(super) struct StoreText {
    pub(super) url: StoreUrl,
    pub(super) names_prefix: bool,
}

pub(super) fn store(text: &str) -> Result<StoreText, String> {
    let url = text.parse::<StoreUrl>().map_err(|error| error.to_string())?;
    let query = text.split_once('?').map_or("", |(_, query)| query);
    Ok(StoreText {
        url,
        names_prefix: url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "prefix"),
    })
}

#[expect(clippy::expect_used, reason = "a constant that a test parses too")]
pub(super) fn default_store() -> StoreText {
    store(DEFAULT_STORE).expect("a valid URL")
}

pub(super) fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.ends_with(':') {
        return Err("must not be empty or end with `:`; for example bull".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = text
        .strip_prefix("localhost:")
        .map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    numeric.parse().map_err(|_| {
        format!(
            "{text:?} must be an IP address and a port, such as 127.0.0.1:7070, [::1]:7070 or 0.0.0.0:7070"
        )
    })
}

pub(super) fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7070))
}

/// Whoever can reach the server can do everything, so only this machine may, unless there is a token: why this pair of
/// settings is refused, if it is.
pub(crate) fn open_door(listen: SocketAddr, token: Option<&Token>) -> Option<String> {
    if token.is_some() || listen.ip().to_canonical().is_loopback() {
        return None;
    }
    Some(format!(
        "{listen} can be reached from other machines, and no token is set: set OXHERD_TOKEN (make one with \
         `openssl rand -hex 32`), or listen on 127.0.0.1:{}",
        listen.port()
    ))
}

pub(super) fn token(text: &str) -> Result<Token, String> {
    // Anything else could not be sent in an Authorization header.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be visible ASCII without spaces; make one with `openssl rand -hex 32`".to_owned());
    }
    Ok(Token(text.to_owned()))
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    for part in text.split(',') {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            return Err(format!(
                "{level:?} is no level; use off, error, warn, info, debug or trace, or pairs such as info,oxherd=debug"
            ));
        }
    }
    Ok(text.to_owned())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("{other:?} must be text or json")),
    }
}

pub(super) fn byte_size(text: &str) -> Result<usize, String> {
    bytes(text)
        .filter(|bytes| BODY_SIZES.contains(bytes))
        .ok_or_else(|| {
            format!("{text:?} must be a number of bytes from 1KiB to 512MiB, such as 1048576, 512KiB or 4MiB")
        })
}

/// Memory for a store: enough for it to hold something at all.
pub(super) fn memory_size(text: &str) -> Result<usize, String> {
    bytes(text)
        .filter(|bytes| *bytes >= SMALLEST_STORE)
        .ok_or_else(|| format!("{text:?} must be a number of bytes from 1MiB on, such as 512MiB or 4GiB"))
}

fn bytes(text: &str) -> Option<usize> {
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text, 1));
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    // A bare number is milliseconds, as in the file.
    if let Ok(milliseconds) = text.parse::<u64>() {
        let duration = HumanDuration::from_millis(milliseconds);
        return duration
            .map(HumanDuration::get)
            .map_err(|error| error.to_string());
    }
    let duration = text.parse::<HumanDuration>();
    duration
        .map(HumanDuration::get)
        .map_err(|error| format!("{text:?} {error}"))
}

/// Names with commas, hidden beside the usual ones; `none` alone hides nothing.
pub(super) fn mask(text: &str) -> Masking {
    if text.trim() == "none" {
        return Masking::of::<&str>([]);
    }
    Masking::default().and(text.split(',').map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_store_is_a_valid_one() {
        assert!(!default_store().names_prefix);
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("4MiB", 4 << 20),
            ("512 KiB", 512 << 10),
            ("2kB", 2000),
        ] {
            assert_eq!(byte_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "0",
            "1023",
            "-1",
            "1.5MiB",
            "1GiB",
            "99999999999999999999",
            "MiB",
        ] {
            assert!(byte_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listening_addresses_are_numbers_or_localhost() {
        assert_eq!(listen("localhost:80"), Ok(SocketAddr::from(([127, 0, 0, 1], 80))));
        assert!(listen("[::]:7070").is_ok());
        for text in ["7070", ":7070", "example.com:80", "127.0.0.1", "127.0.0.1:70700"] {
            assert!(listen(text).unwrap_err().contains("127.0.0.1:7070"), "{text}");
        }
    }

    #[test]
    fn names_to_mask_add_to_the_usual_ones_and_only_none_hides_nothing() {
        let usual = Masking::default();
        let masking = mask("pin, Session_Id, token");
        assert_eq!(
            masking.names(),
            [usual.names(), &["pin".to_owned(), "sessionid".to_owned()]].concat()
        );
        for nothing_more in ["", " , ", "password"] {
            assert_eq!(mask(nothing_more), usual, "{nothing_more:?}");
        }
        assert!(mask(" none ").names().is_empty());
        assert!(mask("none,pin").names().starts_with(usual.names()));
    }

    #[test]
    fn durations_and_levels_say_what_would_be_right() {
        assert_eq!(duration("1500"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("25s"), Ok(Duration::from_secs(25)));
        assert!(duration("soon").unwrap_err().contains("15s"));
        assert!(log_filter("info,oxherd=DEBUG").is_ok());
        assert!(log_filter("verbose").unwrap_err().contains("debug"));
        assert!(token("two words").unwrap_err().contains("openssl"));
    }
}
