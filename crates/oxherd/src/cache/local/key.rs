//! Keys of the table: a namespace and the text `TENANT:KEY`, looked up without an allocation.
//!
//! The text is allocated once for a read's mark and the entry that it makes. To keep short texts within the key
//! made look-ups no faster and the table larger.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;

/// How keys and tags are hashed: seeded, so that nobody can choose texts that collide.
pub(super) type Hashing = foldhash::quality::SeedableRandomState;

/// With a seed, the same one each time: names whose hashes meet share what is remembered of them, so that what is kept depends on it.
pub(super) fn hashing(seed: Option<u64>) -> Hashing {
    seed.map_or_else(Hashing::random, |seed| {
        Hashing::with_seed(seed, foldhash::SharedSeed::global_fixed())
    })
}

/// A namespace as this process numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NamespaceNumber(pub(crate) u32);

/// A key as the table keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    hash: u64,
    text: Arc<[u8]>,
    namespace: NamespaceNumber,
}

/// A key as a caller has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRef<'a> {
    hash: u64,
    text: &'a [u8],
    namespace: NamespaceNumber,
}

impl Key {
    pub(super) const fn namespace(&self) -> NamespaceNumber {
        self.namespace
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn borrowed(&self) -> KeyRef<'_> {
        let Self {
            hash,
            text,
            namespace,
        } = self;
        KeyRef {
            hash: *hash,
            text,
            namespace: *namespace,
        }
    }
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(super) fn new(hashing: &Hashing, namespace: NamespaceNumber, text: &'a [u8]) -> Self {
        let mut hasher = hashing.build_hasher();
        // No length: only one text follows the namespace.
        hasher.write_u32(namespace.0);
        hasher.write(text);
        Self {
            hash: hasher.finish(),
            text,
            namespace,
        }
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            text: self.text.into(),
            namespace: self.namespace,
        }
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && self.namespace == key.namespace && are_equal(self.text, &key.text)
    }
}

/// As `==`, which asks a function: nearly all keys are two ends that overlap.
#[inline]
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    match one.len() {
        length if length != other.len() => false,
        8..=16 => ends::<8>(one) == ends(other),
        17..=32 => ends::<16>(one) == ends(other),
        _ => one == other,
    }
}

#[inline]
fn ends<const N: usize>(text: &[u8]) -> Option<(&[u8; N], &[u8; N])> {
    text.first_chunk().zip(text.last_chunk())
}

#[cfg(test)]
mod tests {
    use super::are_equal;

    #[test]
    fn texts_are_equal_when_all_their_bytes_are() {
        for length in 0..=40 {
            let text = vec![b'a'; length];
            assert!(are_equal(&text, &text.clone()), "{length}");
            assert!(!are_equal(&text, &vec![b'a'; length + 1]), "{length}");
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'b';
                assert!(!are_equal(&text, &other), "{at} of {length}");
            }
        }
    }
}
