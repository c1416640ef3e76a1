//! Numbers as C's `strtod` finds them at the beginning of a text.

/// The longest beginning that is a number, and its length.
pub(super) fn longest(text: &[u8]) -> Option<(f64, usize)> {
    let is_negative = text.first() == Some(&b'-');
    let start = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let rest = text.get(start..)?;
    let (number, length) = named(rest)
        .or_else(|| hexadecimal(rest))
        .or_else(|| decimal(rest))?;
    // NaN has a sign too, so this is no multiplication.
    Some((if is_negative { -number } else { number }, start + length))
}

fn named(text: &[u8]) -> Option<(f64, usize)> {
    let begins = |name: &[u8]| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    if begins(b"infinity") {
        Some((f64::INFINITY, 8))
    } else if begins(b"inf") {
        Some((f64::INFINITY, 3))
    } else if begins(b"nan") {
        Some((f64::NAN, 3))
    } else {
        None
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text, 0);
    let mut length = whole;
    let mut fraction = 0;
    if text.get(length) == Some(&b'.') {
        fraction = digits(text, length + 1);
        length += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    length += exponent(text, length, b'e');
    let number = std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()?;
    Some((number, length))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    if !matches!(text, [b'0', b'x' | b'X', ..]) {
        return None;
    }
    let mut value = 0.0f64;
    let mut scale = 0i32;
    let (mut length, mut has_digits, mut has_point) = (2, false, false);
    while let Some(byte) = text.get(length) {
        if let Some(digit) = char::from(*byte).to_digit(16) {
            value = value * 16.0 + f64::from(digit);
            has_digits = true;
            scale -= if has_point { 4 } else { 0 };
        } else if *byte == b'.' && !has_point {
            has_point = true;
        } else {
            break;
        }
        length += 1;
    }
    if !has_digits {
        return None;
    }
    let exponent = exponent(text, length, b'p');
    if exponent > 0 {
        let digits = text.get(length + 1..length + exponent)?;
        let power: i32 = std::str::from_utf8(digits).ok()?.parse().unwrap_or(i32::MAX / 2);
        scale = scale.saturating_add(power);
        length += exponent;
    }
    Some((value * 2f64.powi(scale), length))
}

/// The length of an exponent at `start`, its letter and sign included; 0 if there is none.
fn exponent(text: &[u8], start: usize, letter: u8) -> usize {
    if !text
        .get(start)
        .is_some_and(|byte| byte.eq_ignore_ascii_case(&letter))
    {
        return 0;
    }
    let signed = usize::from(matches!(text.get(start + 1), Some(b'+' | b'-')));
    match digits(text, start + 1 + signed) {
        0 => 0,
        count => 1 + signed + count,
    }
}

fn digits(text: &[u8], start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn a_number_ends_where_c_ends_it() {
        for (text, expected) in [
            ("12]", Some((12.0, 2))),
            ("-1.5e3,", Some((-1500.0, 6))),
            ("1e]", Some((1.0, 1))),
            ("1e+", Some((1.0, 1))),
            ("5.]", Some((5.0, 2))),
            ("1.2.3", Some((1.2, 3))),
            ("0x1F", Some((31.0, 4))),
            ("0x", Some((0.0, 1))),
            ("0x1p3", Some((8.0, 5))),
            ("0x1.8", Some((1.5, 5))),
            ("-infx", Some((f64::NEG_INFINITY, 4))),
            ("1e400", Some((f64::INFINITY, 5))),
            ("--1", None),
            (".", None),
        ] {
            assert_eq!(longest(text.as_bytes()), expected, "{text}");
        }
    }
}
