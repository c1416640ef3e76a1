//! A namespace that knows its source: reading is all a caller does.
//!
//! A loader that is given once makes call sites short, lets values be refreshed and warmed up without a caller, and turns any
//! asynchronous function of one argument into a cached one.
//! Next: `load.rs` (loaders of single calls).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};

use super::builder::NamespaceBuilder;
use super::key::CacheKey;
use super::load::{GetOrLoad, Maybe, Value};
use super::loaded::Loaded;
use super::namespace::Namespace;
use crate::error::{Cause, Result};

type Load<K, V> = Arc<dyn Fn(K) -> BoxFuture<'static, Result<Loaded<V>, Cause>> + Send + Sync>;
type TenantLoad<K, V> = Arc<dyn Fn(String, K) -> BoxFuture<'static, Result<Loaded<V>, Cause>> + Send + Sync>;
type CallLoad<V> = Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded<V>, Cause>> + Send>;

/// How many values are warmed up at once.
const WARMING: usize = 16;

/// A namespace with its loader.
///
/// ```
/// use oxherd::Oxherd;
///
/// async fn square(n: u64) -> Result<u64, std::convert::Infallible> {
///     Ok(n * n)
/// }
///
/// # #[tokio::main]
/// # async fn main() -> oxherd::Result<()> {
/// let oxherd = Oxherd::connect("memory:").await?;
/// let squares = oxherd.cache().namespace("squares").read_through(square)?;
/// assert_eq!(*squares.get(&12).await?, 144);
/// # Ok(())
/// # }
/// ```
pub struct ReadThrough<K, V> {
    namespace: Namespace<K, V>,
    load: Load<K, V>,
}

/// A namespace of tenants with their loader, which is told the tenant. Values are read through the handle of one of them.
///
/// ```
/// use oxherd::Oxherd;
///
/// async fn title(tenant: String, page: u64) -> Result<String, std::convert::Infallible> {
///     Ok(format!("page {page} of {tenant}"))
/// }
///
/// # #[tokio::main]
/// # async fn main() -> oxherd::Result<()> {
/// let oxherd = Oxherd::connect("memory:").await?;
/// let titles = oxherd.cache().namespace("titles").read_through_tenants(title)?;
/// assert_eq!(*titles.tenant("acme")?.get(&12).await?, "page 12 of acme");
/// # Ok(())
/// # }
/// ```
pub struct ReadThroughTenants<K, V> {
    namespace: Namespace<K, V>,
    load: TenantLoad<K, V>,
}

/// What a warm-up did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmUp {
    /// How many values are there now, whether they were loaded or had been there.
    pub warm: usize,
    /// How many keys have no value.
    pub absent: usize,
    /// How many failed, and what the first of them said.
    pub failed: usize,
    /// What the first failure said.
    pub first_failure: Option<String>,
}

impl<K, V> NamespaceBuilder<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    /// Opens it with its loader.
    ///
    /// # Errors
    /// As [`NamespaceBuilder::open`].
    pub fn read_through<F, Fut, L, E>(self, load: F) -> Result<ReadThrough<K, V>>
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        Ok(self.open()?.read_through(load))
    }

    /// Opens it with a loader that is told the tenant, then the key.
    ///
    /// # Errors
    /// As [`NamespaceBuilder::open`].
    pub fn read_through_tenants<F, Fut, L, E>(self, load: F) -> Result<ReadThroughTenants<K, V>>
    where
        F: Fn(String, K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        Ok(self.open()?.read_through_tenants(load))
    }
}

impl<K, V> Namespace<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// This namespace with a loader. That of a tenant's handle is that tenant's alone; one for all of them is
    /// [`Self::read_through_tenants`].
    pub fn read_through<F, Fut, L, E>(&self, load: F) -> ReadThrough<K, V>
    where
        F: Fn(K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        let load = move |key: K| -> BoxFuture<'static, Result<Loaded<V>, Cause>> {
            let load = load(key);
            Box::pin(async move { load.await.map(Into::into).map_err(Into::into) })
        };
        ReadThrough {
            namespace: self.clone(),
            load: Arc::new(load),
        }
    }

    /// This namespace with a loader that is told the tenant, then the key.
    pub fn read_through_tenants<F, Fut, L, E>(&self, load: F) -> ReadThroughTenants<K, V>
    where
        F: Fn(String, K) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        let load = move |tenant: String, key: K| -> BoxFuture<'static, Result<Loaded<V>, Cause>> {
            let load = load(tenant, key);
            Box::pin(async move { load.await.map(Into::into).map_err(Into::into) })
        };
        ReadThroughTenants {
            namespace: self.clone(),
            load: Arc::new(load),
        }
    }
}

impl<K, V> ReadThrough<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Reads a value, and loads it when it is not there; as [`Namespace::get_or_load`].
    ///
    /// # Errors
    /// As [`Namespace::get_or_load`].
    pub fn get(&self, key: &K) -> GetOrLoad<'_, V, CallLoad<V>, Value> {
        self.namespace.read_or_load(key, self.loader(key))
    }

    /// Reads a value that may not exist; as [`Namespace::find_or_load`].
    ///
    /// # Errors
    /// As [`Namespace::find_or_load`].
    pub fn find(&self, key: &K) -> GetOrLoad<'_, V, CallLoad<V>, Maybe> {
        self.namespace.read_or_load(key, self.loader(key))
    }

    /// Loads a value anew in the background, unless somebody does already; what is there stays until then.
    ///
    /// # Errors
    /// [`crate::Error::CacheKey`].
    pub async fn refresh(&self, key: &K) -> Result<()> {
        let text = self.namespace.key(key)?;
        let call = self.namespace.call();
        let site = &self.namespace.site;
        let seen = if site.space.settings.keeps_shared() {
            site.read(&text, &call).await.unwrap_or_default().id
        } else {
            Default::default()
        };
        site.refresh(
            &text,
            call,
            super::load::loader_of::<V, _, _, _, _>(self.loader(key)),
            seen,
        );
        Ok(())
    }

    /// Reads these keys, so that they are warm: at most 16 loads at once. Failures do not stop it.
    pub async fn warm_up(&self, keys: impl IntoIterator<Item = K>) -> WarmUp {
        let reads = stream::iter(keys).map(|key| async move { self.find(&key).await });
        let mut results = std::pin::pin!(reads.buffer_unordered(WARMING));
        let mut report = WarmUp::default();
        while let Some(result) = results.next().await {
            match result {
                Ok(Some(_)) => report.warm += 1,
                Ok(None) => report.absent += 1,
                Err(error) => {
                    report.failed += 1;
                    report.first_failure.get_or_insert_with(|| error.to_string());
                }
            }
        }
        report
    }

    /// The namespace, to write and invalidate.
    #[must_use]
    pub fn namespace(&self) -> &Namespace<K, V> {
        &self.namespace
    }

    fn loader(&self, key: &K) -> CallLoad<V> {
        let (load, key) = (Arc::clone(&self.load), key.clone());
        Box::new(move || load(key))
    }
}

impl<K, V> ReadThroughTenants<K, V>
where
    K: CacheKey + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The values of one tenant. Take it from the authenticated caller.
    ///
    /// # Errors
    /// [`crate::Error::CacheName`].
    pub fn tenant(&self, tenant: &str) -> Result<ReadThrough<K, V>> {
        let (load, name) = (Arc::clone(&self.load), tenant.to_owned());
        Ok(ReadThrough {
            namespace: self.namespace.tenant(tenant)?,
            load: Arc::new(move |key| load(name.clone(), key)),
        })
    }

    /// The namespace of all tenants, to clear it.
    #[must_use]
    pub fn namespace(&self) -> &Namespace<K, V> {
        &self.namespace
    }
}

impl<K, V> Clone for ReadThrough<K, V> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            load: Arc::clone(&self.load),
        }
    }
}

impl<K, V> std::fmt::Debug for ReadThrough<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl<K, V> Clone for ReadThroughTenants<K, V> {
    fn clone(&self) -> Self {
        Self {
            namespace: self.namespace.clone(),
            load: Arc::clone(&self.load),
        }
    }
}

impl<K, V> std::fmt::Debug for ReadThroughTenants<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThroughTenants")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
