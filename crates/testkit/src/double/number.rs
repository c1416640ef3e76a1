//! Numbers as Redis and its Lua print them.
//!
//! Scores and Lua numbers appear in C's `%.17g`, JSON numbers in `%.14g`; Rust has no such format.

/// C's `%.{precision}g`.
pub(super) fn general(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{:.*e}", precision - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let limit = i32::try_from(precision).expect("a precision is small");
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).expect("the exponent is below the precision");
    without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
}

/// A sorted-set score in a reply.
pub(super) fn score(value: f64) -> Vec<u8> {
    general(value, 17).into_bytes()
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::general;

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
            (1_764_000_000_000.0, 14, "1764000000000"),
            (0.0001, 14, "0.0001"),
            (0.000_01, 14, "1e-05"),
            (-2.5, 17, "-2.5"),
            (1e100, 17, "1e+100"),
            (f64::INFINITY, 17, "inf"),
        ];
        for (value, precision, expected) in cases {
            assert_eq!(general(value, precision), expected, "{value} at {precision}");
        }
    }
}
