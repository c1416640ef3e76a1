//! Numbers as Redis reads and prints them.
//!
//! Integers have one spelling each. Scores and Lua numbers appear in C's `%.17g`, JSON numbers in `%.14g`; Rust has no
//! such format. `long_double.rs` has the numbers of INCRBYFLOAT, which C computes with 64 bits of mantissa.

/// A signed 64-bit integer in its canonical spelling: no plus, no leading zero, no space.
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !is_negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // 19 digits fit into 64 bits.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if is_negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// A number as C's `strtod` reads it from start to end; infinite is allowed, NaN and surrounding space are not.
pub(crate) fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = match text.parse::<f64>() {
        Ok(number) => number,
        Err(_) => parse_hexadecimal(text)?,
    };
    // What overflows is out of range for strtod, unless infinity was asked for by name.
    if number.is_nan() || (number.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit())) {
        return None;
    }
    // So is what is not zero but too small for anything else.
    if number == 0.0 && !is_written_as_zero(text) {
        return None;
    }
    Some(number)
}

fn is_written_as_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let (digits, exponent) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (digits, ['p', 'P']),
        None => (digits, ['e', 'E']),
    };
    digits
        .split(exponent)
        .next()
        .unwrap_or_default()
        .bytes()
        .all(|byte| matches!(byte, b'0' | b'.'))
}

/// `0x1f.8p3`, which strtod takes too.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (sign, rest) = match text.as_bytes() {
        [b'-', ..] => (-1.0, text.get(1..)?),
        [b'+', ..] => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (mantissa, exponent) = match rest.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let scale = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    Some(sign * value * 2f64.powi(scale))
}

/// C's `%.{precision}g`.
pub(crate) fn general(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if let Some(text) = small_whole(value, precision) {
        return text;
    }
    let scientific = format!("{:.*e}", precision - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or_default();
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// Whole numbers are the usual case (scores are times and counts), and far cheaper to print.
fn small_whole(value: f64, precision: usize) -> Option<String> {
    let digits = i32::try_from(precision.min(15)).unwrap_or(15);
    let limit = 10f64.powi(digits);
    #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
    let is_whole = value.abs() < limit && value.fract() == 0.0 && !(value == 0.0 && value.is_sign_negative());
    #[allow(clippy::cast_possible_truncation, reason = "the range was checked")]
    is_whole.then(|| itoa::Buffer::new().format(value as i64).to_owned())
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// A score or another double, as replies show it.
pub(crate) fn double(value: f64) -> String {
    general(value, 17)
}

/// An integer in decimal.
pub(crate) fn decimal(value: i64) -> Vec<u8> {
    itoa::Buffer::new().format(value).as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{general, parse_float, parse_int};

    #[test]
    fn numbers_look_as_c_prints_them() {
        let cases = [
            (0.0, 17, "0"),
            (-0.0, 17, "-0"),
            (0.1, 17, "0.10000000000000001"),
            (0.1, 14, "0.1"),
            (3.0, 17, "3"),
            (100.0, 14, "100"),
            (1e16, 17, "10000000000000000"),
            (1e17, 17, "1e+17"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (1_764_000_000_000.0, 14, "1764000000000"),
            (0.0001, 14, "0.0001"),
            (0.000_01, 14, "1e-05"),
            (1234.0, 3, "1.23e+03"),
            (-2.5, 17, "-2.5"),
            (1e100, 17, "1e+100"),
            (f64::INFINITY, 17, "inf"),
        ];
        for (value, precision, expected) in cases {
            assert_eq!(general(value, precision), expected, "{value} at {precision}");
        }
    }

    #[test]
    fn an_integer_has_one_spelling() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN, -9_007_199_254_740_993] {
            assert_eq!(parse_int(number.to_string().as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "12a",
        ] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_float_is_read_as_c_reads_it() {
        assert_eq!(parse_float(b"0x10"), Some(16.0));
        assert_eq!(parse_float(b"-0x1.8p1"), Some(-3.0));
        assert_eq!(parse_float(b"1e3"), Some(1000.0));
        assert_eq!(parse_float(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(parse_float(b"-0e5"), Some(0.0));
        assert_eq!(parse_float(b"5e-324"), Some(5e-324));
        for text in ["", " 1", "1 ", "nan", "1e400", "1e-400", "0x1p-2000", "abc", "0x"] {
            assert_eq!(parse_float(text.as_bytes()), None, "{text:?}");
        }
    }
}
