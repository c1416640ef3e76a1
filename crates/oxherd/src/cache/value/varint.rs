//! LEB128 of `u64`: seven bits a byte, the low ones first.
//!
//! Reading takes at most ten bytes and refuses what does not fit; it never reads past the end.
//! Next: `header.rs`.

/// Appends a number.
pub(super) fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes [`push`] takes.
pub(super) fn size(number: u64) -> usize {
    let bits = (u64::BITS - number.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bytes end before the number does.
    Ends,
    /// It does not fit 64 bits.
    TooLong,
}

/// The number in front, and what follows it.
pub(super) fn take(bytes: &[u8]) -> Result<(u64, &[u8]), Fault> {
    let mut number = 0_u64;
    let mut rest = bytes;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Fault::Ends)?;
        rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(Fault::TooLong);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok((number, rest));
        }
    }
    Err(Fault::TooLong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_comes_back_with_what_follows_it(number: u64, shift in 0_u32..64, rest: Vec<u8>) {
            let number = number >> shift;
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            prop_assert_eq!(bytes.len(), size(number));
            prop_assert_eq!(take(&bytes[..bytes.len() - 1]), Err(Fault::Ends));
            bytes.extend_from_slice(&rest);
            prop_assert_eq!(take(&bytes), Ok((number, rest.as_slice())));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert_eq!(take(&[0xff; 11]), Err(Fault::TooLong));
        let mut bytes = [0xff; 10];
        bytes[9] = 2;
        assert_eq!(take(&bytes), Err(Fault::TooLong));
        bytes[9] = 1;
        assert_eq!(take(&bytes), Ok((u64::MAX, &[][..])));
    }
}
