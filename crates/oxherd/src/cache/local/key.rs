//! Keys of the table: a namespace and the text `TENANT:KEY`, looked up without an allocation.
//!
//! The text is allocated once for a read's mark and the entry that it makes. To keep short texts within the key
//! made look-ups no faster and the table larger.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::Equivalent;

/// How keys, tags and marks are hashed: seeded per process, so that nobody can choose texts that collide.
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
    text: Arc<[u8]>,
    namespace: NamespaceNumber,
}

/// A key as a caller has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRef<'a> {
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

    pub(super) fn borrowed(&self) -> KeyRef<'_> {
        KeyRef::new(self.namespace, &self.text)
    }
}

impl<'a> KeyRef<'a> {
    pub(super) const fn new(namespace: NamespaceNumber, text: &'a [u8]) -> Self {
        Self { text, namespace }
    }

    pub(super) fn to_key(self) -> Key {
        Key {
            text: self.text.into(),
            namespace: self.namespace,
        }
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // No length: only one text follows the namespace.
        state.write_u32(self.namespace.0);
        state.write(self.text);
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.borrowed().hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.namespace == key.namespace && self.text == &*key.text
    }
}
