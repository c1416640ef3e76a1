//! The bytes of one member: short ones within the entry, longer ones in a box of their own.
//!
//! Identifiers (numbers, short names) need no allocation and no second cache line.
//! Next: `members.rs` (the pages these entries live in).

use crate::keyspace::packed::allocated;

/// What fits beside tag and length in 24 bytes, the size an enum with a boxed slice has anyway.
const INLINE: usize = 22;

#[derive(Clone, Debug)]
pub(super) enum Member {
    Inline {
        length: u8,
        bytes: [u8; INLINE],
    },
    Heap(Box<[u8]>),
    /// No member: the slot is free and names the next free slot of its page.
    Vacant(u16),
}

impl Member {
    pub(super) fn new(member: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..member.len()), u8::try_from(member.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(member);
                Self::Inline { length, bytes }
            }
            _ => Self::Heap(member.into()),
        }
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
            Self::Vacant(_) => &[],
        }
    }

    pub(super) fn is_vacant(&self) -> bool {
        matches!(self, Self::Vacant(_))
    }

    pub(super) fn into_boxed(self) -> Box<[u8]> {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Inline { .. } | Self::Vacant(_) => self.as_slice().into(),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Heap(bytes) => allocated(bytes.len()),
            Self::Inline { .. } | Self::Vacant(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_keeps_its_bytes_in_either_form() {
        for length in [0, 1, INLINE, INLINE + 1, 300, 70_000] {
            let bytes = vec![7; length];
            let member = Member::new(&bytes);
            assert_eq!(member.as_slice(), bytes);
            assert_eq!(member.heap() == 0, length <= INLINE);
            assert_eq!(&*member.into_boxed(), bytes);
        }
        assert_eq!(size_of::<Member>(), 24);
    }
}
