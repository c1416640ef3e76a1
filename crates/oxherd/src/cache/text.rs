//! Text that is written piece by piece, and lies where it is written as long as it is short.
//!
//! Every read writes its key, and two thirds of what a general vector took for that went into moving nothing and making no room.

use std::fmt;

/// Keys are rarely longer.
const SHORT: usize = 64;

/// Printable ASCII, as a [`KeyWriter`](super::KeyWriter) lets through.
#[derive(Clone)]
pub(super) struct Text {
    short: [u8; SHORT],
    /// How much of `short` is written. Once there is anything in `long`, everything is.
    len: usize,
    long: Vec<u8>,
}

impl Default for Text {
    #[inline]
    fn default() -> Self {
        Self {
            short: [0; SHORT],
            len: 0,
            long: Vec::new(),
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
        if self.long.is_empty() {
            self.short.get(..self.len).unwrap_or_default()
        } else {
            &self.long
        }
    }

    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.short.get_mut(self.len..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.extend_long(bytes),
        }
    }

    #[cold]
    fn extend_long(&mut self, bytes: &[u8]) {
        if self.long.is_empty() {
            self.long
                .extend_from_slice(self.short.get(..self.len).unwrap_or_default());
        }
        self.long.extend_from_slice(bytes);
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
        fn nothing_is_lost_where_short_becomes_long(first in 50_usize..80, second in 0_usize..30) {
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
