//! Reading what is there, and loading what is not.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;

use super::get::{Answer, value_of};
use super::key::{CacheKey, KeyText, KeyWriter, Tag};
use super::loaded::Loaded;
use super::loading::{LoadFuture, Loader};
use super::namespace::Namespace;
use super::space::{Site, Wishes};
use super::stats::Tier;
use crate::error::{Cause, Error, Result};

/// A read with a loader; set options, then `.await` it.
#[derive(Debug)]
#[must_use = "nothing is read until it is awaited"]
pub struct GetOrLoad<'a, V, F, M> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    key: KeyWriter,
    wishes: Wishes,
    loader: F,
    kind: PhantomData<fn() -> (V, M)>,
}

/// The value must exist.
#[derive(Debug)]
pub enum Value {}

/// The value may be absent.
#[derive(Debug)]
pub enum Maybe {}

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Reads a value, and loads it when it is not there: one load for all who wait in this process, and one process at a
    /// time. The load goes on when its callers go away. The loader returns a value, or a [`Loaded`] that says more of it.
    ///
    /// A store that is slow or away costs its deadline once; then the loader answers.
    ///
    /// # Errors
    /// [`Error::Load`] when the loader failed and nothing stale may be served instead, [`Error::Absent`] when it said that there is no such
    /// value, [`Error::BehindVersion`], [`Error::CacheKey`].
    #[inline]
    pub fn get_or_load<F, Fut, L, E>(&self, key: &K, loader: F) -> GetOrLoad<'_, V, F, Value>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        self.read_or_load(key, loader)
    }

    /// As [`Self::get_or_load`], for what may not exist: that, too, is remembered for a while
    /// ([`super::Freshness::negative_ttl`]). The loader returns an `Option` or a [`Loaded`].
    ///
    /// # Errors
    /// As [`Self::get_or_load`], without [`Error::Absent`].
    #[inline]
    pub fn find_or_load<F, Fut, L, E>(&self, key: &K, loader: F) -> GetOrLoad<'_, V, F, Maybe>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<L, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        self.read_or_load(key, loader)
    }

    #[inline]
    pub(crate) fn read_or_load<F, M>(&self, key: &K, loader: F) -> GetOrLoad<'_, V, F, M> {
        let mut read = GetOrLoad {
            site: &self.site,
            tenant: &self.tenant,
            key: KeyWriter::of_tenant(&self.tenant),
            wishes: Wishes::default(),
            loader,
            kind: PhantomData,
        };
        read.key.write_whole(key);
        read
    }
}

impl<V, F, M> GetOrLoad<'_, V, F, M> {
    /// Asks the store, also when this process has an answer.
    pub fn strict(mut self) -> Self {
        self.wishes.is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer: a caller never sees less than what it wrote itself.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.min_version = version;
        self
    }

    /// Says what the value depends on, so that it can be invalidated by it. Tags that only the value knows come with
    /// [`Loaded::tag`].
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.tags.extend(tags);
        self
    }

    /// How long it is fresh if it is loaded now, instead of what the namespace says.
    pub fn ttl(mut self, ttl: impl Into<super::Ttl>) -> Self {
        self.wishes.ttl = Some(ttl.into().0);
        self
    }
}

/// A value, and how it came about.
#[derive(Clone, Debug)]
pub struct Found<V> {
    /// `None`: there is no such value.
    pub value: Option<Arc<V>>,
    /// Where it was; `None`: it was loaded, here or by another process, or is served stale because that failed or took too long.
    pub tier: Option<Tier>,
    /// Whether it is past its TTL, and served because it is being refreshed, or could not be.
    pub is_stale: bool,
    /// Its version at the source; 0 when it has none.
    pub version: u64,
}

impl<V, F, Fut, L, E, M> GetOrLoad<'_, V, F, M>
where
    V: Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<L, E>> + Send + 'static,
    L: Into<Loaded<V>>,
    E: Into<Cause>,
{
    /// The value, and how it came about.
    ///
    /// # Errors
    /// As of the call it belongs to; an absent value is none.
    pub async fn detailed(self) -> Result<Found<V>> {
        let loader = loader_of::<V, _, _, _, _>(self.loader);
        let call = self.wishes.for_tenant(self.tenant);
        let answer = self.site.clone().obtain(self.key.finish()?, call, loader).await?;
        Ok(Found {
            value: value_of::<V>(&answer),
            tier: answer.tier,
            is_stale: answer.is_stale,
            version: answer.held.meta().version,
        })
    }
}

/// A loader without its types.
pub(crate) fn loader_of<V, F, Fut, L, E>(loader: F) -> Loader
where
    V: Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<L, E>> + Send + 'static,
    L: Into<Loaded<V>>,
    E: Into<Cause>,
{
    Loader::new(move || -> LoadFuture {
        let load = loader();
        Box::pin(async move {
            let loaded = load.await.map_err(Into::into)?;
            Ok(loaded.into().into_fresh())
        })
    })
}

macro_rules! reading {
    ($mode:ty, $output:ty, $at_once:expr, $answer:expr) => {
        impl<'a, V, F, Fut, L, E> IntoFuture for GetOrLoad<'a, V, F, $mode>
        where
            V: Send + Sync + 'static,
            F: FnOnce() -> Fut + Send + 'static,
            Fut: Future<Output = Result<L, E>> + Send + 'static,
            L: Into<Loaded<V>>,
            E: Into<Cause>,
        {
            type Output = Result<$output>;
            type IntoFuture = Answer<'a, $output>;

            #[inline]
            fn into_future(self) -> Self::IntoFuture {
                let quick = self.site.quick(self.key.as_bytes(), &self.wishes);
                if let Ok(held) = quick {
                    let value = held.value::<V>();
                    if self.site.is_to_be_verified() {
                        let key = KeyText::written(self.key.as_bytes());
                        let loader = loader_of::<V, _, _, _, _>(self.loader);
                        let call = self.wishes.for_tenant(self.tenant);
                        self.site.verify(key, call, loader, held);
                    }
                    if let Some(answer) = $at_once(value) {
                        return Answer::ready(answer);
                    }
                    let (site, key) = (self.site, self.key);
                    return Answer::later(async move { $answer(site, key.as_bytes(), None::<Arc<V>>) });
                }
                // One draw for each read.
                let is_ahead = matches!(quick, Err(true));
                let Self {
                    site,
                    tenant,
                    key,
                    wishes,
                    loader,
                    ..
                } = self;
                let mut call = wishes.for_tenant(tenant);
                call.is_ahead = is_ahead;
                Answer::later(async move {
                    let key = key.finish()?;
                    let loader = loader_of::<V, _, _, _, _>(loader);
                    let answer = site.clone().obtain(key.clone(), call, loader).await?;
                    $answer(site, key.as_bytes(), value_of::<V>(&answer))
                })
            }
        }
    };
}

reading!(Value, Arc<V>, std::convert::identity, present);
reading!(Maybe, Option<Arc<V>>, Some, perhaps);

#[inline]
fn present<V>(site: &Site, key: &[u8], value: Option<Arc<V>>) -> Result<Arc<V>> {
    value.ok_or_else(|| Error::Absent {
        namespace: site.space.name.to_string(),
        key: KeyText::written(key).to_string(),
    })
}

#[inline]
#[expect(clippy::unnecessary_wraps, reason = "of the shape of `present`")]
fn perhaps<V>(_: &Site, _: &[u8], value: Option<Arc<V>>) -> Result<Option<Arc<V>>> {
    Ok(value)
}
