//! The names of keys. Nothing else in Rust spells one; scripts build theirs from the same prefix.

use std::sync::Arc;

use crate::queue::QueueName;

/// The keys of one queue.
#[derive(Clone, Debug)]
pub(crate) struct QueueKeys {
    prefix: Arc<str>,
}

impl QueueKeys {
    pub(crate) fn new(store_prefix: &str, queue: &QueueName) -> Self {
        Self {
            prefix: format!("{store_prefix}:{queue}:").into(),
        }
    }

    /// What every key of the queue starts with; `KEYS[1]` of its scripts.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn marker(&self) -> String {
        format!("{}marker", self.prefix)
    }

    pub(crate) fn events(&self) -> String {
        format!("{}events", self.prefix)
    }

    pub(crate) fn logs(&self, id: &str) -> String {
        format!("{}{id}:logs", self.prefix)
    }

    /// The keys that belong to the queue itself, with the type each must have.
    pub(crate) fn typed(&self) -> impl Iterator<Item = (String, &'static str)> {
        const TYPES: [(&str, &str); 17] = [
            ("wait", "list"),
            ("active", "list"),
            ("paused", "list"),
            ("prioritized", "zset"),
            ("delayed", "zset"),
            ("waiting-children", "zset"),
            ("completed", "zset"),
            ("failed", "zset"),
            ("marker", "zset"),
            ("events", "stream"),
            ("meta", "hash"),
            ("id", "string"),
            ("pc", "string"),
            ("stalled", "set"),
            ("stalled-check", "string"),
            ("limiter", "string"),
            ("repeat", "zset"),
        ];
        TYPES
            .iter()
            .map(|(name, kind)| (format!("{}{name}", self.prefix), *kind))
    }
}

/// The channel that says whose lease on a key ended while somebody waited.
pub(crate) fn cache_wakes(store_prefix: &str) -> String {
    format!("{store_prefix}:cache:wake")
}

/// The channel that says what changed, for those who may not track.
pub(crate) fn cache_changes(store_prefix: &str) -> String {
    format!("{store_prefix}:cache:changed")
}

/// The pattern that finds every queue of a prefix: each has a `meta` key.
pub(crate) fn queue_pattern(store_prefix: &str) -> String {
    let mut pattern = String::with_capacity(store_prefix.len() + 7);
    for character in store_prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push_str(":*:meta");
    pattern
}

/// The queue's name in a key that [`queue_pattern`] found.
pub(crate) fn queue_in<'a>(store_prefix: &str, key: &'a str) -> Option<&'a str> {
    key.strip_prefix(store_prefix)?
        .strip_prefix(':')?
        .strip_suffix(":meta")
        .filter(|name| !name.contains(':'))
}
