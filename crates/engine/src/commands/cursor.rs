//! The cursors that SCAN and its kind take.
use crate::reply::Fault;

/// Reads a cursor as C's `strtoul` does: a sign is allowed, and nothing at all is zero.
pub(super) fn parse(argument: &[u8]) -> Result<u64, Fault> {
    const INVALID: Fault = Fault::of("ERR invalid cursor");
    // A C string ends at its first zero.
    let argument = argument.split(|byte| *byte == 0).next().unwrap_or_default();
    if argument.is_empty() {
        return Ok(0);
    }
    let is_negative = argument.first() == Some(&b'-');
    let digits = argument
        .strip_prefix(b"-")
        .or(argument.strip_prefix(b"+"))
        .unwrap_or(argument);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| INVALID)?;
    let cursor: u64 = digits.parse().map_err(|_| INVALID)?;
    Ok(if is_negative {
        cursor.wrapping_neg()
    } else {
        cursor
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::parse;

    #[test]
    fn a_cursor_is_read_as_c_reads_it() {
        for (text, cursor) in [
            ("", 0),
            ("+0", 0),
            ("\0", 0),
            ("7\0x", 7),
            ("17", 17),
            ("-1", u64::MAX),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), cursor, "{text:?}");
        }
        for text in ["+", "-", " 1", "1 ", "x", "18446744073709551616"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
