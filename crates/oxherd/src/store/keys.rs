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

/// The keys of one namespace of the cache: `PREFIX:cache:{NAME@VERSION}:`, then what it is, then `TENANT:NAME:`.
#[derive(Clone, Debug)]
pub(crate) struct CacheKeys {
    prefix: Arc<str>,
}

impl CacheKeys {
    pub(crate) fn new(store_prefix: &str, namespace: &str) -> Self {
        Self {
            prefix: format!("{store_prefix}:cache:{{{namespace}}}:").into(),
        }
    }

    /// What every key of the namespace starts with; `KEYS[1]` of its scripts.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The namespace's incarnation.
    pub(crate) fn incarnation(&self) -> Vec<u8> {
        self.named("n", b"")
    }

    /// Its settings, and the totals of what was counted in it.
    pub(crate) fn totals(&self) -> Vec<u8> {
        self.named("c", b"")
    }

    /// The entry of `TENANT:KEY:`.
    pub(crate) fn entry(&self, key: &[u8]) -> Vec<u8> {
        self.named("e:", key)
    }

    /// The stamp of `TENANT:TAG:`.
    pub(crate) fn stamp(&self, tag: &[u8]) -> Vec<u8> {
        self.named("t:", tag)
    }

    /// The lease of `TENANT:KEY:`.
    pub(crate) fn lease(&self, key: &[u8]) -> Vec<u8> {
        self.named("l:", key)
    }

    /// The fence of `TENANT:KEY:`.
    pub(crate) fn fence(&self, key: &[u8]) -> Vec<u8> {
        self.named("f:", key)
    }

    /// The pattern of entries whose `TENANT:KEY:` has this pattern.
    pub(crate) fn entries_pattern(&self, names: &str) -> String {
        format!("{}e:{names}", literal(&self.prefix))
    }

    /// The same of leases. Who removes what he finds looks for leases first: a load that ends meanwhile has left its entry before
    /// entries are looked for.
    pub(crate) fn leases_pattern(&self, names: &str) -> String {
        format!("{}l:{names}", literal(&self.prefix))
    }

    /// `TENANT:KEY:` of a key that a pattern of entries or leases found.
    pub(crate) fn name_in<'a>(&self, key: &'a [u8]) -> Option<&'a [u8]> {
        let (kind, name) = key.strip_prefix(self.prefix.as_bytes())?.split_at_checked(2)?;
        matches!(kind, b"e:" | b"l:").then_some(name)
    }

    /// What a process that keeps entries of its own must be told of.
    pub(crate) fn watched(&self) -> [Vec<u8>; 3] {
        [self.named("e:", b""), self.named("t:", b""), self.named("n", b"")]
    }

    fn named(&self, kind: &str, name: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), name].concat()
    }
}

/// What all keys and channels of the cache start with.
pub(crate) fn cache_prefix(store_prefix: &str) -> String {
    format!("{store_prefix}:cache:")
}

/// What is known of the caches of all processes: reports, and who and what there is. No namespace is called so: theirs have a version.
#[derive(Clone, Debug)]
pub(crate) struct FleetKeys {
    prefix: Arc<str>,
}

impl FleetKeys {
    pub(crate) fn new(store_prefix: &str) -> Self {
        Self {
            prefix: format!("{store_prefix}:cache:{{all}}:").into(),
        }
    }

    /// What all of them start with; `KEYS[1]` of their scripts.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The processes, by when their reports end.
    pub(crate) fn processes(&self) -> String {
        format!("{}processes", self.prefix)
    }

    /// The namespaces, by when they are forgotten.
    pub(crate) fn namespaces(&self) -> String {
        format!("{}namespaces", self.prefix)
    }

    /// What a process reported last.
    pub(crate) fn report(&self, process: &str) -> String {
        format!("{}r:{process}:", self.prefix)
    }

    /// What belongs to no namespace, summed up over all processes that ever were.
    pub(crate) fn totals(&self) -> String {
        format!("{}c", self.prefix)
    }
}

/// What a key of the cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheKeyKind<'a> {
    /// The incarnation of its namespace.
    Incarnation,
    /// The entry of `TENANT:KEY:`.
    Entry(&'a [u8]),
    /// The stamp of `TENANT:TAG:`.
    Stamp(&'a [u8]),
}

/// The namespace and kind of a key that holds what others depend on; `None` for every other key.
pub(crate) fn cache_key_in<'a>(cache_prefix: &str, key: &'a [u8]) -> Option<(&'a [u8], CacheKeyKind<'a>)> {
    let rest = key.strip_prefix(cache_prefix.as_bytes())?.strip_prefix(b"{")?;
    let end = rest.windows(2).position(|pair| pair == b"}:")?;
    let (namespace, rest) = rest.split_at_checked(end)?;
    let kind = match rest.strip_prefix(b"}:")? {
        b"n" => CacheKeyKind::Incarnation,
        rest => match rest.split_first_chunk::<2>()? {
            (b"e:", name) => CacheKeyKind::Entry(name),
            (b"t:", name) => CacheKeyKind::Stamp(name),
            _ => return None,
        },
    };
    Some((namespace, kind))
}

/// The keys of one lock, on one node of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct LockKeys {
    /// Who holds it: `KEYS[1]` of its scripts.
    pub(crate) lease: String,
    /// The number of its last holder.
    pub(crate) fence: String,
    /// Where those who wait hear of its release.
    pub(crate) wake: String,
}

impl LockKeys {
    pub(crate) fn new(store_prefix: &str, name: &str) -> Self {
        Self {
            lease: format!("{store_prefix}:lock:{{{name}}}:l"),
            fence: format!("{store_prefix}:lock:{{{name}}}:f"),
            wake: format!("{store_prefix}:lock:wake"),
        }
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
    format!("{}:*:meta", literal(store_prefix))
}

/// The pattern that matches this text alone.
pub(crate) fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// The queue's name in a key that [`queue_pattern`] found.
pub(crate) fn queue_in<'a>(store_prefix: &str, key: &'a str) -> Option<&'a str> {
    key.strip_prefix(store_prefix)?
        .strip_prefix(':')?
        .strip_suffix(":meta")
        .filter(|name| !name.contains(':'))
}
