//! What a loader may say besides a value.
//!
//! A loader returns the value itself, an `Option` of it, or a [`Loaded`] with a time to live, a version or tags that only
//! the value knows. Next: `loading.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::freshness::LONGEST;
use super::key::Tag;
use super::loading::Fresh;
use super::space::AnyValue;

/// A value as its source gave it.
///
/// ```
/// use std::time::Duration;
/// use oxherd::cache::{Loaded, Tag};
///
/// let price = Loaded::new(1_290).version(7).tag(Tag::new("currency").with("EUR")).ttl(Duration::from_secs(30));
/// # let _ = price;
/// ```
#[derive(Clone, Debug)]
pub struct Loaded<V> {
    value: Option<V>,
    ttl: Option<Duration>,
    version: Option<u64>,
    tags: Vec<Tag>,
}

impl<V> Loaded<V> {
    /// A value.
    #[must_use]
    pub fn new(value: V) -> Self {
        Self::of(Some(value))
    }

    /// The knowledge that there is no such thing, kept for [`super::Freshness::negative_ttl`].
    #[must_use]
    pub fn absent() -> Self {
        Self::of(None)
    }

    fn of(value: Option<V>) -> Self {
        Self {
            value,
            ttl: None,
            version: None,
            tags: Vec::new(),
        }
    }

    /// How long it is fresh, instead of what the namespace says; more than 366 days are 366 days.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Its version at the source: a number that grows with every write of it (1 and up; 0 is none: add one where yours begin at 0).
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }

    /// Something else it depends on.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.tags.push(tag);
        self
    }

    /// Other things it depends on; together with those named by the caller at most 32.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags.extend(tags);
        self
    }
}

impl<V: Send + Sync + 'static> Loaded<V> {
    pub(crate) fn into_fresh(self) -> Fresh {
        Fresh {
            value: self.value.map(|value| Arc::new(value) as AnyValue),
            ttl: self.ttl.map(|ttl| ttl.min(LONGEST)),
            version: self.version,
            tags: self.tags,
        }
    }
}

impl<V> From<V> for Loaded<V> {
    fn from(value: V) -> Self {
        Self::new(value)
    }
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        Self::of(value)
    }
}
