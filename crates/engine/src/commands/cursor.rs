//! What the commands that walk a collection with a cursor have in common: HSCAN, SSCAN and their kind.
use crate::arguments::{self, Options};
use crate::glob;
use crate::reply::{Fault, Reply};

/// How many elements a step shows when the client does not say.
const USUAL_COUNT: usize = 10;

/// Reads a cursor as C's `strtoul` does: a sign is allowed, and nothing at all is zero.
pub(super) fn parse(argument: &[u8]) -> Result<u64, Fault> {
    const INVALID: Fault = Fault::of("ERR invalid cursor");
    if argument.is_empty() {
        return Ok(0);
    }
    let (is_negative, digits) = match argument {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| INVALID)?;
    let cursor: u64 = digits.parse().map_err(|_| INVALID)?;
    Ok(if is_negative { cursor.wrapping_neg() } else { cursor })
}

/// How much to show of what.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> Step<'a> {
    /// Reads MATCH and COUNT.
    pub(super) fn read(mut options: Options<'a>) -> Result<Self, Fault> {
        let mut step = Self {
            count: USUAL_COUNT,
            pattern: None,
        };
        while !options.is_empty() {
            if let Some(count) = options.take_with_value("COUNT") {
                let count = arguments::int(count)?;
                step.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(Fault::SYNTAX)?;
            } else if let Some(pattern) = options.take_with_value("MATCH") {
                step.pattern = Some(pattern).filter(|pattern| *pattern != b"*");
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(step)
    }

    pub(super) fn shows(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// The next cursor and what this step has shown.
pub(super) fn reply(cursor: u64, shown: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string()), Reply::Array(shown)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::parse;

    #[test]
    fn a_cursor_is_read_as_c_reads_it() {
        for (text, cursor) in [("", 0), ("+0", 0), ("17", 17), ("-1", u64::MAX), ("18446744073709551615", u64::MAX)] {
            assert_eq!(parse(text.as_bytes()).unwrap(), cursor, "{text:?}");
        }
        for text in ["+", "-", " 1", "1 ", "x", "18446744073709551616"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
