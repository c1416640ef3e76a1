//! The patterns of BY and GET: a key, or a field of a hash, whose name contains the element.
use std::borrow::Cow;

use crate::keyspace::{Database, Value};

/// A pattern, taken apart.
#[derive(Debug)]
pub(super) enum Pattern<'a> {
    /// `#`: the element itself.
    Itself,
    /// Without a star it is no key at all.
    Nothing,
    /// The star stands between the first two; the field is after `->`.
    Key {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    pub(super) fn read(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Itself;
        }
        let Some(star) = memchr::memchr(b'*', text) else {
            return Self::Nothing;
        };
        let (before, after) = text.split_at(star);
        let after = after.get(1..).unwrap_or_default();
        let arrow = memchr::memmem::find(after, b"->");
        // Without a name behind it, an arrow is a part of the key.
        let field = arrow
            .and_then(|arrow| after.get(arrow + 2..))
            .filter(|field| !field.is_empty());
        let after = match (field, arrow) {
            (Some(_), Some(arrow)) => after.get(..arrow).unwrap_or_default(),
            _ => after,
        };
        Self::Key { before, after, field }
    }
}

/// Finds what patterns name.
pub(super) struct Lookup<'a> {
    database: &'a Database,
    now: u64,
    key: Vec<u8>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(database: &'a Database, now: u64) -> Self {
        Self {
            database,
            now,
            key: Vec::new(),
        }
    }

    /// The value that a pattern names for an element.
    pub(super) fn find<'e>(&mut self, pattern: &Pattern<'_>, element: &'e [u8]) -> Option<Cow<'e, [u8]>>
    where
        'a: 'e,
    {
        let (before, after, field) = match pattern {
            Pattern::Itself => return Some(Cow::Borrowed(element)),
            Pattern::Nothing => return None,
            Pattern::Key { before, after, field } => (before, after, field),
        };
        self.key.clear();
        for part in [before, element, after] {
            self.key.extend_from_slice(part);
        }
        let entry = self
            .database
            .get(&self.key)
            .filter(|entry| entry.expires > self.now)?;
        match (&entry.value, field) {
            (Value::String(value), None) => Some(Cow::Borrowed(value)),
            (Value::Hash(hash), Some(field)) => hash.get(field).map(Cow::Borrowed),
            _ => None,
        }
    }
}
