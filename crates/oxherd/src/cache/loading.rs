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

use super::flight::{Answers, Failure, Pilot};
use super::key::{KeyText, Tag};
use super::local::Held;
use super::reading::{Before, EntryId};
use super::settings::Level;
use super::shared::Trouble;
use super::space::{AnyValue, Call, Site, Space};
use super::standing::{Standing, meta_of};
use super::stats::{FillRefusal, LoadEnd, LoadReason};
use super::value::Header;
use crate::error::{Cause, Error, LoadCause};
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

/// A caller's loader, until somebody calls it.
#[derive(Clone)]
pub(crate) struct Loader(Arc<Mutex<Option<Box<dyn FnOnce() -> LoadFuture + Send>>>>);

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

/// What the store said to the wish to load.
enum Lease {
    Granted { fence: u64, incarnation: [u8; 8], as_of: u64 },
    Changed,
    Busy { fence: u64, left: Duration },
    Marked { fence: u64 },
}

/// Under what a loader runs.
#[derive(Debug)]
pub(crate) struct Tenure {
    token: [u8; 16],
    incarnation: [u8; 8],
    as_of: u64,
}

/// Ends a task with its value.
struct Companion(tokio::task::JoinHandle<()>);

impl Drop for Companion {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Loader {
    pub(crate) fn new(loader: impl FnOnce() -> LoadFuture + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(loader)))))
    }

    /// Whether somebody called it.
    pub(crate) fn is_used(&self) -> bool {
        self.0.lock().is_none()
    }

    fn take(&self) -> Option<Box<dyn FnOnce() -> LoadFuture + Send>> {
        self.0.lock().take()
    }
}

impl Site {
    /// The whole flight. `seen` is the entry that was judged not good enough.
    pub(crate) async fn fly(
        self,
        pilot: Pilot,
        call: Call,
        loader: Loader,
        mut seen: EntryId,
        reason: LoadReason,
    ) {
        let space = Arc::clone(&self.space);
        let _permit = match call.batch {
            // It loads with others, under one permit.
            Some(_) => None,
            // Never closed: the semaphore lives as long as the namespace.
            None => space.loads.acquire().await.ok(),
        };
        if !space.settings.keeps_shared() {
            return self.load(pilot, call, loader, None, 0, reason).await;
        }
        let wait = self.shared.waits.on(space.keys.lease(pilot.key().as_bytes()));
        let began_waiting = Instant::now();
        // Nothing below the fence of a moment answers whoever came before that moment.
        let is_fenced = space.settings.level == Level::Fenced;
        let patience = tokio::time::sleep(space.settings.loads.lock_wait);
        tokio::pin!(patience);
        let (mut has_waited, mut is_patient) = (false, true);
        loop {
            if is_fenced {
                pilot.begin_load();
            }
            let before = self.before(pilot.key());
            let token: [u8; 16] = rand::random();
            match self.lease(pilot.key(), &call, &seen, &token).await {
                Ok(Lease::Granted {
                    fence,
                    incarnation,
                    as_of,
                }) => {
                    if has_waited {
                        space.recorder.waited_elsewhere(began_waiting.elapsed());
                    }
                    let tenure = Tenure {
                        token,
                        incarnation,
                        as_of,
                    };
                    return self
                        .load(pilot, call, loader, Some((tenure, before)), fence, reason)
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
                        Err(_counted) => return self.load(pilot, call, loader, None, 0, reason).await,
                    }
                }
                Ok(Lease::Busy { fence, .. }) if !is_patient => {
                    return self.load(pilot, call, loader, None, fence, reason).await;
                }
                Ok(Lease::Busy { left, .. }) => {
                    if reason == LoadReason::Refresh && pilot.is_alone() {
                        // Another process refreshes it already.
                        return pilot.land(Err(Failure::Again), Answers::Everybody);
                    }
                    has_waited = true;
                    pilot.put_off_load();
                    if let Some(place) = &call.batch {
                        place.step_aside();
                    }
                    tokio::select! {
                        biased;
                        () = wait.woken() => (),
                        // A lease ends by the store's clock, a little after ours says so.
                        () = tokio::time::sleep(left + Duration::from_millis(5)) => (),
                        () = &mut patience => is_patient = false,
                    }
                }
                Ok(Lease::Marked { fence }) => {
                    return self.load(pilot, call, loader, None, fence, reason).await;
                }
                Err(trouble) => {
                    self.troubled(&trouble);
                    return self.load(pilot, call, loader, None, 0, reason).await;
                }
            }
        }
    }

    /// Asks for the lease, once more with the same token if the connection broke meanwhile.
    async fn lease(
        &self,
        key: &KeyText,
        call: &Call,
        seen: &EntryId,
        token: &[u8; 16],
    ) -> Result<Lease, Trouble> {
        let space = &self.space;
        let (life, least) = space.settings.stamp_life(space.settings.freshness.life());
        let mut question = CACHE_LEASE.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&seen[..])
            .arg(&token[..])
            .arg(millis(space.settings.loads.lease_term))
            .arg(1)
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(life))
            .arg(millis(least));
        for stamp in Space::stamps(&call.tenant, call.tags.iter().map(Tag::as_str)) {
            question.arg(stamp);
        }
        let reply: Vec<redis::Value> = self.run(&CACHE_LEASE, &question).await?;
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
        let answer = self
            .shared
            .ask(&operation, |mut connection| async move {
                let mut answer = script.run(&mut connection, question).await;
                if matches!(&answer, Err(error) if crate::store::is_cut_off(error)) {
                    answer = script.run(&mut connection, question).await;
                }
                answer
            })
            .await?;
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
        let answer = self
            .shared
            .ask_once(&operation, |mut connection| async move {
                script.run(&mut connection, question).await
            })
            .await?;
        crate::store::decode(&operation, answer).map_err(Trouble::Failed)
    }

    /// Calls the loader, keeps what it returned if it may be kept, and answers. `fence` is the version below which everything was
    /// invalid before the load began, if that is known.
    async fn load(
        self,
        pilot: Pilot,
        call: Call,
        loader: Loader,
        tenure: Option<(Tenure, Before)>,
        fence: u64,
        reason: LoadReason,
    ) {
        let Some(loader) = loader.take() else {
            // Called by an earlier flight, which could not answer its caller.
            if let Some((tenure, _)) = &tenure {
                self.release(pilot.key(), tenure).await;
            }
            return pilot.land(Err(Failure::Again), Answers::Everybody);
        };
        let (tenure, before) = match tenure {
            Some((tenure, before)) => (Some(tenure), before),
            None => (None, self.before(pilot.key())),
        };
        let began = Instant::now();
        pilot.begin_load();
        let keeper = tenure
            .as_ref()
            .map(|tenure| self.keep_lease(pilot.key(), tenure.token));
        let result = self.call(loader).await;
        drop(keeper);
        let took = began.elapsed();
        match result {
            Ok(fresh) => {
                self.space.recorder.load_ended(reason, LoadEnd::Ok, took);
                let found = self.version_of(&fresh).unwrap_or(0);
                // What has no version (an absence, mostly) cannot be said to be old; it is not kept.
                if self.space.settings.level == Level::Fenced && found != 0 && found < fence {
                    self.space.recorder.fill_refused(FillRefusal::Fenced);
                    if let Some(tenure) = &tenure {
                        self.release(pilot.key(), tenure).await;
                    }
                    let behind = Failure::Behind { wanted: fence, found };
                    return pilot.land(Err(behind), Answers::Everybody);
                }
                self.keep(pilot, call, fresh, took, tenure, before).await;
            }
            Err((cause, end)) => {
                self.space.recorder.load_ended(reason, end, took);
                if let Some(tenure) = &tenure {
                    self.release(pilot.key(), tenure).await;
                }
                pilot.land(Err(Failure::Load(LoadCause::new(cause))), Answers::Everybody);
            }
        }
    }

    /// What the source says, for a comparison. Failures are nobody's concern.
    pub(crate) async fn load_to_compare(&self, loader: &Loader) -> Option<Option<AnyValue>> {
        let fresh = self.call(loader.take()?).await.ok()?;
        Some(fresh.value)
    }

    /// A panic or a time-out is a failure like any other.
    async fn call(&self, loader: Box<dyn FnOnce() -> LoadFuture + Send>) -> Result<Fresh, (Cause, LoadEnd)> {
        let limit = self.space.settings.loads.hard_timeout;
        let clock = &self.shared.clock;
        let late = clock.sleep_until(clock.now().after(limit));
        let load = AssertUnwindSafe(async move { loader().await }).catch_unwind();
        tokio::select! {
            biased;
            result = load => match result {
                Ok(Ok(fresh)) => Ok(fresh),
                Ok(Err(cause)) => Err((cause, LoadEnd::Failed)),
                Err(panic) => Err((LoadPanicked(message_of(&*panic)).into(), LoadEnd::Failed)),
            },
            () = late => Err((LoadTimedOut(limit).into(), LoadEnd::TimedOut)),
        }
    }

    /// Renews the lease until it is dropped, or lost. A load that is shorter than a third of the term never comes to it.
    fn keep_lease(&self, key: &KeyText, token: [u8; 16]) -> Companion {
        let (site, key) = (self.clone(), key.clone());
        let term = self.space.settings.loads.lease_term;
        Companion(tokio::spawn(async move {
            loop {
                tokio::time::sleep(term / 3).await;
                let mut question = CACHE_RENEW.call(site.space.keys.prefix());
                question.arg(key.as_bytes()).arg(&token[..]).arg(millis(term));
                match site.run::<i64>(&CACHE_RENEW, &question).await {
                    Ok(1) => (),
                    Ok(_lost) => return,
                    Err(trouble) => site.troubled(&trouble),
                }
            }
        }))
    }

    async fn release(&self, key: &KeyText, tenure: &Tenure) {
        let mut question = CACHE_RELEASE.call(self.space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&tenure.token[..])
            .arg(&self.shared.prefix);
        // A lease that cannot be given back ends by itself.
        if let Err(trouble) = self.run::<i64>(&CACHE_RELEASE, &question).await {
            self.troubled(&trouble);
        }
    }

    /// Keeps what was loaded, where it may be kept, and lands.
    async fn keep(
        self,
        pilot: Pilot,
        call: Call,
        fresh: Fresh,
        took: Duration,
        tenure: Option<Tenure>,
        mut before: Before,
    ) {
        let space = &self.space;
        let header = self.header_of(&call, &fresh, took, tenure.as_ref());
        let place = space.place(pilot.key());
        let encoded = if space.settings.keeps_shared() || space.settings.keeps_local() {
            (space.form.encode)(&header, fresh.value.as_ref(), &space.settings.packing, place)
        } else {
            Ok(Vec::new())
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
            let is_outage = !is_alone && space.settings.level <= Level::Delete && !self.shared.is_live();
            if is_outage {
                meta.ends = meta.ends.min(now.after(space.settings.outage_ttl));
            }
            let held = hold(meta, entry.len());
            let is_kept = (is_alone || is_outage)
                && before
                    .pending
                    .as_mut()
                    .is_some_and(|pending| pending.write(&held));
            let answers = if is_kept {
                Answers::Everybody
            } else {
                Answers::CameBeforeLoad
            };
            return pilot.land(Ok(held), answers);
        };
        let held = hold(meta, entry.len());
        let answers = match self.fill(pilot.key(), &call, &header, &entry, &tenure).await {
            Ok(None) => {
                space.recorder.fill_taken(pilot.key().as_str(), entry.len());
                if let Some(pending) = &mut before.pending {
                    pending.write(&held);
                }
                Answers::Everybody
            }
            Ok(Some(refusal)) => {
                space.recorder.fill_refused(refusal);
                // A copy of this fill whose reply was lost may have been taken.
                self.shared.local.changed(space.number, pilot.key().as_bytes());
                Answers::CameBeforeLoad
            }
            Err(trouble) => {
                // It may have been taken all the same; what is held here may be older than that.
                self.troubled(&trouble);
                self.shared.local.changed(space.number, pilot.key().as_bytes());
                Answers::CameBeforeLoad
            }
        };
        pilot.land(Ok(held), answers);
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
        let ttl = match (fresh.ttl.or(call.ttl), &fresh.value) {
            (Some(ttl), _) => ttl,
            (None, Some(_)) => freshness.ttl,
            (None, None) => freshness.negative_ttl,
        };
        let mut tags: Vec<&Tag> = call.tags.iter().chain(&fresh.tags).collect();
        tags.sort_unstable();
        tags.dedup();
        Header {
            id: tenure.map_or_else(rand::random, |tenure| tenure.token),
            version: self.version_of(fresh).unwrap_or(0),
            incarnation: tenure.map_or([0; 8], |tenure| tenure.incarnation),
            as_of: tenure.map_or(0, |tenure| tenure.as_of),
            created: self.shared.clock.now(),
            ttl: freshness.jittered(ttl, rand::random()),
            stale_while_revalidate: freshness.stale_while_revalidate,
            stale_if_error: freshness.stale_if_error,
            load_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            is_absent: fresh.value.is_none(),
            is_sliding: freshness.is_sliding,
            tags: tags.into_iter().map(|tag| tag.as_str().into()).collect(),
            hash: 0,
        }
    }

    /// The version that the loader said, or that is in the value.
    fn version_of(&self, fresh: &Fresh) -> Option<u64> {
        fresh.version.or_else(|| {
            let version_of = self.space.form.version_of.as_ref()?;
            Some(version_of(fresh.value.as_ref()?))
        })
    }

    /// `None`: it was taken.
    async fn fill(
        &self,
        key: &KeyText,
        call: &Call,
        header: &Header,
        entry: &[u8],
        tenure: &Tenure,
    ) -> Result<Option<FillRefusal>, Trouble> {
        let space = &self.space;
        if space.settings.level == Level::Fenced && header.version == 0 {
            self.release(key, tenure).await;
            return Ok(Some(FillRefusal::Fenced));
        }
        let life = header.ttl + header.stale_while_revalidate.max(header.stale_if_error);
        let (stamp_life, stamp_least) = space.settings.stamp_life(life);
        let mut question = CACHE_FILL.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&tenure.token[..])
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
        let answer: String = self.run(&CACHE_FILL, &question).await?;
        Ok(match answer.as_str() {
            "taken" => None,
            "cleared" => Some(FillRefusal::Cleared),
            "outdated" => Some(FillRefusal::Fenced),
            "invalidated" => Some(FillRefusal::Tagged),
            "marked" => Some(FillRefusal::Marked),
            _void => Some(FillRefusal::Voided),
        })
    }
}

fn read_lease(reply: Vec<redis::Value>) -> Option<Lease> {
    use redis::from_redis_value;
    let mut parts = reply.into_iter();
    let word: String = from_redis_value(parts.next()?).ok()?;
    Some(match word.as_str() {
        "changed" => Lease::Changed,
        "marked" => Lease::Marked {
            fence: read_fence(parts.next()?)?,
        },
        "busy" => Lease::Busy {
            fence: read_fence(parts.next()?)?,
            left: Duration::from_millis(from_redis_value(parts.next()?).ok()?),
        },
        "granted" => {
            let fence = read_fence(parts.next()?)?;
            let incarnation: Vec<u8> = from_redis_value(parts.next()?).ok()?;
            Lease::Granted {
                fence,
                incarnation: incarnation.try_into().ok()?,
                as_of: from_redis_value(parts.next()?).ok()?,
            }
        }
        _ => return None,
    })
}

/// A fence, or zero: there is none, or one that is not ours.
fn read_fence(reply: redis::Value) -> Option<u64> {
    let redis::Value::BulkString(fence) = reply else {
        return None;
    };
    Some(fence.try_into().map_or(0, u64::from_be_bytes))
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    crate::clock::millis(duration).max(1)
}
