//! What a flight does: get the lease, call the loader, keep what it returned, answer.
//!
//! The lease makes one process load; the others wait until it is done, and are woken. What is loaded under it is kept
//! unless something that concerns it was invalidated meanwhile. Without a store, or while a write is announced, the
//! loader is called all the same and its value is kept by nobody (or, while the store is away, for a few seconds by this process).
//! Next: `flight.rs` (who gets the result), `lua/cache/lease.lua`, `lua/cache/fill.lua`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;

use super::flight::{Answers, Failure, Pilot};
use super::key::{KeyText, Tag};
use super::local::Held;
use super::reading::{Before, EntryId};
use super::settings::Level;
use super::shared::Trouble;
use super::space::{AnyValue, Call, Site, Space};
use super::standing::{Standing, meta_of};
use super::stats::{FillRefusal, LoadEnd, LoadReason};
use super::value::{Envelope, Header};
use crate::error::{Cause, Error, LoadCause, Result};
use crate::lock::{Hold, Token};
use crate::store::{CACHE_FILL, CACHE_LEASE, CACHE_RELEASE, CACHE_RENEW, Script};

/// What a loader returned, whatever the type.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// `None`: there is no such thing.
    pub(crate) value: Option<AnyValue>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) version: Option<u64>,
    pub(crate) tags: Vec<Tag>,
}

pub(crate) type LoadFuture = Pin<Box<dyn Future<Output = Result<Fresh, Cause>> + Send>>;

type BoxedLoader = Box<dyn FnOnce() -> LoadFuture + Send>;

/// A caller's loader, until somebody calls it.
#[derive(Clone)]
pub(crate) struct Loader(Arc<Mutex<Option<BoxedLoader>>>);

/// A loader that took longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("it took longer than {} ms", .0.as_millis())]
pub struct LoadTimedOut(
    /// How long it may take.
    pub Duration,
);

/// A loader that panicked.
#[derive(Debug, thiserror::Error)]
#[error("the loader panicked: {0}")]
pub struct LoadPanicked(
    /// The panic's message.
    pub String,
);

impl LoadPanicked {
    pub(crate) fn of(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

/// A load of less than a write was told to have been.
#[derive(Debug, thiserror::Error)]
#[error("the source returned version {found}, and a write of version {wanted} was told")]
pub(crate) struct Behind {
    pub(crate) wanted: u64,
    pub(crate) found: u64,
}

/// Why the store did not take a value.
struct Refused {
    refusal: FillRefusal,
    /// The version that it is below.
    fence: Option<u64>,
}

impl Refused {
    const fn by(refusal: FillRefusal) -> Self {
        Self { refusal, fence: None }
    }
}

/// What the store said to the wish to load.
enum Lease {
    Granted { incarnation: [u8; 8], as_of: u64 },
    Changed,
    Busy { left: Duration },
    Marked,
}

/// On what ground a loader is called.
enum Ground {
    Lease(Tenure, Before),
    /// The store did not answer, or there is none to ask.
    NoStore,
    /// The store has reasons: a write is announced, or another process loads for too long already.
    NoLease,
}

/// A load that brought something.
struct Loading {
    fresh: Fresh,
    took: Duration,
    tenure: Option<Tenure>,
    before: Before,
    /// Whether the store did not answer.
    is_storeless: bool,
}

/// Under what a loader runs.
#[derive(Debug)]
pub(crate) struct Tenure {
    token: Token,
    hold: Hold,
    incarnation: [u8; 8],
    as_of: u64,
}

impl Loader {
    pub(crate) fn new(loader: impl FnOnce() -> LoadFuture + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(loader)))))
    }

    /// Whether somebody called it.
    pub(crate) fn is_used(&self) -> bool {
        self.0.lock().is_none()
    }

    fn take(&self) -> Option<BoxedLoader> {
        self.0.lock().take()
    }
}

impl Site {
    /// The whole flight. `seen` is the entry that was judged not good enough; `None` when there is no store to ask, or it did not answer:
    /// its deadline is not waited for a second time.
    pub(crate) async fn fly(
        self,
        pilot: Pilot,
        call: Call,
        loader: Loader,
        seen: Option<EntryId>,
        reason: LoadReason,
    ) {
        let space = Arc::clone(&self.space);
        let mut permit = self.permit(&call).await;
        let Some(mut seen) = seen.filter(|_| space.settings.keeps_shared()) else {
            return self.load(pilot, call, loader, Ground::NoStore, reason).await;
        };
        // First, for what is loaded before changes are heard of is not kept here.
        if let Err(trouble) = self.heed().await {
            self.troubled(&trouble);
            return self.load(pilot, call, loader, Ground::NoStore, reason).await;
        }
        let named = || call.tags.iter().map(Tag::as_str);
        let mut wait = self.shared.waits.on(space.keys.lease(pilot.key().as_bytes()));
        let began_waiting = Instant::now();
        let patience = tokio::time::sleep(space.settings.loads.lock_wait);
        tokio::pin!(patience);
        let mut has_waited = false;
        loop {
            if self.is_doubted(pilot.key(), &call.tenant, named()) {
                return self
                    .load(pilot, call.clone(), loader, Ground::NoLease, reason)
                    .await;
            }
            let before = self.before(pilot.key());
            let (token, asked) = (Token::random(), tokio::time::Instant::now());
            match self.lease(pilot.key(), &call, &seen, token).await {
                Ok(Lease::Granted { incarnation, as_of }) => {
                    if has_waited {
                        space.recorder.waited_elsewhere(began_waiting.elapsed());
                    }
                    let tenure = Tenure {
                        token,
                        hold: Hold::new(asked, space.settings.loads.lease_term),
                        incarnation,
                        as_of,
                    };
                    return self
                        .load(pilot, call, loader, Ground::Lease(tenure, before), reason)
                        .await;
                }
                Ok(Lease::Changed) => {
                    // Who comes from here on may have come after an invalidation that this reading does not see.
                    pilot.close();
                    match self.read(pilot.key(), &call).await {
                        Ok(now) => {
                            let is_good = |held: &Arc<Held>| {
                                held.meta().version >= call.min_version
                                    && matches!(self.standing(held), Standing::Fresh | Standing::Ahead)
                            };
                            if let Some(held) = now.held.filter(is_good) {
                                if has_waited {
                                    space.recorder.waited_elsewhere(began_waiting.elapsed());
                                }
                                return pilot.land(Ok(held), Answers::Everybody);
                            }
                            seen = now.id;
                        }
                        Err(_counted) => {
                            return self.load(pilot, call, loader, Ground::NoStore, reason).await;
                        }
                    }
                }
                Ok(Lease::Busy { left }) => {
                    if reason == LoadReason::Refresh && pilot.is_alone() {
                        // Another process refreshes it already.
                        return pilot.land(Err(Failure::Again), Answers::Everybody);
                    }
                    has_waited = true;
                    if let Some(place) = &call.batch {
                        place.step_aside();
                    }
                    // Who waits for others does not keep those back who would load.
                    drop(permit.take());
                    tokio::select! {
                        biased;
                        () = wait.woken() => (),
                        // A lease ends by the store's clock, a little after ours says so.
                        () = tokio::time::sleep(left + Duration::from_millis(5)) => (),
                        () = &mut patience => {
                            let _permit = self.permit(&call).await;
                            return self.load(pilot, call, loader, Ground::NoLease, reason).await;
                        }
                    }
                    permit = self.permit(&call).await;
                }
                Ok(Lease::Marked) => return self.load(pilot, call, loader, Ground::NoLease, reason).await,
                Err(trouble) => {
                    self.troubled(&trouble);
                    return self.load(pilot, call, loader, Ground::NoStore, reason).await;
                }
            }
        }
    }

    /// The right to load, of which there are as many as loads may run at once.
    async fn permit(&self, call: &Call) -> Option<OwnedSemaphorePermit> {
        // It loads with others, under one permit, or for one that has its own.
        if call.batch.is_some() || call.is_within_load {
            return None;
        }
        // Never closed: the semaphore lives as long as the namespace.
        Arc::clone(&self.space.loads).acquire_owned().await.ok()
    }

    /// Asks for the lease, once more with the same token if the connection broke meanwhile.
    async fn lease(
        &self,
        key: &KeyText,
        call: &Call,
        seen: &EntryId,
        token: Token,
    ) -> Result<Lease, Trouble> {
        let space = &self.space;
        let (life, least) = space.settings.stamp_life(space.settings.freshness.life());
        let mut question = CACHE_LEASE.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&seen[..])
            .arg(token)
            .arg(millis(space.settings.loads.lease_term))
            .arg(1)
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(life))
            .arg(millis(least));
        for stamp in Space::stamps(&call.tenant, call.tags.iter().map(Tag::as_str)) {
            question.arg(stamp);
        }
        let reply: Vec<redis::Value> = self.run(&CACHE_LEASE, &question).await?;
        let written = reply
            .get(3)
            .and_then(|written| redis::from_redis_value_ref(written).ok());
        let tags = call.tags.iter().map(Tag::as_str);
        self.wrote(written.unwrap_or(0), &call.tenant, tags);
        read_lease(reply).ok_or_else(|| {
            Trouble::Failed(Error::Reply {
                operation: CACHE_LEASE.operation(),
                reason: "unknown answer to the wish to load".to_owned(),
            })
        })
    }

    /// Runs one of the cache's scripts, all of which may be sent again.
    pub(crate) async fn run<T: redis::FromRedisValue>(
        &self,
        script: &'static Script,
        question: &redis::Cmd,
    ) -> Result<T, Trouble> {
        let operation = script.operation();
        self.heed().await?;
        let asking = self.shared.ask(&operation, |mut connection| async move {
            let mut answer = script.run(&mut connection, question).await;
            if matches!(&answer, Err(error) if crate::store::is_cut_off(error)) {
                answer = script.run(&mut connection, question).await;
            }
            answer
        });
        // On the heap, so that the futures of those who ask stay small and shallow.
        let answer = Box::pin(asking).await?;
        crate::store::decode(&operation, answer).map_err(Trouble::Failed)
    }

    /// Runs a script that does its work again when it is sent again: a reply that was lost is said to be.
    pub(crate) async fn run_once<T: redis::FromRedisValue>(
        &self,
        script: &'static Script,
        question: &redis::Cmd,
    ) -> Result<T, Trouble> {
        let operation = script.operation();
        self.heed().await?;
        let asking = self.shared.ask_once(&operation, |mut connection| async move {
            script.run(&mut connection, question).await
        });
        let answer = Box::pin(asking).await?;
        crate::store::decode(&operation, answer).map_err(Trouble::Failed)
    }

    /// Calls the loader, keeps what it returned if it may be kept, and answers.
    async fn load(self, pilot: Pilot, call: Call, loader: Loader, ground: Ground, reason: LoadReason) {
        let Some(loader) = loader.take() else {
            // Called by an earlier flight, which could not answer its caller.
            if let Ground::Lease(tenure, _) = &ground {
                self.release(pilot.key(), tenure).await;
            }
            return pilot.land(Err(Failure::Again), Answers::Everybody);
        };
        let is_storeless = matches!(ground, Ground::NoStore);
        let (tenure, before) = match ground {
            Ground::Lease(tenure, before) => (Some(tenure), before),
            Ground::NoStore | Ground::NoLease => (None, self.before(pilot.key())),
        };
        let began = Instant::now();
        pilot.begin_load();
        let result = match &tenure {
            Some(tenure) => {
                let renew = || self.renew(pilot.key(), tenure);
                tenure.hold.renewing(renew, self.call(loader)).await
            }
            None => self.call(loader).await,
        };
        let took = began.elapsed();
        match result {
            Ok(fresh) => {
                self.space.recorder.load_ended(reason, LoadEnd::Ok, took);
                self.space.resting.remove(pilot.key());
                let loaded = Loading {
                    fresh,
                    took,
                    tenure,
                    before,
                    is_storeless,
                };
                self.keep(pilot, call, loaded).await;
            }
            Err((cause, end)) => {
                self.rest(pilot.key());
                self.space.recorder.load_ended(reason, end, took);
                if let Some(tenure) = &tenure {
                    self.release(pilot.key(), tenure).await;
                }
                pilot.land(Err(Failure::Load(LoadCause::new(cause))), Answers::Everybody);
            }
        }
    }

    /// The source failed: it is left alone while there is something stale to serve.
    fn rest(&self, key: &KeyText) {
        let freshness = &self.space.settings.freshness;
        let may_be_stale = freshness.stale_if_error.max(freshness.stale_while_revalidate);
        if !may_be_stale.is_zero() && !freshness.retry_after_error.is_zero() {
            let until = self.shared.clock.now().after(freshness.retry_after_error);
            self.space.resting.insert(key.clone(), until);
        }
    }

    /// Loads outside any flight; what it brings is kept by nobody.
    pub(crate) async fn load_unkept(
        &self,
        key: &KeyText,
        call: &Call,
        loader: &Loader,
    ) -> Result<Arc<Held>, LoadCause> {
        let gone = || LoadCause::new("the loader was called already, and could not answer".into());
        let _permit = self.permit(call).await;
        let moment = self.shared.local.moment();
        let began = Instant::now();
        let result = self.part().of(self.call(loader.take().ok_or_else(gone)?)).await;
        let took = began.elapsed();
        let fresh = result.map_err(|(cause, end)| {
            self.space.recorder.load_ended(LoadReason::Miss, end, took);
            LoadCause::new(cause)
        })?;
        self.space
            .recorder
            .load_ended(LoadReason::Miss, LoadEnd::Ok, took);
        let header = self.header_of(call, &fresh, took, None);
        let meta = meta_of(&header, &self.space.settings, self.shared.clock.now());
        tracing::debug!(namespace = &*self.space.name, %key, "loaded for one caller alone");
        Ok(self.hold(fresh.value, 0, meta, &call.tenant, moment))
    }

    /// What the source says, for a comparison. Failures are nobody's concern.
    pub(crate) async fn load_to_compare(&self, loader: &Loader) -> Option<Option<AnyValue>> {
        let fresh = self.call(loader.take()?).await.ok()?;
        Some(fresh.value)
    }

    /// A panic or a time-out is a failure like any other.
    async fn call(&self, loader: BoxedLoader) -> Result<Fresh, (Cause, LoadEnd)> {
        let limit = self.space.settings.loads.hard_timeout;
        let clock = &self.shared.clock;
        let late = clock.sleep_until(clock.now().after(limit));
        let load = AssertUnwindSafe(async move { loader().await }).catch_unwind();
        tokio::select! {
            biased;
            result = load => match result {
                Ok(Ok(fresh)) => Ok(fresh),
                Ok(Err(cause)) => Err((cause, LoadEnd::Failed)),
                Err(panic) => Err((LoadPanicked::of(&*panic).into(), LoadEnd::Failed)),
            },
            () = late => Err((LoadTimedOut(limit).into(), LoadEnd::TimedOut)),
        }
    }

    /// Another term for the lease of a load that takes longer than a third of it.
    async fn renew(&self, key: &KeyText, tenure: &Tenure) -> Result<bool> {
        let term = self.space.settings.loads.lease_term;
        let mut question = CACHE_RENEW.call(self.space.keys.prefix());
        question.arg(key.as_bytes()).arg(tenure.token).arg(millis(term));
        let answer = self.run::<i64>(&CACHE_RENEW, &question).await;
        answer.map(|renewed| renewed == 1).map_err(|trouble| {
            self.troubled(&trouble);
            trouble.into_error("renew the lease of a load")
        })
    }

    async fn release(&self, key: &KeyText, tenure: &Tenure) {
        let mut question = CACHE_RELEASE.call(self.space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(tenure.token)
            .arg(&self.shared.prefix);
        // A lease that cannot be given back ends by itself.
        if let Err(trouble) = self.run::<i64>(&CACHE_RELEASE, &question).await {
            self.troubled(&trouble);
        }
    }

    /// Keeps what was loaded, where it may be kept, and lands.
    async fn keep(self, pilot: Pilot, call: Call, loading: Loading) {
        let Loading {
            fresh,
            took,
            tenure,
            mut before,
            is_storeless,
        } = loading;
        let space = &self.space;
        // The program's own code (where a version is found, how a value is written) may panic as a loader may.
        let written = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let header = self.header_of(&call, &fresh, took, tenure.as_ref());
            let place = space.place(pilot.key());
            let entry = (space.form.encode)(&header, fresh.value.as_ref(), &space.settings.packing, place);
            (header, entry)
        }));
        let (header, encoded) = match written {
            Ok(written) => written,
            Err(panic) => {
                if let Some(tenure) = &tenure {
                    self.release(pilot.key(), tenure).await;
                }
                let cause = LoadCause::new(LoadPanicked::of(&*panic).into());
                return pilot.land(Err(Failure::Load(cause)), Answers::Everybody);
            }
        };
        let now = self.shared.clock.now();
        let mut meta = meta_of(&header, &space.settings, now);
        let hold = |meta, bytes| self.hold(fresh.value.clone(), bytes, meta, &call.tenant, before.moment);
        let entry = match encoded {
            Ok(entry) => entry,
            Err(error) => {
                // The value is good, only too large or not to be written: callers get it, nobody keeps it.
                space.recorder.fill_refused(FillRefusal::TooLarge);
                if !space
                    .has_complained
                    .swap(true, std::sync::atomic::Ordering::Relaxed)
                {
                    tracing::warn!(%error, "a loaded value is not cached; further ones are counted only");
                }
                if let Some(tenure) = &tenure {
                    self.release(pilot.key(), tenure).await;
                }
                return pilot.land(Ok(hold(meta, 0)), Answers::CameBeforeLoad);
            }
        };
        // Who comes from here on may have come after an invalidation that this fill does not see.
        pilot.close();
        let Some(tenure) = tenure else {
            let is_alone = !space.settings.keeps_shared();
            // While changes are heard of, what is not in the store may not be here: its removal would push nothing.
            let is_outage = !is_alone
                && space.settings.level <= Level::Delete
                && (!self.shared.is_live() || (is_storeless && space.settings.level == Level::Ttl))
                && !self.is_doubted(pilot.key(), &call.tenant, header.tags.iter().map(|tag| &**tag));
            if is_outage {
                meta.ends = meta.ends.min(now.after(space.settings.outage_ttl));
            }
            if let Some(wanted) = self.fence_above(pilot.key(), &call, &header, &entry).await {
                let landing = self.newer(pilot.key(), &call, header.version, wanted).await;
                return pilot.land(landing, Answers::Everybody);
            }
            let held = hold(meta, Envelope::weight_of(&entry));
            // Alone it is known that whatever was written meanwhile is newer; else nobody knows the order.
            let is_kept = before.pending.as_mut().is_some_and(|pending| match is_alone {
                true => pending.fill(&held),
                false => is_outage && pending.write(&held),
            });
            let answers = if is_kept {
                Answers::KeptHere
            } else {
                Answers::CameBeforeLoad
            };
            return pilot.land(Ok(held), answers);
        };
        let held = hold(meta, Envelope::weight_of(&entry));
        if self.is_doubted(pilot.key(), &call.tenant, header.tags.iter().map(|tag| &**tag)) {
            self.release(pilot.key(), &tenure).await;
            return pilot.land(Ok(held), Answers::CameBeforeLoad);
        }
        let answers = match self.fill(pilot.key(), &call, &header, &entry, &tenure).await {
            Ok(None) => {
                space.wrote(pilot.key(), entry.len());
                if let Some(pending) = &mut before.pending {
                    pending.write(&held);
                }
                Answers::Everybody
            }
            Ok(Some(Refused { refusal, fence })) => {
                space.recorder.fill_refused(refusal);
                // A copy of this fill whose reply was lost may have been taken.
                self.shared.local.changed(space.number, pilot.key().as_bytes());
                if let (Level::Fenced, Some(wanted)) = (space.settings.level, fence) {
                    let landing = self.newer(pilot.key(), &call, header.version, wanted).await;
                    return pilot.land(landing, Answers::Everybody);
                }
                Answers::CameBeforeLoad
            }
            Err(trouble) => {
                // It may have been taken all the same; what is held here may be older than that.
                self.troubled(&trouble);
                self.shared.local.changed(space.number, pilot.key().as_bytes());
                if matches!(&trouble, Trouble::Failed(error) if !error.is_store_unavailable()) {
                    // A store that is full, for one, refuses to keep, and can be told all the same.
                    self.release(pilot.key(), &tenure).await;
                }
                Answers::CameBeforeLoad
            }
        };
        pilot.land(Ok(held), answers);
    }

    /// What to answer instead of a load that is below the fence: what is there by now, if it is above.
    async fn newer(&self, key: &KeyText, call: &Call, found: u64, wanted: u64) -> Result<Arc<Held>, Failure> {
        let is_good = |held: &Arc<Held>| {
            held.meta().version >= wanted && matches!(self.standing(held), Standing::Fresh | Standing::Ahead)
        };
        let there = self.read(key, call).await.ok().and_then(|seen| seen.held);
        there.filter(is_good).ok_or_else(|| {
            let behind = Behind { wanted, found };
            Failure::Load(LoadCause::new(behind.into()))
        })
    }

    pub(crate) fn header_of(
        &self,
        call: &Call,
        fresh: &Fresh,
        took: Duration,
        tenure: Option<&Tenure>,
    ) -> Header {
        let settings = &self.space.settings;
        let freshness = &settings.freshness;
        // A caller's TTL is about the value it hopes for.
        let ttl = fresh.ttl.unwrap_or_else(|| match &fresh.value {
            Some(_) => call.ttl.unwrap_or(freshness.ttl),
            None => call.ttl.unwrap_or(Duration::MAX).min(freshness.negative_ttl),
        });
        let stale = |time| {
            if fresh.value.is_some() {
                time
            } else {
                Duration::ZERO
            }
        };
        let version_of = |value| {
            self.space
                .form
                .version_of
                .as_ref()
                .map(|version_of| version_of(value))
        };
        let version = fresh
            .version
            .or_else(|| fresh.value.as_ref().and_then(version_of));
        let mut tags: Vec<&Tag> = call.tags.iter().chain(&fresh.tags).collect();
        tags.sort_unstable();
        tags.dedup();
        Header {
            id: tenure.map_or_else(rand::random, |tenure| *tenure.token.as_bytes()),
            version: version.unwrap_or(0),
            incarnation: tenure.map_or([0; 8], |tenure| tenure.incarnation),
            as_of: tenure.map_or(0, |tenure| tenure.as_of),
            created: self.shared.clock.now(),
            ttl: freshness.jittered(ttl, rand::random()),
            stale_while_revalidate: stale(freshness.stale_while_revalidate),
            stale_if_error: stale(freshness.stale_if_error),
            load_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            is_absent: fresh.value.is_none(),
            is_sliding: freshness.is_sliding,
            tags: tags.into_iter().map(|tag| tag.as_str().into()).collect(),
            hash: 0,
        }
    }

    /// The fence above what was loaded without a lease. A store that does not answer knows of none.
    async fn fence_above(&self, key: &KeyText, call: &Call, header: &Header, entry: &[u8]) -> Option<u64> {
        if self.space.settings.level != Level::Fenced || header.version == 0 {
            return None;
        }
        // Nobody's token: it is judged, and not kept.
        let tenure = Tenure {
            token: Token::random(),
            hold: Hold::new(tokio::time::Instant::now(), self.space.settings.loads.lease_term),
            incarnation: header.incarnation,
            as_of: header.as_of,
        };
        match self.fill(key, call, header, entry, &tenure).await {
            Ok(refused) => refused?.fence,
            Err(trouble) => {
                self.troubled(&trouble);
                None
            }
        }
    }

    /// `None`: it was taken.
    async fn fill(
        &self,
        key: &KeyText,
        call: &Call,
        header: &Header,
        entry: &[u8],
        tenure: &Tenure,
    ) -> Result<Option<Refused>, Trouble> {
        let space = &self.space;
        if space.settings.level == Level::Fenced && header.version == 0 {
            self.release(key, tenure).await;
            return Ok(Some(Refused::by(FillRefusal::Fenced)));
        }
        let life = header.ttl + header.stale_while_revalidate.max(header.stale_if_error);
        let (stamp_life, stamp_least) = space.settings.stamp_life(life);
        let mut question = CACHE_FILL.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(tenure.token)
            .arg(&tenure.incarnation[..])
            .arg(tenure.as_of)
            .arg(&header.version.to_be_bytes()[..])
            .arg(entry)
            .arg(millis(life))
            .arg(millis(stamp_life))
            .arg(millis(stamp_least))
            .arg(&self.shared.prefix)
            .arg(&self.shared.origin[..]);
        for stamp in Space::stamps(&call.tenant, header.tags.iter().map(|tag| &**tag)) {
            question.arg(stamp);
        }
        let (answer, written): (String, u8) = self.run(&CACHE_FILL, &question).await?;
        self.wrote(written, &call.tenant, header.tags.iter().map(|tag| &**tag));
        let refusal = match answer.as_str() {
            "taken" => return Ok(None),
            "cleared" => FillRefusal::Cleared,
            "invalidated" => FillRefusal::Tagged,
            "marked" => FillRefusal::Marked,
            other => match other.strip_prefix("outdated ") {
                None => FillRefusal::Voided,
                Some(fence) => {
                    return Ok(Some(Refused {
                        refusal: FillRefusal::Fenced,
                        fence: u64::from_str_radix(fence, 16).ok(),
                    }));
                }
            },
        };
        Ok(Some(Refused::by(refusal)))
    }
}

fn read_lease(reply: Vec<redis::Value>) -> Option<Lease> {
    use redis::from_redis_value;
    let mut parts = reply.into_iter();
    let word: String = from_redis_value(parts.next()?).ok()?;
    Some(match word.as_str() {
        "changed" => Lease::Changed,
        "marked" => Lease::Marked,
        "busy" => Lease::Busy {
            left: Duration::from_millis(from_redis_value(parts.next()?).ok()?),
        },
        "granted" => {
            let incarnation: Vec<u8> = from_redis_value(parts.next()?).ok()?;
            Lease::Granted {
                incarnation: incarnation.try_into().ok()?,
                as_of: from_redis_value(parts.next()?).ok()?,
            }
        }
        _ => return None,
    })
}

pub(crate) fn millis(duration: Duration) -> u64 {
    crate::clock::millis(duration).max(1)
}
