//! Several keys at once: one question to the store, one call of the source for all that is missing.
//!
//! Each missing key has a flight of its own, shared with whoever else wants it; their loaders meet in a batch.
//! Next: `batch.rs`, `loading.rs` (one flight).

use std::collections::{HashMap, HashSet};
use std::future::IntoFuture;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::task::coop;

use super::answer::{Answered, Here, Look, answered};
use super::batch::{Batch, BatchFuture};
use super::freshness::{Ttl, check_ttl};
use super::get::Answer;
use super::key::{CacheKey, KeyText, Tag};
use super::loaded::Loaded;
use super::loading::Fresh;
use super::namespace::Namespace;
use super::space::{Call, Site, Wishes};
use super::standing::Standing;
use super::stats::Tier;
use crate::error::{Cause, Result};

/// How many writes are under way at once: each has its deadline from when it is sent.
const AT_ONCE: usize = 64;
/// How many keys the store is asked for in one question: more hold up others.
const QUESTION: usize = 1_000;

/// Loads keys by their positions.
type Load = Box<dyn Fn(Vec<usize>) -> BatchFuture + Send + Sync>;

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Reads several values, in the order of their keys. What is absent or not there is `None`. Set options, then `.await` it.
    ///
    /// # Errors
    /// [`crate::Error::CacheKey`].
    pub fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> GetMany<'_, V>
    where
        K: 'k,
    {
        GetMany {
            site: &self.site,
            tenant: &self.tenant,
            keys: self.keys(keys),
            wishes: Wishes::default(),
            kind: PhantomData,
        }
    }

    /// Writes several values through, as [`Self::set`] does each. Every one is tried, or, when the call is dropped, what was there before is
    /// removed later. A value comes as it is, or as a [`Loaded`] with its version,
    /// TTL and tags.
    ///
    /// # Errors
    /// The first error of any of them; those before and after it may have been written.
    pub async fn set_many<'k, L>(&self, values: impl IntoIterator<Item = (&'k K, L)>) -> Result<()>
    where
        K: 'k,
        L: Into<Loaded<V>>,
    {
        let writes: Vec<_> = values
            .into_iter()
            .map(|(key, value)| self.set_fresh(key, value.into().into_fresh()).begin())
            .map(|begun| Answer::later(async move { begun?.await }))
            .collect();
        let written: Vec<Result<()>> = stream::iter(writes).buffered(AT_ONCE).collect().await;
        written.into_iter().collect()
    }

    /// Makes several keys a miss, as [`Self::remove`] does each. Every one is tried. How many had an entry.
    ///
    /// # Errors
    /// The first error of any of them; the others were told to the store.
    pub async fn remove_many<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<u64>
    where
        K: 'k,
    {
        let removals: Vec<_> = keys
            .into_iter()
            .map(|key| self.remove(key).begin())
            .map(|begun| Answer::later(async move { begun?.await }))
            .collect();
        let mut removed = 0;
        let removals: Vec<Result<bool>> = stream::iter(removals).buffered(AT_ONCE).collect().await;
        for removal in removals {
            removed += u64::from(removal?);
        }
        Ok(removed)
    }

    /// Reads several values, and loads those that are missing with one call of the loader, which is told their keys and returns what it found of
    /// them; what it leaves out is absent. In the order of the keys. Set options, then `.await` it.
    ///
    /// The loader may be called again, for single keys, when another process that was loading them failed.
    ///
    /// # Errors
    /// As [`Self::find_or_load`]; one failing key fails the call.
    pub fn get_or_load_many<F, Fut, L, E>(&self, keys: &[K], loader: F) -> GetOrLoadMany<'_, V>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, L>, E>> + Send + 'static,
        L: Into<Loaded<V>>,
        E: Into<Cause>,
    {
        GetOrLoadMany {
            site: &self.site,
            tenant: &self.tenant,
            keys: self.keys(keys),
            wishes: Wishes::default(),
            load: batch_of(keys.into(), loader),
            kind: PhantomData,
        }
    }

    fn keys<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<Vec<KeyText>>
    where
        K: 'k,
    {
        keys.into_iter().map(|key| self.key(key)).collect()
    }
}

/// A read of several values; set options, then `.await` it.
#[must_use = "nothing is read until it is awaited"]
pub struct GetMany<'a, V> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    keys: Result<Vec<KeyText>>,
    wishes: Wishes,
    kind: PhantomData<fn() -> V>,
}

impl<V> GetMany<'_, V> {
    /// Asks the store for all of them, as [`super::Get::strict`].
    pub fn strict(mut self) -> Self {
        self.wishes.wish().is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer: what is below is `None`.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.wish().min_version = version;
        self
    }

    /// Names a tag that entries are expected to have, which spares the first read of them a second question.
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.wish().tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.wish().tags.extend(tags);
        self
    }
}

impl<'a, V: Send + Sync + 'static> IntoFuture for GetMany<'a, V> {
    type Output = Result<Vec<Option<Arc<V>>>>;
    type IntoFuture = Answer<'a, Vec<Option<Arc<V>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Answer::later(async move {
            let keys = self.keys?;
            let call = self.wishes.for_tenant(self.tenant);
            let answers = self.site.find_many(&keys, &call).await;
            let values = answers.into_iter().map(|answer| answer?.held.value::<V>());
            Ok(values.collect())
        })
    }
}

impl<V> std::fmt::Debug for GetMany<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GetMany")
            .field("keys", &self.keys)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

/// A read of several values with a loader; set options, then `.await` it.
#[must_use = "nothing is read until it is awaited"]
pub struct GetOrLoadMany<'a, V> {
    site: &'a Site,
    tenant: &'a Arc<str>,
    keys: Result<Vec<KeyText>>,
    wishes: Wishes,
    load: Load,
    kind: PhantomData<fn() -> V>,
}

impl<V> GetOrLoadMany<'_, V> {
    /// Asks the store for all of them, as [`super::GetOrLoad::strict`].
    pub fn strict(mut self) -> Self {
        self.wishes.wish().is_strict = true;
        self
    }

    /// Takes nothing below this version for an answer: what is below is loaded, and [`crate::Error::BehindVersion`] when the
    /// source has less too. What the loader leaves out has no version: of what does not exist let it say [`Loaded::absent`] with one.
    pub fn min_version(mut self, version: u64) -> Self {
        self.wishes.wish().min_version = version;
        self
    }

    /// Says what all of them depend on, as [`super::GetOrLoad::tag`]. Tags of single values come with [`Loaded::tag`].
    pub fn tag(mut self, tag: Tag) -> Self {
        self.wishes.wish().tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.wishes.wish().tags.extend(tags);
        self
    }

    /// How long those are fresh that are loaded now, as [`super::GetOrLoad::ttl`]: at most 366 days, more is
    /// [`crate::Error::CacheOption`]. A TTL of a single value comes with [`Loaded::ttl`].
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.wishes.wish().ttl = Some(ttl.into().0);
        self
    }

    /// The values, with how each came about.
    pub(crate) async fn obtain(self) -> Result<Vec<Answered>> {
        check_ttl(self.wishes.ttl())?;
        let keys = self.keys?;
        let call = self.wishes.for_tenant(self.tenant);
        let batch = Batch::new(keys.len(), self.site, self.load);
        self.site.obtain_many(keys, call, &batch).await
    }
}

impl<'a, V: Send + Sync + 'static> IntoFuture for GetOrLoadMany<'a, V> {
    type Output = Result<Vec<Option<Arc<V>>>>;
    type IntoFuture = Answer<'a, Vec<Option<Arc<V>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Answer::later(async move {
            let answers = self.obtain().await?;
            let values = answers.into_iter().map(|answer| answer.held.value::<V>());
            Ok(values.collect())
        })
    }
}

impl<V> std::fmt::Debug for GetOrLoadMany<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GetOrLoadMany")
            .field("keys", &self.keys)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}

/// A loader of keys by their positions.
fn batch_of<K, V, F, Fut, L, E>(all: Arc<[K]>, loader: F) -> Load
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
    F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<HashMap<K, L>, E>> + Send + 'static,
    L: Into<Loaded<V>>,
    E: Into<Cause>,
{
    Box::new(move |positions| {
        let wanted: Vec<K> = positions.iter().filter_map(|at| all.get(*at).cloned()).collect();
        // A key may stand at several positions: the source is asked for it once, and all of them have the answer.
        let mut seen = HashSet::with_capacity(wanted.len());
        let once: Vec<K> = wanted.iter().filter(|key| seen.insert(*key)).cloned().collect();
        let load = loader(once);
        Box::pin(async move {
            let found = load.await.map_err(Into::into)?;
            let fresh = |loaded: L| Into::<Loaded<V>>::into(loaded).into_fresh();
            let found: HashMap<K, Fresh> = found
                .into_iter()
                .map(|(key, loaded)| (key, fresh(loaded)))
                .collect();
            let of = |key: &K| found.get(key).cloned();
            Ok(wanted
                .iter()
                .map(|key| of(key).unwrap_or_else(|| Loaded::<V>::absent().into_fresh()))
                .collect())
        })
    })
}

impl Site {
    /// What this process or the store has of each key; `None` is a miss.
    pub(crate) async fn find_many(&self, keys: &[KeyText], call: &Call) -> Vec<Option<Answered>> {
        let looks = self.look_up(keys, call).await;
        let mut answers = Vec::with_capacity(keys.len());
        for (key, look) in keys.iter().zip(looks) {
            let there = look
                .seen
                .as_ref()
                .and_then(|seen| seen.held.clone().zip(Some(seen.took)));
            let answer = match (look.here, there) {
                (Here::Answer(held) | Here::Refresh(held, Standing::Ahead), _) => {
                    self.count_here(key, &held, look.began);
                    Some(answered(held, Some(Tier::Local), false))
                }
                (_, Some((held, took))) if self.is_good(&held, call.min_version) => {
                    self.count_there(key, &held, took);
                    Some(answered(held, Some(Tier::Shared), false))
                }
                _ => {
                    self.space
                        .recorder
                        .missed(key.as_str(), look.seen.map(|seen| seen.took));
                    None
                }
            };
            answers.push(answer);
        }
        answers
    }

    /// Reads all keys and loads what is missing of them, in one batch.
    async fn obtain_many(&self, keys: Vec<KeyText>, call: Call, batch: &Arc<Batch>) -> Result<Vec<Answered>> {
        let looks = self.look_up(&keys, &call).await;
        let is_answered = |look: &&Look| {
            matches!(look.here, Here::Answer(_)) || self.has_fresh(look.seen.as_ref(), call.min_version)
        };
        batch.lacks(looks.len() - looks.iter().filter(is_answered).count());
        let mut answers = Vec::with_capacity(keys.len());
        for (at, (key, look)) in keys.into_iter().zip(looks).enumerate() {
            let place = batch.place(at);
            let call = Call {
                batch: Some(Arc::clone(&place)),
                ..call.clone()
            };
            let site = self.clone();
            // Whatever comes of it, also when it is never asked, the others need not wait for it.
            let leaving = place.leaving();
            answers.push(async move {
                let _leaving = leaving;
                let loader = place.loader();
                Box::pin(site.obtain_after(key, call, loader, look)).await
            });
        }
        join_all(answers).await.into_iter().collect()
    }

    /// What this process has of each key, and what the store has of those that are not answered by that.
    async fn look_up(&self, keys: &[KeyText], call: &Call) -> Vec<Look> {
        coop::consume_budget().await;
        let began = Instant::now();
        let mut looks: Vec<Look> = keys
            .iter()
            .map(|key| Look {
                here: self.here(key, call),
                seen: None,
                is_silent: false,
                began,
            })
            .collect();
        if !self.space.settings.keeps_shared() {
            return looks;
        }
        let is_open = |look: &Look| matches!(look.here, Here::Nothing(_) | Here::Refresh(_, Standing::Stale));
        let open: Vec<usize> = (0..looks.len())
            .filter(|at| looks.get(*at).is_some_and(is_open))
            .collect();
        for part in open.chunks(QUESTION) {
            let asked: Vec<KeyText> = part.iter().filter_map(|at| keys.get(*at).cloned()).collect();
            // Trouble is counted, and means that nothing was seen.
            let seen = match self.read_many(&asked, call).await {
                Ok(seen) => seen,
                Err(trouble) => {
                    for look in looks.iter_mut().filter(|look| look.seen.is_none()) {
                        look.is_silent = trouble.is_lasting();
                    }
                    break;
                }
            };
            for (at, seen) in part.iter().zip(seen) {
                if let Some(look) = looks.get_mut(*at) {
                    look.seen = Some(seen);
                }
            }
        }
        looks
    }
}
