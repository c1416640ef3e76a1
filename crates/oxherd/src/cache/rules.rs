//! What a change makes untrue, in one table: "when this changes, drop these keys and tags".
//!
//! Handlers, event consumers and admin actions then say what changed, and nobody needs to remember which caches know of it.
//! Next: `write.rs`, `invalidate.rs`.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use futures_util::future::{BoxFuture, join_all};
use serde::de::DeserializeOwned;

use super::key::{CacheKey, Tag};
use super::namespace::Namespace;
use crate::error::{Error, Result};

type Action = Arc<dyn Fn(&dyn Any, Option<&str>) -> BoxFuture<'static, Result<Applied>> + Send + Sync>;
type Parse = Arc<dyn Fn(&[u8]) -> Result<Box<dyn Any + Send + Sync>, serde_json::Error> + Send + Sync>;
type TenantOf = Arc<dyn Fn(&dyn Any) -> Option<String> + Send + Sync>;

/// A table of invalidations by kinds of changes; cheap to clone.
///
/// ```
/// use oxherd::Oxherd;
/// use oxherd::cache::{Rules, Tag};
///
/// struct PriceChanged {
///     product: u64,
///     currency: String,
/// }
///
/// # #[tokio::main]
/// # async fn main() -> oxherd::Result<()> {
/// let cache = Oxherd::connect("memory:").await?.cache();
/// let products = cache.namespace::<u64, String>("products").open()?;
/// let baskets = cache.namespace::<u64, f64>("baskets").open()?;
///
/// let rules = Rules::new()
///     .remove(&products, |change: &PriceChanged| vec![change.product])
///     .invalidate(&baskets, |change: &PriceChanged| vec![Tag::new("currency").with(&change.currency)]);
///
/// // After the commit:
/// rules.apply(&PriceChanged { product: 7, currency: "EUR".to_owned() }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Rules {
    actions: HashMap<TypeId, Vec<Action>>,
    tenants: HashMap<TypeId, TenantOf>,
    names: HashMap<String, (TypeId, Parse)>,
}

/// What a change made a miss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Keys.
    pub keys: u64,
    /// Tags.
    pub tags: u64,
    /// Whole namespaces, or tenants of them.
    pub cleared: u64,
}

impl Rules {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// On a change of this type these keys are removed.
    #[must_use]
    pub fn remove<C, K, V>(
        self,
        namespace: &Namespace<K, V>,
        keys: impl Fn(&C) -> Vec<K> + Send + Sync + 'static,
    ) -> Self
    where
        C: 'static,
        K: CacheKey + Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        let found = move |change: &C| Some(keys(change));
        self.on(namespace, found, |namespace, keys| async move {
            namespace.remove_many(&keys).await?;
            Ok(Applied {
                keys: keys.len() as u64,
                ..Applied::default()
            })
        })
    }

    /// On a change of this type these tags are invalidated.
    #[must_use]
    pub fn invalidate<C, K, V>(
        self,
        namespace: &Namespace<K, V>,
        tags: impl Fn(&C) -> Vec<Tag> + Send + Sync + 'static,
    ) -> Self
    where
        C: 'static,
        K: CacheKey + ?Sized + 'static,
        V: Send + Sync + 'static,
    {
        let found = move |change: &C| Some(tags(change));
        self.on(namespace, found, |namespace, tags| async move {
            namespace.invalidate(&tags).await?;
            Ok(Applied {
                tags: tags.len() as u64,
                ..Applied::default()
            })
        })
    }

    /// On a change of this type for which `applies` says so, the namespace is cleared (for a change of a tenant: of that tenant).
    #[must_use]
    pub fn clear<C, K, V>(
        self,
        namespace: &Namespace<K, V>,
        applies: impl Fn(&C) -> bool + Send + Sync + 'static,
    ) -> Self
    where
        C: 'static,
        K: CacheKey + ?Sized + 'static,
        V: Send + Sync + 'static,
    {
        let found = move |change: &C| applies(change).then_some(());
        self.on(namespace, found, |namespace, ()| async move {
            namespace.clear().await?;
            Ok(Applied {
                cleared: 1,
                ..Applied::default()
            })
        })
    }

    /// Changes of this type belong to a tenant, whose entries alone are concerned. It is told as a `String`, or as an `Option` of it where some
    /// changes belong to none: those concern the entries that have no tenant, and what they clear is the namespace with all its tenants, as
    /// without this rule.
    #[must_use]
    pub fn tenant_of<C, T>(mut self, tenant: impl Fn(&C) -> T + Send + Sync + 'static) -> Self
    where
        C: 'static,
        T: Into<Option<String>>,
    {
        let of_any = move |change: &dyn Any| tenant(change.downcast_ref::<C>()?).into();
        self.tenants.insert(TypeId::of::<C>(), Arc::new(of_any));
        self
    }

    /// Changes of this type come as JSON under this name too: see [`Self::apply_json`].
    #[must_use]
    pub fn named<C: DeserializeOwned + Send + Sync + 'static>(mut self, name: &str) -> Self {
        let parse: Parse = Arc::new(|json| Ok(Box::new(serde_json::from_slice::<C>(json)?)));
        self.names.insert(name.to_owned(), (TypeId::of::<C>(), parse));
        self
    }

    /// Makes everything a miss that this change makes untrue; to be called after its commit. Every rule is tried.
    ///
    /// # Errors
    /// [`Error::CacheOption`] when no rule is for changes of this type, [`Error::CacheName`] when its tenant cannot be one (an empty one
    /// cannot: say `None`); else the first error of any rule, as of [`Namespace::remove`].
    pub async fn apply<C: Send + Sync + 'static>(&self, change: &C) -> Result<Applied> {
        self.apply_any(TypeId::of::<C>(), type_name::<C>(), change).await
    }

    /// As [`Self::apply`], for a change that came by name and as JSON.
    ///
    /// # Errors
    /// As [`Self::apply`], and [`Error::Data`] when the JSON is not that change.
    pub async fn apply_json(&self, name: &str, json: &[u8]) -> Result<Applied> {
        let Some((kind, parse)) = self.names.get(name) else {
            return Err(unknown(name));
        };
        let change = parse(json).map_err(|error| Error::Data {
            name: name.to_owned(),
            source: error.into(),
        })?;
        self.apply_any(*kind, name, &*change).await
    }

    async fn apply_any(&self, kind: TypeId, name: &str, change: &(dyn Any + Send + Sync)) -> Result<Applied> {
        let actions = self.actions.get(&kind).ok_or_else(|| unknown(name))?;
        let tenant = self.tenants.get(&kind).and_then(|tenant_of| tenant_of(change));
        let done = actions.iter().map(|action| action(change, tenant.as_deref()));
        let mut sum = Applied::default();
        for applied in join_all(done).await {
            let applied = applied?;
            sum.keys += applied.keys;
            sum.tags += applied.tags;
            sum.cleared += applied.cleared;
        }
        Ok(sum)
    }

    /// What is `found` in a change is done in the namespace, or for its tenant there; nothing is where nothing is found.
    fn on<C, K, V, W, Done>(
        self,
        namespace: &Namespace<K, V>,
        found: impl Fn(&C) -> Option<W> + Send + Sync + 'static,
        act: impl Fn(Namespace<K, V>, W) -> Done + Send + Sync + 'static,
    ) -> Self
    where
        C: 'static,
        K: CacheKey + ?Sized + 'static,
        V: Send + Sync + 'static,
        Done: Future<Output = Result<Applied>> + Send + 'static,
    {
        let namespace = namespace.clone();
        self.with::<C>(move |change, tenant| {
            let Some(what) = found(change) else {
                return Box::pin(ready(Ok(Applied::default())));
            };
            match of_tenant(&namespace, tenant) {
                Ok(namespace) => Box::pin(act(namespace, what)),
                Err(error) => Box::pin(ready(Err(error))),
            }
        })
    }

    fn with<C: 'static>(
        mut self,
        action: impl Fn(&C, Option<&str>) -> BoxFuture<'static, Result<Applied>> + Send + Sync + 'static,
    ) -> Self {
        let of_any = move |change: &dyn Any, tenant: Option<&str>| match change.downcast_ref::<C>() {
            Some(change) => action(change, tenant),
            // Actions are found by the type of the change.
            None => Box::pin(ready(Ok(Applied::default()))) as BoxFuture<'static, Result<Applied>>,
        };
        self.actions
            .entry(TypeId::of::<C>())
            .or_default()
            .push(Arc::new(of_any));
        self
    }
}

fn of_tenant<K, V>(namespace: &Namespace<K, V>, tenant: Option<&str>) -> Result<Namespace<K, V>>
where
    K: CacheKey + ?Sized,
    V: Send + Sync + 'static,
{
    match tenant {
        Some(tenant) => namespace.tenant(tenant),
        None => Ok(namespace.clone()),
    }
}

fn unknown(name: &str) -> Error {
    Error::CacheOption {
        option: "rules",
        reason: format!("no rule is for changes of {name:?}"),
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("changes", &self.actions.len())
            .field("names", &self.names.keys())
            .finish_non_exhaustive()
    }
}
