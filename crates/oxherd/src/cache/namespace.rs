//! A namespace: one kind of values, with one kind of keys.
//!
//! Handles are cheap to clone. A handle of a tenant sees the entries of that tenant alone.
//! Next: `get.rs`, `load.rs`, `write.rs`, `invalidate.rs` (what can be done with it).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::key::{CacheKey, KeyText, check_name};
use super::space::{Call, Site};
use super::stats::NamespaceStats;
use crate::error::Result;

/// Values of type `V` by keys of type `K`.
pub struct Namespace<K: ?Sized, V> {
    pub(crate) site: Site,
    pub(crate) tenant: Arc<str>,
    kinds: PhantomData<fn(&K) -> V>,
}

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    pub(crate) fn at(site: Site) -> Self {
        Self {
            site,
            tenant: "".into(),
            kinds: PhantomData,
        }
    }

    /// The same namespace for one tenant: its keys and tags are its own, and [`Self::clear`] clears nothing else.
    ///
    /// # Errors
    /// [`crate::Error::CacheName`].
    pub fn tenant(&self, tenant: &str) -> Result<Self> {
        check_name("tenant", tenant)?;
        Ok(Self {
            site: self.site.clone(),
            tenant: tenant.into(),
            kinds: PhantomData,
        })
    }

    /// Its name with its version, as `name@version`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.site.space.name
    }

    /// What this process counted of it.
    #[must_use]
    pub fn stats(&self) -> NamespaceStats {
        self.site.stats()
    }

    #[inline]
    pub(crate) fn key(&self, key: &K) -> Result<KeyText> {
        KeyText::of(&self.tenant, key)
    }

    pub(crate) fn call(&self) -> Call {
        Call::of(&self.tenant)
    }
}

impl<K: ?Sized, V> Clone for Namespace<K, V> {
    fn clone(&self) -> Self {
        Self {
            site: self.site.clone(),
            tenant: Arc::clone(&self.tenant),
            kinds: PhantomData,
        }
    }
}

impl<K: ?Sized, V> fmt::Debug for Namespace<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.site.space.name)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}
