//! The small form of hashes and sets: all elements in one allocation, without a pointer to any of them.
//!
//! A byte buffer with a little room at its end, plus the few numbers its owner keeps, in 24 bytes. What the
//! bytes mean is the owner's business; elements are usually preceded by their length (`put_length`).
//! Next: `hash.rs` and `set.rs`, the owners.

/// The most bytes a small collection may occupy.
pub(super) const PACKED_BYTES: usize = 4096;
/// The most elements of a small collection that is searched from its start.
pub(super) const PACKED_ENTRIES: usize = 128;
/// Less spare room than this is not worth giving back.
const WORTH_SHRINKING: usize = 64;

/// What an allocation of `len` bytes costs with the usual allocator.
pub(super) fn allocated(len: usize) -> usize {
    if len == 0 { 0 } else { rounded(len) + 8 }
}

/// The usable size of the block the allocator would give for `len` bytes.
fn rounded(len: usize) -> usize {
    ((len + 8).next_multiple_of(16) - 8).max(24)
}

/// A buffer, the number of elements in it, and two marks for its owner.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    used: u16,
    pub(super) count: u16,
    pub(super) mark: u8,
    /// Whether the collection notes its changes once it is large.
    pub(super) track: bool,
}

impl Packed {
    pub(super) fn new(track: bool) -> Self {
        Self {
            bytes: Box::default(),
            used: 0,
            count: 0,
            mark: 0,
            track,
        }
    }

    pub(super) fn used(&self) -> usize {
        usize::from(self.used)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used()).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let used = self.used();
        self.bytes.get_mut(..used).unwrap_or_default()
    }

    pub(super) fn memory(&self) -> usize {
        allocated(self.bytes.len())
    }

    /// Room for `added` more bytes at once, exactly.
    pub(super) fn reserve(&mut self, added: usize) {
        let wanted = self.used() + added;
        if wanted > self.bytes.len() {
            self.resize(rounded(wanted));
        }
    }

    /// Replaces `removed` bytes at `at` by `added` others, which the caller then writes. The result must not
    /// exceed `PACKED_BYTES`.
    pub(super) fn splice(&mut self, at: usize, removed: usize, added: usize) -> &mut [u8] {
        let used = self.used();
        debug_assert!(at + removed <= used && used - removed + added <= usize::from(u16::MAX));
        let wanted = used - removed + added;
        if wanted > self.bytes.len() {
            // Room in proportion, so that a collection that grows step by step is not moved at each of them.
            let spare = if self.bytes.is_empty() { 0 } else { wanted / 8 };
            self.resize(rounded(wanted + spare));
        }
        if removed != added && at + removed < used {
            self.bytes.copy_within(at + removed..used, at + added);
        }
        self.used = wanted as u16;
        if removed > added && self.bytes.len() > wanted * 2 + WORTH_SHRINKING {
            self.resize(if wanted == 0 { 0 } else { rounded(wanted) });
        }
        self.bytes.get_mut(at..at + added).unwrap_or_default()
    }

    fn resize(&mut self, len: usize) {
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        bytes.reserve_exact(len.saturating_sub(bytes.len()));
        bytes.resize(len, 0);
        self.bytes = bytes.into_boxed_slice();
    }
}

/// Bytes a length takes when it is written before its element.
pub(super) fn length_size(length: usize) -> usize {
    if length < 0x80 { 1 } else { 2 }
}

/// Writes a length below 32768 and answers the rest of the room.
pub(super) fn put_length(room: &mut [u8], length: usize) -> &mut [u8] {
    if length < 0x80 {
        put(room, &[length as u8])
    } else {
        put(room, &[(length >> 8) as u8 | 0x80, length as u8])
    }
}

/// Writes bytes and answers the rest of the room.
pub(super) fn put<'a>(room: &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    match room.split_at_mut_checked(bytes.len()) {
        Some((place, rest)) => {
            place.copy_from_slice(bytes);
            rest
        }
        None => &mut [],
    }
}

/// Reads a length and answers it with what follows it.
#[inline]
pub(super) fn take_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return Some((usize::from(first), rest));
    }
    let (&second, rest) = rest.split_first()?;
    Some((usize::from(first & 0x7f) << 8 | usize::from(second), rest))
}

/// One of two iterators: that of the small form or that of the large one.
pub(super) enum Either<S, L> {
    Small(S),
    Large(L),
}

impl<T, S: Iterator<Item = T>, L: Iterator<Item = T>> Iterator for Either<S, L> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Small(small) => small.next(),
            Self::Large(large) => large.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Small(small) => small.size_hint(),
            Self::Large(large) => large.size_hint(),
        }
    }
}
