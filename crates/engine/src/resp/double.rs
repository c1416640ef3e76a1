//! Doubles as C's `%.17g` prints them, which is what Redis sends.
//!
//! Seventeen digits tell every double from every other; zeros at the end are left out. Next: `encode.rs`.

use std::io::Write as _;

use smallvec::SmallVec;

/// Room for the longest: sign, 17 digits, point, `e-308`.
pub(super) type Digits = SmallVec<[u8; 32]>;

/// `number` in `%.17g`.
pub(super) fn format_double(number: f64) -> Digits {
    let mut out = Digits::new();
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = number.abs();
    if magnitude.is_nan() {
        out.extend_from_slice(b"nan");
    } else if magnitude.is_infinite() {
        out.extend_from_slice(b"inf");
    } else if magnitude < 1e15 && magnitude.trunc() == magnitude {
        // Scores are mostly whole numbers, and below 2^53 the cast is exact.
        out.extend_from_slice(itoa::Buffer::new().format(magnitude as u64).as_bytes());
    } else {
        finite(magnitude, &mut out);
    }
    out
}

fn finite(magnitude: f64, out: &mut Digits) {
    let mut room = [0; 32];
    let mut rest = room.as_mut_slice();
    // One digit, a point, sixteen digits, `e-308`: it always fits.
    let _ = write!(rest, "{magnitude:.16e}");
    let unused = rest.len();
    let scientific = room.get(..room.len() - unused).unwrap_or_default();
    let mut parts = scientific.splitn(2, |byte| *byte == b'e');
    let (mantissa, exponent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let exponent: i32 = std::str::from_utf8(exponent)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let digits: SmallVec<[u8; 17]> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let kept = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |last| last + 1);
    let digits = digits.get(..kept).unwrap_or_default();
    match usize::try_from(exponent) {
        Ok(exponent) if exponent < 17 => {
            let (whole, fraction) = digits.split_at(digits.len().min(exponent + 1));
            out.extend_from_slice(whole);
            out.resize(out.len() + exponent + 1 - whole.len(), b'0');
            append_fraction(fraction, out);
        }
        Err(_) if exponent >= -4 => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + usize::try_from(-1 - exponent).unwrap_or(0), b'0');
            out.extend_from_slice(digits);
        }
        _ => {
            let (whole, fraction) = digits.split_at(1);
            out.extend_from_slice(whole);
            append_fraction(fraction, out);
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            // At least two digits, as in C.
            if exponent.unsigned_abs() < 10 {
                out.push(b'0');
            }
            out.extend_from_slice(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }
}

fn append_fraction(fraction: &[u8], out: &mut Digits) {
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::format_double;

    fn text(number: f64) -> String {
        String::from_utf8(format_double(number).to_vec()).unwrap()
    }

    #[test]
    fn numbers_look_as_redis_prints_them() {
        for (number, shown) in [
            (0.1, "0.10000000000000001"),
            (3.0, "3"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (0.0001, "0.0001"),
            (0.00012, "0.00012"),
            (0.00001, "1.0000000000000001e-05"),
            (1e-7, "9.9999999999999995e-08"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012_345_678.0, "1.2345678901234568e+17"),
            (1e20, "1e+20"),
            (1.5e300, "1.5000000000000001e+300"),
            (1_234_567.891, "1234567.8910000001"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(text(number), shown);
        }
    }

    proptest! {
        #[test]
        fn every_double_is_read_back_as_itself(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            if !number.is_nan() {
                prop_assert_eq!(text(number).parse::<f64>().unwrap().to_bits(), bits);
            }
        }
    }
}
