//! Text that is written piece by piece, and lies where it is written as long as it is short.
//!
//! Every read writes its key, and two thirds of what a general vector took for that went into moving nothing and making no room.

use std::fmt;

/// Keys are rarely longer; and a call with its key is still moved without the help of a function.
const SHORT: usize = 56;

/// Printable ASCII, as a [`KeyWriter`](super::KeyWriter) lets through.
#[derive(Clone)]
pub(super) struct Text {
    short: [u8; SHORT],
    /// How much of `short` is written.
    len: usize,
    /// Everything, once it is longer than that.
    #[expect(
        clippy::box_collection,
        reason = "a third as large, where it mostly is nothing"
    )]
    long: Option<Box<Vec<u8>>>,
}

impl Default for Text {
    #[inline]
    fn default() -> Self {
        Self {
            short: [0; SHORT],
            len: 0,
            long: None,
        }
    }
}

impl Text {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.long {
            None => self.written(),
            Some(long) => long,
        }
    }

    #[inline]
    fn written(&self) -> &[u8] {
        self.short.get(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.short.get_mut(self.len..end) {
            Some(room) if self.long.is_none() => {
                copy(room, bytes);
                self.len = end;
            }
            _ => self.extend_long(bytes),
        }
    }

    #[cold]
    fn extend_long(&mut self, bytes: &[u8]) {
        let written = self.short.get(..self.len).unwrap_or_default();
        let long = self.long.get_or_insert_with(|| Box::new(written.to_vec()));
        long.extend_from_slice(bytes);
    }
}

/// Both are as long as each other. Most texts are two words that overlap: to write them costs less than to ask a function to.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) {
    if from.len() <= 16
        && to.len() == from.len()
        && let (Some(first), Some(last)) = (from.first_chunk::<8>(), from.last_chunk::<8>())
    {
        if let Some(to) = to.first_chunk_mut() {
            *to = *first;
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = *last;
        }
    } else {
        to.copy_from_slice(from);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::Text;

    proptest! {
        #[test]
        fn what_was_written_is_there_however_it_was_cut(pieces: Vec<Vec<u8>>) {
            let mut text = Text::default();
            for piece in &pieces {
                match piece.as_slice() {
                    [byte] => text.push(*byte),
                    piece => text.extend(piece),
                }
                prop_assert_eq!(text.len(), text.as_bytes().len());
            }
            prop_assert_eq!(text.as_bytes(), pieces.concat());
        }

        #[test]
        fn nothing_is_lost_where_short_becomes_long(first in 40_usize..70, second in 0_usize..30) {
            let mut text = Text::default();
            for part in [first, second] {
                text.extend(&vec![b'a'; part]);
                text.push(b':');
            }
            let expected = format!("{}:{}:", "a".repeat(first), "a".repeat(second));
            prop_assert_eq!(text.as_bytes(), expected.as_bytes());
        }
    }
}
