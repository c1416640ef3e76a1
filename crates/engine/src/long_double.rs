//! Numbers of INCRBYFLOAT and HINCRBYFLOAT, which Redis computes as C's `long double`.
//!
//! On x86-64 that type has 64 bits of mantissa, and the result is printed with 17 decimals, so a double would print
//! other digits. Here such a number is an integer times a power of two; parsing, adding and printing are exact up to
//! the one rounding that C does too (to nearest, ties to even).

use num_bigint::{BigInt, Sign};

use crate::reply::Fault;

/// Longer texts are no numbers (Redis's MAX_LONG_DOUBLE_CHARS).
const LONGEST: usize = 5 * 1024;
const MANTISSA_BITS: u64 = 64;
/// Decimal exponents beyond this are infinite or nothing.
const LARGEST_EXPONENT: i64 = 5_000;
/// The exponent of two at which the type overflows.
const OVERFLOW: i64 = 16_384;
/// The smallest exponent of two of a mantissa's last bit.
const UNDERFLOW: i64 = -16_445;
const DECIMALS: u32 = 17;

/// A number with 64 bits of mantissa: `mantissa` × 2^`exponent`, or infinite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LongDouble {
    Finite { mantissa: BigInt, exponent: i64 },
    Infinite,
}

impl LongDouble {
    /// Reads a decimal number from start to end; NaN and surrounding space are refused.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text)
            .ok()
            .filter(|text| text.len() < LONGEST)?;
        // Whatever a double's parser refuses is no number here either; what it reads says if it is infinite by name.
        let double = match text.parse::<f64>() {
            Ok(double) if double.is_nan() => return None,
            Ok(double) if !text.bytes().any(|byte| byte.is_ascii_digit()) && double.is_infinite() => {
                return Some(Self::Infinite);
            }
            Ok(_) => None,
            // Hexadecimal, which C reads too; a double holds it well enough.
            Err(_) => Some(crate::number::parse_float(text.as_bytes())?),
        };
        match double {
            Some(double) => Self::parse_decimal(&format!("{double:e}")),
            None => Self::parse_decimal(text),
        }
    }

    /// Reads what is known to be a decimal number.
    fn parse_decimal(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa: BigInt = format!("{whole}{fraction}")
            .trim_start_matches('+')
            .parse()
            .ok()?;
        if mantissa.sign() == Sign::NoSign {
            return Some(Self::zero());
        }
        let exponent: i64 = exponent.trim_start_matches('+').parse().ok()?;
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let magnitude = exponent.checked_add(i64::try_from(whole.len() + fraction.len()).ok()?)?;
        if magnitude > LARGEST_EXPONENT {
            // Out of strtold's range.
            return None;
        }
        if magnitude < -LARGEST_EXPONENT {
            return Some(Self::zero());
        }
        let power = BigInt::from(10).pow(u32::try_from(exponent.unsigned_abs()).ok()?);
        let number = if exponent >= 0 {
            Self::rounded(&(mantissa * power), 0, false)
        } else {
            // Enough bits that the quotient has some to spare; what is left over only breaks ties.
            let shift = (power.bits() + MANTISSA_BITS + 2).saturating_sub(mantissa.bits());
            let scaled = mantissa << shift;
            let (quotient, rest) = (&scaled / &power, &scaled % &power);
            Self::rounded(
                &quotient,
                -i64::try_from(shift).ok()?,
                rest.sign() != Sign::NoSign,
            )
        };
        (number != Self::Infinite).then_some(number)
    }

    /// The sum; `None` when it is infinite.
    pub(crate) fn sum(&self, other: &Self) -> Option<Self> {
        let (
            Self::Finite {
                mantissa: left,
                exponent: left_exponent,
            },
            Self::Finite {
                mantissa: right,
                exponent: right_exponent,
            },
        ) = (self, other)
        else {
            return None;
        };
        let exponent = *left_exponent.min(right_exponent);
        let shifted = |mantissa: &BigInt, from: i64| mantissa << (from - exponent).unsigned_abs();
        let sum = shifted(left, *left_exponent) + shifted(right, *right_exponent);
        let sum = Self::rounded(&sum, exponent, false);
        (sum != Self::Infinite).then_some(sum)
    }

    fn zero() -> Self {
        Self::Finite {
            mantissa: BigInt::ZERO,
            exponent: 0,
        }
    }

    /// The nearest number; `has_more` says that the true value is a little further from zero.
    fn rounded(value: &BigInt, exponent: i64, has_more: bool) -> Self {
        let bits = value.bits();
        let wanted = bits.saturating_sub(MANTISSA_BITS);
        let least = u64::try_from(UNDERFLOW.saturating_sub(exponent)).unwrap_or(0);
        let dropped = wanted.max(least);
        let (sign, magnitude) = (value.sign(), value.magnitude().clone());
        let mut kept = &magnitude >> dropped;
        if dropped > 0 {
            let half = dropped - 1;
            let is_half = magnitude.bit(half);
            let is_more = has_more || magnitude.trailing_zeros().is_some_and(|zeros| zeros < half);
            if is_half && (is_more || kept.bit(0)) {
                kept += 1u32;
            }
        }
        let exponent = exponent + i64::try_from(dropped).unwrap_or(i64::MAX / 2);
        if i64::try_from(kept.bits())
            .unwrap_or(i64::MAX)
            .saturating_add(exponent)
            > OVERFLOW
        {
            return Self::Infinite;
        }
        Self::Finite {
            mantissa: BigInt::from_biguint(sign, kept),
            exponent,
        }
    }
}

impl std::fmt::Display for LongDouble {
    /// With 17 decimals, without the zeros at the end.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Finite { mantissa, exponent } = self else {
            return formatter.write_str("inf");
        };
        let scaled = mantissa.magnitude() * num_bigint::BigUint::from(10u32).pow(DECIMALS);
        let shift = exponent.unsigned_abs();
        let scaled = if *exponent >= 0 {
            scaled << shift
        } else {
            let mut kept = &scaled >> shift;
            let half = shift - 1;
            let is_more = scaled.trailing_zeros().is_some_and(|zeros| zeros < half);
            if scaled.bit(half) && (is_more || kept.bit(0)) {
                kept += 1u32;
            }
            kept
        };
        let digits = format!("{:0>width$}", scaled.to_string(), width = DECIMALS as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - DECIMALS as usize);
        let fraction = fraction.trim_end_matches('0');
        let is_zero = whole == "0" && fraction.is_empty();
        let sign = if mantissa.sign() == Sign::Minus && !is_zero {
            "-"
        } else {
            ""
        };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(formatter, "{sign}{whole}{point}{fraction}")
    }
}

/// The sum of two numbers as INCRBYFLOAT prints it.
pub(crate) fn sum(first: &[u8], second: &[u8]) -> Result<String, Fault> {
    let first = LongDouble::parse(first).ok_or(Fault::NOT_A_FLOAT)?;
    let second = LongDouble::parse(second).ok_or(Fault::NOT_A_FLOAT)?;
    let sum = first
        .sum(&second)
        .ok_or(Fault::of("ERR increment would produce NaN or Infinity"))?;
    Ok(sum.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::sum;

    #[test]
    fn sums_have_the_digits_of_a_long_double() {
        // As redis-server 7.0.15 on x86-64 answers.
        let cases = [
            ("0.1", "0.2", "0.3"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("5000.1", "0", "5000.10000000000000009"),
            ("1", "-1", "0"),
            ("-0.5", "0.25", "-0.25"),
            ("3", "1e-17", "3.00000000000000001"),
            ("1e20", "1", "100000000000000000000"),
            ("1e21", "1", "1000000000000000000000"),
            ("0", "1e-30", "0"),
        ];
        for (first, second, expected) in cases {
            assert_eq!(
                sum(first.as_bytes(), second.as_bytes()).unwrap(),
                expected,
                "{first} + {second}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "abc", "1 ", " 1", "nan", "1e9999"] {
            assert!(sum(text.as_bytes(), b"1").is_err(), "{text:?}");
        }
        assert!(sum(b"inf", b"1").is_err());
    }
}
