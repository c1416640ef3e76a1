//! Reading what is there, and loading what is not.
//!
//! As every read, it does nothing before it is polled, and what this process has is answered by the first poll, as `get.rs` says.
//! Next: `answer.rs`.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::freshness::{LONGEST, check_ttl};
use super::get::{Later, makes_room, value_of};
use super::key::{CacheKey, KeyText, KeyWriter, Tag, printed};
use super::loaded::Loaded;
use super::loading::{LoadFuture, Loader};
use super::local::Held;
use super::namespace::Namespace;
use super::space::{Site, Wishes};
use super::stats::Tier;
use crate::error::{Cause, Error, Result};

/// A read with a loader; set options, then `.await` it.
#[must_use = "nothing is read until it is awaited"]
pub struct GetOrLoad<'a, V, F, M> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    key: KeyWriter,
    wishes: Wishes,
    /// `None`: it was called, or waits in `later`.
    loader: Option<F>,
    /// What this process could not answer at once.
    later: Option<Later<'a, Option<Arc<V>>>>,
    kind: PhantomData<fn() -> M>,
}

/// It is never pinned: what has to stay where it is lies on the heap.
impl<V, F, M> Unpin for GetOrLoad<'_, V, F, M> {}

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
    /// A loader may read the same namespace, though not the same key: it would wait for itself until the hard time-out. What it reads in
    /// its own task needs no further right to load ([`super::NamespaceBuilder::concurrent_loads`]); in tasks that it spawns it does.
    /// Of another namespace it needs one of that namespace's: loaders of two namespaces that read each other can wait for each other until the
    /// hard time-out, once all rights of both are taken. Let namespaces read in one direction only.
    ///
    /// # Errors
    /// [`Error::Load`] when the loader failed and nothing stale may be served instead, [`Error::Absent`] when it said that there is no such
    /// value, [`Error::BehindVersion`], [`Error::CacheOption`] for a TTL that is too long ([`GetOrLoad::ttl`]), [`Error::CacheKey`].
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
            key: KeyWriter::default(),
            wishes: Wishes::default(),
            loader: Some(loader),
            later: None,
            kind: PhantomData,
        };
        read.key.write_whole(&self.tenant, key);
        read
    }
}

impl<V, F, M> GetOrLoad<'_, V, F, M> {
    /// Asks the store, also when this process has an answer. In a namespace of this process alone ([`super::Tiers::Local`]) there is
    /// nobody to ask who knows better, and it changes nothing.
    pub fn strict(mut self) -> Self {
        self.wishes.wish().is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer: a caller never sees less than what it wrote itself.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.wish().min_version = version;
        self
    }

    /// Says what the value depends on, so that it can be invalidated by it. Tags that only the value knows come with
    /// [`Loaded::tag`].
    ///
    /// An entry has the tags that the call named which loaded it: those of a call that finds it, or waits for another's load, change
    /// nothing. Name the same ones wherever a key is loaded.
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.wish().tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.wish().tags.extend(tags);
        self
    }

    /// How long it is fresh if it is loaded now, instead of what the namespace says: at most 366 days, more is [`Error::CacheOption`].
    pub fn ttl(mut self, ttl: impl Into<super::Ttl>) -> Self {
        self.wishes.wish().ttl = Some(ttl.into().0);
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

impl<'a, V, F, Fut, L, E, M> GetOrLoad<'a, V, F, M>
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
        let Some(loader) = self.loader else {
            return std::future::pending().await;
        };
        check_ttl(self.wishes.ttl())?;
        let loader = loader_of::<V, _, _, _, _>(loader);
        let call = self.wishes.for_tenant(self.tenant);
        let answer = self.site.clone().obtain(self.key.finish()?, call, loader).await?;
        Ok(Found {
            value: value_of::<V>(&answer),
            tier: answer.tier,
            is_stale: answer.is_stale,
            version: answer.held.meta().version,
        })
    }

    /// The answer of this process; `None`: it takes longer.
    #[inline]
    fn at_once(&mut self, is_sampled: bool) -> Option<Option<Arc<V>>> {
        if self.wishes.ttl().is_some_and(|ttl| ttl > LONGEST) {
            self.begin(false);
            return None;
        }
        if self.site.is_to_be_verified() {
            return self.at_once_to_verify(is_sampled);
        }
        let take = |held: &Arc<Held>| held.value::<V>();
        match self
            .site
            .quick(self.key.as_bytes(), &self.wishes, is_sampled, take)
        {
            Ok(value) => Some(value),
            Err(is_ahead) => {
                self.begin(is_ahead);
                None
            }
        }
    }

    /// The same, where a hit is compared with what its loader says.
    #[cold]
    fn at_once_to_verify(&mut self, is_sampled: bool) -> Option<Option<Arc<V>>> {
        let quick = self
            .site
            .quick(self.key.as_bytes(), &self.wishes, is_sampled, Arc::clone);
        let held = match quick {
            Ok(held) => held,
            Err(is_ahead) => {
                self.begin(is_ahead);
                return None;
            }
        };
        let value = held.value::<V>();
        if let Some(loader) = self.loader.take() {
            let key = KeyText::written(self.key.as_bytes());
            let loader = loader_of::<V, _, _, _, _>(loader);
            let call = std::mem::take(&mut self.wishes).for_tenant(self.tenant);
            self.site.verify(key, call, loader, held);
        }
        Some(value)
    }

    /// What takes longer. `is_ahead`: it was drawn already that it is refreshed; one draw for each read.
    #[cold]
    fn begin(&mut self, is_ahead: bool) {
        let Some(loader) = self.loader.take() else { return };
        let (site, key) = (self.site, self.key.clone());
        let wishes = std::mem::take(&mut self.wishes);
        let ttl = wishes.ttl();
        let mut call = wishes.for_tenant(self.tenant);
        call.is_ahead = is_ahead;
        self.later = Some(Box::pin(async move {
            check_ttl(ttl)?;
            let loader = loader_of::<V, _, _, _, _>(loader);
            let answer = site.clone().obtain(key.finish()?, call, loader).await?;
            Ok(value_of::<V>(&answer))
        }));
    }

    fn poll_later(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Arc<V>>>> {
        match &mut self.later {
            Some(later) => later.as_mut().poll(context),
            // It was answered at once, and is asked again.
            None => Poll::Pending,
        }
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
    ($mode:ty, $output:ty, $answer:expr) => {
        impl<'a, V, F, Fut, L, E> Future for GetOrLoad<'a, V, F, $mode>
        where
            V: Send + Sync + 'static,
            F: FnOnce() -> Fut + Send + 'static,
            Fut: Future<Output = Result<L, E>> + Send + 'static,
            L: Into<Loaded<V>>,
            E: Into<Cause>,
        {
            type Output = Result<$output>;

            #[inline]
            fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
                let read = self.get_mut();
                if read.later.is_none() {
                    let is_sampled = read.site.space.recorder.sample();
                    if is_sampled && makes_room(context).is_pending() {
                        return Poll::Pending;
                    }
                    if let Some(value) = read.at_once(is_sampled) {
                        return Poll::Ready($answer(read.site, read.key.as_bytes(), value));
                    }
                }
                let later = read.poll_later(context);
                later.map(|value| $answer(read.site, read.key.as_bytes(), value?))
            }
        }
    };
}

reading!(Value, Arc<V>, present);
reading!(Maybe, Option<Arc<V>>, perhaps);

impl<V, F, M> std::fmt::Debug for GetOrLoad<'_, V, F, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GetOrLoad")
            .field("key", &printed(self.key.as_bytes()))
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

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
