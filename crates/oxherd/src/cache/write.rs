//! Writing through, removing, and saying beforehand that something will be written.
//!
//! Each of these is told to the store first, then to the tier of this process, then the caller goes on: a read that begins
//! afterwards sees it. When the store does not answer, the caller is told, and this process lets go of what it holds all the same.
//! Next: `lua/cache/set.lua`, `lua/cache/remove.lua`, `lua/cache/intend.lua`.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::Here;
use super::freshness::{check_ttl, out_of_range};
use super::get::Answer;
use super::key::{CacheKey, KeyText, Tag};
use super::loading::{Fresh, millis};
use super::namespace::Namespace;
use super::recovery::{Notice, Telling};
use super::settings::Level;
use super::shared::Trouble;
use super::space::{AnyValue, Call, Site, Space};
use super::standing::meta_of;
use super::stats::FillRefusal;
use super::value::{Envelope, Header};
use crate::error::{Error, Result};
use crate::store::{CACHE_CONCLUDE, CACHE_INTEND, CACHE_REMOVE, CACHE_SET, CACHE_TOUCH};

/// Longest announcement of a write.
const LONGEST_INTENT: Duration = Duration::from_secs(3600);

/// A value to be written; set options, then `.await` it.
#[derive(Debug)]
#[must_use = "nothing is written until it is awaited"]
pub struct Set<'a, V> {
    site: &'a Site,
    key: Result<KeyText>,
    call: Call,
    fresh: Fresh,
    kind: PhantomData<fn(V)>,
}

/// A key to be removed; set options, then `.await` it.
#[derive(Debug)]
#[must_use = "nothing is removed until it is awaited"]
pub struct Remove<'a> {
    site: &'a Site,
    key: Result<KeyText>,
    version: Option<u64>,
}

/// The announcement of a write: until it is concluded or its term ends, nobody reads or keeps the value in the cache.
///
/// Commit the write before [`Self::remaining`] is zero, then call [`Self::conclude`]. One that is dropped stands until its term ends.
#[derive(Debug)]
#[must_use = "conclude it after the commit"]
pub struct Intent {
    site: Site,
    key: KeyText,
    token: [u8; 16],
    until: Instant,
}

impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> Namespace<K, V> {
    /// Writes a value through, to be called after the commit at its source. It replaces what is there and voids a load under way. With
    /// [`Set::version`] nothing newer is ever replaced.
    ///
    /// # Errors
    /// [`Error::CacheRefused`] when something newer is there, a write of this key is announced, or the namespace needs a version.
    /// [`Error::StoreUnavailable`] when the store did not answer, [`Error::Store`] when it refused (full, no rights): what was there before is
    /// then removed as soon as it takes that ([`super::Cache::pending_invalidations`]). [`Error::ValueTooLarge`], [`Error::CacheValue`],
    /// [`Error::CacheTag`] and [`Error::CacheTags`] when it cannot be stored: what was there before is removed; if that fails, its error.
    /// [`Error::CacheOption`] for a version of 0 or in a namespace of this process alone, or a TTL that is too long. [`Error::CacheKey`].
    pub fn set(&self, key: &K, value: V) -> Set<'_, V> {
        self.set_shared(key, Some(Arc::new(value)))
    }

    /// As [`Self::set`], for the knowledge that there is no such value.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_absent(&self, key: &K) -> Set<'_, V> {
        self.set_shared(key, None)
    }

    fn set_shared(&self, key: &K, value: Option<Arc<V>>) -> Set<'_, V> {
        let fresh = Fresh {
            value: value.map(|value| value as AnyValue),
            ttl: None,
            version: None,
            tags: Vec::new(),
        };
        self.set_fresh(key, fresh)
    }

    pub(crate) fn set_fresh(&self, key: &K, fresh: Fresh) -> Set<'_, V> {
        Set {
            site: &self.site,
            key: self.key(key),
            call: self.call(),
            fresh,
            kind: PhantomData,
        }
    }

    /// Makes a key a miss, to be called after the commit of a write: the entry goes, and a load under way will not be kept. `true` when there
    /// was an entry. It may be `false` although there was one: when the reply was lost, the removal is sent once more and finds nothing.
    /// Either way nothing is there afterwards.
    ///
    /// # Errors
    /// [`Error::CacheOption`] for a version of 0 or in a namespace of this process alone, [`Error::CacheKey`].
    /// [`Error::StoreUnavailable`] when the store did not answer, [`Error::Store`] when it refused (no rights, for one): other processes may
    /// still read what was there. This process does not; it repeats the removal until the store takes it ([`super::Cache::pending_invalidations`]).
    pub fn remove(&self, key: &K) -> Remove<'_> {
        Remove {
            site: &self.site,
            key: self.key(key),
            version: None,
        }
    }

    /// Prolongs an entry of a sliding namespace ([`super::Freshness::sliding`]) by the namespace's TTL, without reading it. `false` when
    /// there is none, also when it was invalidated, or when it is only known that there is none. In other namespaces it stays in the store for longer, and is no fresher for it.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Store`] when the store refuses (no rights, for one); [`Error::CacheKey`].
    pub async fn touch(&self, key: &K) -> Result<bool> {
        let key = self.key(key)?;
        let settings = &self.site.space.settings;
        if !settings.keeps_shared() {
            return Ok(self.site.prolong_here(&key));
        }
        self.site.prolong(&key, b"", settings.freshness.life()).await
    }

    /// Announces a write of what this key stands for, before it begins. From then on, for at most `term` (1 ms to an hour), every process reads past the
    /// cache and keeps nothing; with [`Level::Intent`] no read that begins after the announcement returns anything from before the write.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], or [`Error::Store`] when the store refuses (full, no rights): the write must not go on.
    /// [`Error::CacheOption`] for a term out of its range, or in a namespace of this process alone ([`super::Tiers::Local`]).
    /// [`Error::CacheKey`].
    pub async fn intend(&self, key: &K, term: Duration) -> Result<Intent> {
        let key = self.key(key)?;
        let site = &self.site;
        if !site.space.settings.keeps_shared() {
            return Err(site.needs_store("level", "intents"));
        }
        if !(Duration::from_millis(1)..=LONGEST_INTENT).contains(&term) {
            return Err(out_of_range("term", "must be from 1 ms to an hour"));
        }
        let token: [u8; 16] = rand::random();
        // From before the question: the mark lasts at least as long as we think.
        let until = Instant::now() + term;
        let mut question = CACHE_INTEND.call(site.space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&token[..])
            .arg(millis(term))
            .arg(&site.shared.prefix);
        let answer = {
            let _forgetting = site.forgetting(&key);
            site.run::<i64>(&CACHE_INTEND, &question).await
        };
        answer.map_err(|trouble| site.failed(trouble, "announce the write of", &key))?;
        Ok(Intent {
            site: site.clone(),
            key,
            token,
            until,
        })
    }
}

impl<V> Set<'_, V> {
    /// Its version at the source: what is below it is never written or read again, for as long as the fence lives. Versions begin at 1: 0
    /// is [`Error::CacheOption`], so add one where yours begin there. Fences live in the store: in a namespace of this process alone
    /// ([`super::Tiers::Local`]) a version is the same error. A fence is never lowered: see [`Remove::version`].
    pub fn version(mut self, version: u64) -> Self {
        self.fresh.version = Some(version);
        self
    }

    /// How long it is fresh, instead of what the namespace says: at most 366 days, more is [`Error::CacheOption`].
    pub fn ttl(mut self, ttl: impl Into<super::Ttl>) -> Self {
        self.fresh.ttl = Some(ttl.into().0);
        self
    }

    /// Something it depends on.
    pub fn tag(mut self, tag: Tag) -> Self {
        self.call.tags.push(tag);
        self
    }

    /// As [`Self::tag`], several.
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.call.tags.extend(tags);
        self
    }
}

impl<'a, V: 'a> IntoFuture for Set<'a, V> {
    type Output = Result<()>;
    type IntoFuture = Answer<'a, ()>;

    fn into_future(self) -> Self::IntoFuture {
        Answer::later(async move { self.begin()?.await })
    }
}

impl<'a, V> Set<'a, V> {
    /// From now on it counts as begun: when it is dropped, what was there before goes.
    pub(crate) fn begin(self) -> Result<impl Future<Output = Result<()>> + use<'a, V>> {
        let Self {
            site,
            key,
            call,
            fresh,
            ..
        } = self;
        check_ttl(fresh.ttl)?;
        site.check_version(fresh.version)?;
        Ok(site.set(key?, call, fresh))
    }
}

impl Remove<'_> {
    /// The version that the write gave: an entry of this version or a later one stays, and nothing below it is written or read again for
    /// as long as the fence lives. Versions begin at 1: 0 is [`Error::CacheOption`], so add one where yours begin there. Fences live in the
    /// store: in a namespace of this process alone ([`super::Tiers::Local`]) a version is the same error.
    ///
    /// A fence is never lowered, not by [`Namespace::clear`] either: a version in another unit than the source's fails each load of the key
    /// with [`Error::BehindVersion`] for the fence's life. `docs/cache.md` has the way out.
    pub fn version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

impl<'a> IntoFuture for Remove<'a> {
    type Output = Result<bool>;
    type IntoFuture = Answer<'a, bool>;

    fn into_future(self) -> Self::IntoFuture {
        Answer::later(async move { self.begin()?.await })
    }
}

impl<'a> Remove<'a> {
    /// From now on it counts as begun: when it is dropped, it is told later.
    pub(crate) fn begin(self) -> Result<impl Future<Output = Result<bool>> + use<'a>> {
        let Self { site, key, version } = self;
        site.check_version(version)?;
        let (key, version) = (key?, version.unwrap_or(0));
        let telling = site.telling(Notice::Key(key.clone(), version));
        Ok(async move { site.remove(telling, &key, version).await })
    }
}

impl Intent {
    /// How long the announcement stands yet.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The write was committed, or given up. `false`: the announcement had ended before, and until now others may have kept and
    /// read what was there before the commit. It may also be `false` although the announcement stood, when the reply was lost and the
    /// conclusion was sent once more: `false` is the safe side, and nothing needs to be repeated.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], or [`Error::Store`] when the store refuses (no rights, for one): the announcement stands until its term ends,
    /// and may be concluded once more until then.
    pub async fn conclude(&self) -> Result<bool> {
        self.conclude_at(0).await
    }

    /// As [`Self::conclude`], with the version that the write gave.
    ///
    /// # Errors
    /// As [`Self::conclude`].
    pub async fn conclude_at(&self, version: u64) -> Result<bool> {
        let Self { site, key, token, .. } = self;
        let mut question = CACHE_CONCLUDE.call(site.space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&token[..])
            .arg(&version.to_be_bytes()[..])
            .arg(millis(site.space.settings.fence_life))
            .arg(&site.shared.prefix);
        let answer = site.run::<i64>(&CACHE_CONCLUDE, &question).await;
        site.shared.local.changed(site.space.number, key.as_bytes());
        let stood = answer.map_err(|trouble| site.failed(trouble, "conclude the write of", key))?;
        site.space.recorder.invalidated_keys(1);
        Ok(stood == 1)
    }
}

/// Lets go of a key in this process when it is dropped.
#[derive(Debug)]
pub(crate) struct Forgetting<'a> {
    site: &'a Site,
    key: &'a KeyText,
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        let Site { shared, space } = self.site;
        shared.local.changed(space.number, self.key.as_bytes());
    }
}

impl Site {
    /// A version given with a write promises a fence, which only the store can keep.
    fn check_version(&self, version: Option<u64>) -> Result<()> {
        if version == Some(0) {
            return Err(out_of_range(
                "version",
                "must be 1 or more, for 0 is none: add one where yours begin at 0",
            ));
        }
        if version.is_none() || self.space.settings.keeps_shared() {
            return Ok(());
        }
        Err(out_of_range(
            "version",
            "fences live in the store, and this namespace is of this process alone: leave the version out, or use `Tiers::Both` or `Tiers::Shared`",
        ))
    }

    /// Counts as begun before it is polled.
    pub(crate) fn set(
        &self,
        key: KeyText,
        call: Call,
        fresh: Fresh,
    ) -> impl Future<Output = Result<()>> + use<'_> {
        let header = self.header_of(&call, &fresh, Duration::ZERO, None);
        // What is there is from before the write: if it cannot be replaced, it is to go.
        let telling = self.telling(Notice::Key(key.clone(), header.version));
        self.write(telling, header, key, call, fresh)
    }

    async fn write(
        &self,
        telling: Telling<'_>,
        header: Header,
        key: KeyText,
        call: Call,
        fresh: Fresh,
    ) -> Result<()> {
        let space = &self.space;
        let settings = &space.settings;
        if settings.level == Level::Fenced && header.version == 0 {
            telling.withdrawn();
            return Err(self.refused(
                &key,
                "values of this namespace need a version: call `.version(…)`",
            ));
        }
        let entry = (space.form.encode)(
            &header,
            fresh.value.as_ref(),
            &settings.packing,
            space.place(&key),
        );
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // The write at the source is done all the same; what is here is from before it.
                self.remove(telling, &key, header.version).await?;
                return Err(error);
            }
        };
        if settings.keeps_shared()
            && let Err(trouble) = self.heed().await
        {
            return Err(telling.failed(trouble, &format!("write {key} to the cache")));
        }
        let mut before = self.before(&key);
        if settings.keeps_shared() {
            match self.send_set(&key, &call, &header, &entry).await {
                Ok(None) => space.wrote(&key, entry.len()),
                Ok(Some((refusal, reason))) => {
                    space.recorder.fill_refused(refusal);
                    telling.told();
                    return Err(self.refused(&key, reason));
                }
                Err(trouble) => return Err(telling.failed(trouble, &format!("write {key} to the cache"))),
            }
        }
        let meta = meta_of(&header, settings, self.shared.clock.now());
        let held = self.hold(
            fresh.value,
            Envelope::weight_of(&entry),
            meta,
            &call.tenant,
            before.moment,
        );
        if let Some(pending) = &mut before.pending {
            pending.write(&held);
        }
        telling.replaced();
        Ok(())
    }

    async fn send_set(
        &self,
        key: &KeyText,
        call: &Call,
        header: &Header,
        entry: &[u8],
    ) -> Result<Option<(FillRefusal, &'static str)>, Trouble> {
        let space = &self.space;
        let life = header.ttl + header.stale_while_revalidate.max(header.stale_if_error);
        let (stamp_life, stamp_least) = space.settings.stamp_life(life);
        let mut question = CACHE_SET.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&header.version.to_be_bytes()[..])
            // The script puts incarnation and count in between.
            .arg(entry.get(..28).unwrap_or_default())
            .arg(entry.get(52..).unwrap_or_default())
            .arg(millis(life))
            .arg(millis(space.settings.fence_life))
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(stamp_life))
            .arg(millis(stamp_least))
            .arg(&self.shared.prefix);
        for stamp in Space::stamps(&call.tenant, header.tags.iter().map(|tag| &**tag)) {
            question.arg(stamp);
        }
        let (answer, written): (String, u8) = self.run(&CACHE_SET, &question).await?;
        self.wrote(written, &call.tenant, header.tags.iter().map(|tag| &**tag));
        Ok(match answer.as_str() {
            "outdated" => Some((
                FillRefusal::Fenced,
                "something newer is there, or was invalidated",
            )),
            "marked" => Some((FillRefusal::Marked, "a write of it is announced")),
            _taken => None,
        })
    }

    async fn remove(&self, telling: Telling<'_>, key: &KeyText, version: u64) -> Result<bool> {
        let space = &self.space;
        if !space.settings.keeps_shared() {
            let held = self.shared.local.get(space.number, key.as_bytes());
            telling.told();
            space.recorder.invalidated_keys(1);
            return Ok(held.is_some());
        }
        match self.send_remove(key, version).await {
            Ok(removed) => {
                telling.told();
                space.recorder.invalidated_keys(1);
                Ok(removed > 0)
            }
            Err(trouble) => Err(telling.failed(trouble, &format!("remove {key} from the cache"))),
        }
    }

    pub(crate) async fn send_remove(&self, key: &KeyText, version: u64) -> Result<i64, Trouble> {
        let space = &self.space;
        let mut question = CACHE_REMOVE.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&version.to_be_bytes()[..])
            .arg(millis(space.settings.fence_life))
            .arg(&self.shared.prefix);
        self.run(&CACHE_REMOVE, &question).await
    }

    /// Prolongs an entry and the stamps it depends on, never shortens it; `id` empty: whichever entry it is.
    pub(crate) async fn prolong(&self, key: &KeyText, id: &[u8], life: Duration) -> Result<bool> {
        let space = &self.space;
        if !space.settings.keeps_shared() {
            return Ok(false);
        }
        let (stamp_life, stamp_least) = space.settings.stamp_life(life);
        let mut question = CACHE_TOUCH.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(id)
            .arg(millis(life))
            .arg(millis(stamp_life))
            .arg(millis(stamp_least));
        // Whoever changes a key last within a turn of the server may not be told of changes before that in the same turn.
        let _forgetting = self.forgetting(key);
        match self.run::<(i64, u8)>(&CACHE_TOUCH, &question).await {
            Ok((touched, written)) => {
                self.wrote(written, "", []);
                Ok(touched == 1)
            }
            Err(trouble) => Err(self.failed(trouble, "touch", key)),
        }
    }

    /// Prolongs an entry of this process alone.
    fn prolong_here(&self, key: &KeyText) -> bool {
        match self.here_above(key.as_bytes(), 0, false, false, Arc::clone) {
            Here::Answer(held) | Here::Refresh(held, _) if !held.is_absent() => {
                if held.meta().is_sliding {
                    self.slide(key.as_bytes(), &held, self.shared.clock.now());
                }
                true
            }
            Here::Answer(_) | Here::Refresh(..) | Here::Nothing(_) => false,
        }
    }

    /// Lets go of a key here when it is dropped, also by a caller that goes away before the store's answer.
    pub(crate) fn forgetting<'a>(&'a self, key: &'a KeyText) -> Forgetting<'a> {
        Forgetting { site: self, key }
    }

    /// The error of a call that the store did not answer, or refused, and that nobody repeats. It is counted.
    pub(crate) fn failed(&self, trouble: Trouble, attempt: &str, key: &KeyText) -> Error {
        self.troubled(&trouble);
        trouble.into_error(&format!(
            "{attempt} {key} of cache namespace {:?}",
            self.space.name
        ))
    }

    /// The error of a call that makes no sense in a namespace of this process alone.
    pub(crate) fn needs_store(&self, option: &'static str, what: &str) -> Error {
        let name = &self.space.name;
        out_of_range(
            option,
            &format!(
                "{what} live in the store, and namespace {name:?} is of this process alone: use `Tiers::Both` or `Tiers::Shared`"
            ),
        )
    }

    pub(crate) fn refused(&self, key: &KeyText, reason: &'static str) -> Error {
        Error::CacheRefused {
            namespace: self.space.name.to_string(),
            key: key.to_string(),
            reason,
        }
    }
}
