//! Numbers and byte strings: seven bits a byte, the lowest first; strings after their length.
//!
//! Next: `write.rs`, `read.rs`.

use super::{Garbled, Trouble};

#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Small numbers of either sign become small numbers.
pub(super) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

pub(super) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Reads a payload from its start to its end.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self {
            rest: payload,
            length: payload.len(),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    /// Room to be made for so many parts: no more than the payload can hold, nor than is read soon.
    pub(super) fn room_for(&self, count: u64) -> usize {
        const AT_ONCE: usize = 128;
        usize::try_from(count).map_or(AT_ONCE, |count| count.min(AT_ONCE).min(self.rest.len()))
    }

    pub(super) fn garbled(&self, trouble: Trouble) -> Garbled {
        let offset = self.offset();
        Garbled { offset, trouble }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Garbled> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err(self.garbled(Trouble::CutOff));
        };
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, Garbled> {
        match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*first))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Garbled> {
        let (mut number, mut shift, mut rest) = (0_u64, 0, self.rest);
        loop {
            let Some((byte, others)) = rest.split_first() else {
                return Err(self.garbled(Trouble::CutOff));
            };
            rest = others;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && *byte > 1 {
                return Err(self.garbled(Trouble::NumberTooLong));
            }
            number |= bits << shift;
            if *byte < 0x80 {
                self.rest = rest;
                return Ok(number);
            }
            shift += 7;
        }
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Garbled> {
        let start = self.clone();
        let length = self.number()?;
        self.take(length).ok_or_else(|| start.garbled(Trouble::CutOff))
    }

    #[inline]
    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn eight_bytes(&mut self) -> Result<[u8; 8], Garbled> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.garbled(Trouble::CutOff));
        };
        self.rest = rest;
        Ok(*bytes)
    }
}
