//! How a read is answered: from this process, from the store, or by a load.
//!
//! What is fresh is returned at once; what is stale too, while a flight in the background refreshes it; what is only good enough
//! for errors is kept at hand. Everything else waits for a flight, and starts over when that may not answer it.
//! Next: `standing.rs`, `reading.rs`, `flight.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::Place;
use super::flight::{Flights, Pilot};
use super::key::KeyText;
use super::loading::{Behind, Loader};
use super::local::{Held, Validity};
use super::reading::{EntryId, Seen};
use super::settings::Level;
use super::shared::Trouble;
use super::space::{Call, Site};
use super::standing::Standing;
use super::stats::{LoadReason, StaleReason, Tier};
use crate::clock::Timestamp;
use crate::error::{Error, LoadCause, Result};

/// How often a caller waits for loads of others that may not answer it, before it loads by itself.
const ROUNDS: usize = 4;
/// The same where only flights know of fences.
const FENCED_ROUNDS: usize = 32;

/// An answer and how it came about.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) held: Arc<Held>,
    /// `None`: it was loaded.
    pub(crate) tier: Option<Tier>,
    pub(crate) is_stale: bool,
}

/// What this process has.
#[derive(Debug)]
pub(crate) enum Here<T = Arc<Held>> {
    /// The answer.
    Answer(T),
    /// The answer, to be refreshed.
    Refresh(Arc<Held>, Standing),
    /// No answer; perhaps something for the case that everything else fails.
    Nothing(Option<Arc<Held>>),
}

/// What an entry of this process is worth to a read.
enum Worth {
    /// An answer.
    Fresh,
    /// An answer whose life is to be prolonged.
    Sliding,
    /// An answer, to be refreshed.
    Due(Standing),
    /// Nothing, unless everything else fails.
    Fallback,
    /// Nothing.
    Nothing,
    /// Nothing, and never again.
    Gone,
}

/// What a look found, before anything is loaded.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) here: Here,
    /// `None`: the store was not asked, or did not answer.
    pub(crate) seen: Option<Seen>,
    /// Whether it did not answer, so that asking again would take as long.
    pub(crate) is_silent: bool,
    pub(crate) began: Instant,
}

impl Site {
    /// What this process has, without asking anybody.
    pub(crate) fn here(&self, key: &KeyText, call: &Call) -> Here {
        let (key, min_version) = (key.as_bytes(), call.min_version);
        self.here_above(key, min_version, call.is_strict, call.is_ahead, Arc::clone)
    }

    /// The same by what it takes to know it, with what `take` takes of an answer where it lies, under a lock (see [`Local::look`](super::local::Local::look)). The hottest
    /// path there is.
    #[inline]
    pub(crate) fn here_above<T>(
        &self,
        key: &[u8],
        min_version: u64,
        is_strict: bool,
        is_ahead: bool,
        take: impl FnOnce(&Arc<Held>) -> T,
    ) -> Here<T> {
        let Self { shared, space } = self;
        // Alone, this process is who knows best.
        if !space.settings.keeps_local() || (is_strict && space.settings.keeps_shared()) {
            return Here::Nothing(None);
        }
        let (now, ticks) = (shared.clock.now_coarse(), shared.clock.ticks());
        // Before the look-up: who finds a sign of life then finds what was told before it.
        let is_hearing = shared.local.is_hearing(shared.clock.machine(now, ticks));
        let found = shared.local.look(space.number, key, |held| {
            let worth = match held.meta().version < min_version {
                true => Worth::Nothing,
                false => self.worth(held, now, ticks, is_hearing, is_ahead),
            };
            match worth {
                Worth::Fresh => Ok(take(held)),
                Worth::Sliding => Err((worth, Arc::clone(held), Some(take(held)))),
                _ => Err((worth, Arc::clone(held), None)),
            }
        });
        match found {
            Some(Ok(taken)) => Here::Answer(taken),
            Some(Err((worth, held, taken))) => self.here_besides(key, now, worth, held, taken),
            None => Here::Nothing(None),
        }
    }

    #[inline]
    fn worth(&self, held: &Held, now: Timestamp, ticks: u64, is_hearing: bool, is_ahead: bool) -> Worth {
        let Self { shared, space } = self;
        let meta = held.meta();
        let is_trusted = match shared.local.validity(held) {
            Validity::Valid if is_hearing => true,
            Validity::Valid | Validity::Doubted => {
                space.settings.level == Level::Ttl || !space.settings.keeps_shared()
            }
            Validity::Gone => return Worth::Gone,
        };
        if !is_trusted || held.is_over(now, ticks) {
            // Invalidated it was not, as far as anybody knows.
            return match held.is_good_for_errors(now, ticks) && space.settings.level <= Level::Delete {
                true => Worth::Fallback,
                false => Worth::Nothing,
            };
        }
        match Standing::of(meta, &space.settings, now) {
            Standing::Fresh if now < meta.refresh_from => Worth::Fresh,
            Standing::Fresh if is_ahead => Worth::Due(Standing::Ahead),
            Standing::Fresh if meta.is_sliding && !space.settings.keeps_shared() => Worth::Sliding,
            Standing::Fresh => Worth::Fresh,
            standing @ (Standing::Ahead | Standing::Stale) => Worth::Due(standing),
            Standing::Spent => Worth::Fallback,
            Standing::Ended => Worth::Nothing,
        }
    }

    /// What becomes of what is not just an answer; without any lock.
    #[cold]
    fn here_besides<T>(
        &self,
        key: &[u8],
        now: Timestamp,
        worth: Worth,
        held: Arc<Held>,
        taken: Option<T>,
    ) -> Here<T> {
        match (worth, taken) {
            (Worth::Sliding, Some(taken)) => {
                self.slide(key, &held, now);
                Here::Answer(taken)
            }
            (Worth::Due(standing), _) => Here::Refresh(held, standing),
            (Worth::Fallback, _) => Here::Nothing(Some(held)),
            (Worth::Gone, _) => {
                self.shared.local.forget(self.space.number, key, &held);
                Here::Nothing(None)
            }
            _ => Here::Nothing(None),
        }
    }

    /// Reads without a loader: this process, then the store. Trouble with the store is a miss, and counted.
    pub(crate) async fn find(&self, key: &KeyText, call: &Call) -> Option<Answered> {
        self.make_room().await;
        let began = Instant::now();
        match self.here(key, call) {
            Here::Answer(held) | Here::Refresh(held, Standing::Ahead) => {
                self.count_here(key, &held, began);
                return Some(answered(held, Some(Tier::Local), false));
            }
            Here::Refresh(..) | Here::Nothing(_) => (),
        }
        let seen = self.there(key, call).await.ok().flatten();
        let asked = seen.as_ref().map(|seen| seen.took);
        let Seen { held, took, .. } = seen.unwrap_or_default();
        match held {
            Some(held)
                if held.meta().version >= call.min_version
                    && matches!(self.standing(&held), Standing::Fresh | Standing::Ahead) =>
            {
                self.count_there(key, &held, took);
                Some(answered(held, Some(Tier::Shared), false))
            }
            _ => {
                self.space.recorder.missed(key.as_str(), asked);
                None
            }
        }
    }

    /// What a reader would be served now, without counting it as a read.
    pub(crate) async fn find_uncounted(&self, key: &KeyText, call: &Call) -> Option<Arc<Held>> {
        match self.here(key, call) {
            Here::Answer(held) | Here::Refresh(held, _) => Some(held),
            Here::Nothing(_) => self.there(key, call).await.ok()??.held,
        }
    }

    /// Reads, and loads what is not there.
    pub(crate) async fn obtain(self, key: KeyText, call: Call, loader: Loader) -> Result<Answered> {
        self.make_room().await;
        let look = Look {
            here: self.here(&key, &call),
            seen: None,
            is_silent: false,
            began: Instant::now(),
        };
        self.obtain_after(key, call, loader, look).await
    }

    /// As [`Self::obtain`], after somebody looked here, and perhaps in the store.
    pub(crate) async fn obtain_after(
        self,
        key: KeyText,
        mut call: Call,
        loader: Loader,
        look: Look,
    ) -> Result<Answered> {
        call.is_within_load = self.is_within_load();
        let Look {
            here,
            mut seen,
            mut is_silent,
            began,
        } = look;
        let mut fallback = match here {
            Here::Answer(held) => {
                self.verify_some(&key, &call, &loader, &held);
                return Ok(self.answered_here(&key, held, began));
            }
            // The store may have been asked too, and know better.
            Here::Refresh(_, Standing::Stale) if self.has_fresh(seen.as_ref(), call.min_version) => None,
            Here::Refresh(held, standing) => {
                self.count_here(&key, &held, began);
                return Ok(self.refreshed(&key, call, loader, held, standing, Tier::Local));
            }
            Here::Nothing(fallback) => fallback,
        };
        let mut is_counted = false;
        let is_fenced = self.space.settings.level == Level::Fenced;
        for round in 0..FENCED_ROUNDS {
            if round > 0
                && let Here::Answer(held) = self.here(&key, &call)
            {
                return Ok(answered(held, Some(Tier::Local), false));
            }
            let seen = match seen.take() {
                Some(seen) => Some(seen),
                None if is_silent => None,
                None => {
                    let seen = self.there(&key, &call).await;
                    is_silent = matches!(&seen, Err(trouble) if trouble.is_lasting());
                    seen.ok().flatten()
                }
            };
            if seen.is_some() {
                // Only while nobody can say better: neither the store, nor a push that came meanwhile.
                fallback = fallback.filter(|held| {
                    let present = self.shared.local.get(self.space.number, key.as_bytes());
                    self.shared.local.validity(held) == Validity::Valid
                        && present.is_some_and(|present| Arc::ptr_eq(&present, held))
                });
            }
            let asked = seen.as_ref().map(|seen| seen.took);
            let Seen { id, held, took } = seen.unwrap_or_default();
            if let Some(held) = held.filter(|held| held.meta().version >= call.min_version) {
                match self.standing(&held) {
                    Standing::Fresh => {
                        self.count_there(&key, &held, took);
                        self.verify_some(&key, &call, &loader, &held);
                        return Ok(answered(held, Some(Tier::Shared), false));
                    }
                    standing @ (Standing::Ahead | Standing::Stale) => {
                        self.count_there(&key, &held, took);
                        return Ok(self.refreshed(&key, call, loader, held, standing, Tier::Shared));
                    }
                    Standing::Spent => fallback = Some(held),
                    Standing::Ended => (),
                }
            }
            if !is_counted {
                is_counted = true;
                self.space.recorder.missed(key.as_str(), asked);
            }
            if let Some(held) = self.usable(fallback.as_ref()).filter(|_| self.is_resting(&key)) {
                self.space.recorder.served_stale(StaleReason::Error);
                return Ok(answered(Arc::clone(held), None, true));
            }
            // In the next round it is asked again.
            let seen = (!std::mem::take(&mut is_silent)).then_some(id);
            // On the heap, as what follows: most reads need neither, and are small without.
            let waiting = Box::pin(self.wait_for_load(&key, &call, &loader, seen, fallback.as_ref()));
            match waiting.await? {
                Some(answer) => return Ok(answer),
                None if loader.is_used() => break,
                None => (),
            }
            if round + 1 >= ROUNDS && !is_fenced {
                // Others came first each time. A load of one's own begins after the question, so it may answer it.
                return Box::pin(self.load_alone(&key, &call, &loader)).await;
            }
        }
        let reason = "every load was overtaken by an invalidation, or ended with its runtime; try again";
        Err(self.load_error(&key, LoadCause::new(reason.into())))
    }

    /// Loads for this caller alone, and keeps nothing.
    async fn load_alone(&self, key: &KeyText, call: &Call, loader: &Loader) -> Result<Answered> {
        let held = self
            .load_unkept(key, call, loader)
            .await
            .map_err(|cause| self.load_error(key, cause))?;
        if held.meta().version >= call.min_version {
            return Ok(answered(held, None, false));
        }
        Err(Error::BehindVersion {
            namespace: self.space.name.to_string(),
            key: key.to_string(),
            wanted: call.min_version,
            found: held.meta().version,
        })
    }

    /// `None`: the flight may not answer this caller.
    async fn wait_for_load(
        &self,
        key: &KeyText,
        call: &Call,
        loader: &Loader,
        seen: Option<EntryId>,
        fallback: Option<&Arc<Held>>,
    ) -> Result<Option<Answered>> {
        let began = Instant::now();
        let (mut seat, pilot) = self.space.flights.join(key);
        let is_pilot = pilot.is_some();
        // That flight, or the batch that it loads with, may wait for a permit that is held for the load which waits here.
        if call.is_within_load
            && !is_pilot
            && self.space.loads.available_permits() == 0
            && self.space.settings.level != Level::Fenced
        {
            return self.load_alone(key, call, loader).await.map(Some);
        }
        if let (false, Some(place)) = (is_pilot, &call.batch) {
            place.step_aside();
        }
        if let Some(pilot) = pilot {
            self.start(pilot, call.clone(), loader.clone(), seen, LoadReason::Miss);
        }
        let soft = self
            .space
            .settings
            .loads
            .soft_timeout
            .filter(|_| fallback.is_some());
        let clock = &self.shared.clock;
        let landing = tokio::select! {
            biased;
            landing = seat.landing(call.is_strict) => Some(landing),
            () = async {
                match soft {
                    Some(soft) => clock.sleep_until(clock.now().after(soft)).await,
                    None => std::future::pending().await,
                }
            } => None,
        };
        let landing = match (landing, self.usable(fallback)) {
            (Some(landing), _) => landing,
            (None, Some(held)) => {
                self.space.recorder.served_stale(StaleReason::Timeout);
                return Ok(Some(answered(Arc::clone(held), None, true)));
            }
            (None, None) => seat.landing(call.is_strict).await,
        };
        if !is_pilot {
            self.space.recorder.waited_here(began.elapsed());
        }
        match landing {
            None => Ok(None),
            Some(Ok(held)) if held.meta().version >= call.min_version => {
                Ok(Some(answered(held, None, false)))
            }
            // Our own load saw the source after we asked: the source is behind.
            Some(Ok(held)) if is_pilot => Err(Error::BehindVersion {
                namespace: self.space.name.to_string(),
                key: key.to_string(),
                wanted: call.min_version,
                found: held.meta().version,
            }),
            Some(Ok(_too_old)) => Ok(None),
            Some(Err(cause)) => match self.usable(fallback) {
                Some(held) => {
                    self.space.recorder.served_stale(StaleReason::Error);
                    tracing::debug!(namespace = &*self.space.name, %key, %cause, "a load failed; stale is served");
                    Ok(Some(answered(Arc::clone(held), None, true)))
                }
                None => Err(self.load_error(key, cause)),
            },
        }
    }

    /// What was good enough for errors when it was read, if it is still: to wait for a load takes time.
    fn usable<'f>(&self, fallback: Option<&'f Arc<Held>>) -> Option<&'f Arc<Held>> {
        let clock = &self.shared.clock;
        fallback.filter(|held| held.is_good_for_errors(clock.now(), clock.ticks()))
    }

    /// An answer that somebody refreshes meanwhile.
    fn refreshed(
        &self,
        key: &KeyText,
        call: Call,
        loader: Loader,
        held: Arc<Held>,
        standing: Standing,
        tier: Tier,
    ) -> Answered {
        let is_stale = standing == Standing::Stale;
        if is_stale {
            self.space.recorder.served_stale(StaleReason::Revalidating);
        }
        if !self.is_resting(key) {
            self.refresh(key, call, loader, EntryId::from_slice(&held.meta().id));
        }
        answered(held, Some(tier), is_stale)
    }

    /// Loads in the background, unless somebody does already.
    pub(crate) fn refresh(&self, key: &KeyText, call: Call, loader: Loader, seen: EntryId) {
        let (_seat, pilot) = Flights::join(&self.space.flights, key);
        if let Some(pilot) = pilot {
            self.start(pilot, call, loader, Some(seen), LoadReason::Refresh);
        }
    }

    fn start(&self, pilot: Pilot, mut call: Call, loader: Loader, seen: Option<EntryId>, reason: LoadReason) {
        let part = match reason {
            LoadReason::Miss => self.part(),
            LoadReason::Refresh => {
                call.is_within_load = false;
                self.part_of_nothing()
            }
        };
        let leaving = call.batch.as_ref().map(Place::boarding);
        let flight = self.clone().fly(pilot, call, loader, seen, reason);
        tokio::spawn(async move {
            part.of(flight).await;
            drop(leaving);
        });
    }

    /// Asks the store; `None` when it is not asked. Trouble is counted.
    async fn there(&self, key: &KeyText, call: &Call) -> Result<Option<Seen>, Trouble> {
        if !self.space.settings.keeps_shared() {
            return Ok(None);
        }
        self.read(key, call).await.map(Some)
    }

    /// Whether the store has the answer, and nothing is to be loaded.
    pub(crate) fn has_fresh(&self, seen: Option<&Seen>, min_version: u64) -> bool {
        let held = seen.and_then(|seen| seen.held.as_ref());
        held.is_some_and(|held| held.meta().version >= min_version && self.standing(held) == Standing::Fresh)
    }

    /// Whether the source failed so short a time ago that something stale is served without asking it.
    fn is_resting(&self, key: &KeyText) -> bool {
        let until = self.space.resting.get(key);
        until.is_some_and(|until| self.shared.clock.ticks() < until)
    }

    /// An entry of this process alone was read: its life begins anew.
    #[cold]
    pub(crate) fn slide(&self, key: &[u8], held: &Arc<Held>, now: Timestamp) {
        let Self { shared, space } = self;
        // Announced before looking again, so that no removal is undone.
        let pending = shared.local.pending(space.number, key);
        let present = shared.local.get(space.number, key);
        if present.is_some_and(|present| Arc::ptr_eq(&present, held)) {
            let meta = held.meta().beginning_at(now);
            pending.fill(&Arc::new(held.with_meta(meta, shared.clock.ticks())));
        }
    }

    /// Has a hit compared with what its loader says, if it is drawn. Keys of a batch share their loader, and are not.
    fn verify_some(&self, key: &KeyText, call: &Call, loader: &Loader, held: &Arc<Held>) {
        if call.batch.is_none() && self.is_to_be_verified() {
            self.verify(key.clone(), call.clone(), loader.clone(), Arc::clone(held));
        }
    }

    fn answered_here(&self, key: &KeyText, held: Arc<Held>, began: Instant) -> Answered {
        self.count_here(key, &held, began);
        answered(held, Some(Tier::Local), false)
    }

    #[inline]
    pub(crate) fn count_here(&self, key: &KeyText, held: &Held, began: Instant) {
        let recorder = &self.space.recorder;
        recorder.local_hit();
        if recorder.sample() {
            recorder.local_hit_in_detail(key.as_str(), held.bytes() as usize, began.elapsed());
        }
        if held.is_absent() {
            recorder.hit_was_absent();
        }
    }

    pub(crate) fn count_there(&self, key: &KeyText, held: &Held, took: Duration) {
        let recorder = &self.space.recorder;
        recorder.shared_hit(key.as_str(), held.bytes() as usize, took);
        if held.is_absent() {
            recorder.hit_was_absent();
        }
    }

    fn load_error(&self, key: &KeyText, cause: LoadCause) -> Error {
        if let Some(Behind { wanted, found }) = cause.downcast_ref() {
            return Error::BehindVersion {
                namespace: self.space.name.to_string(),
                key: key.to_string(),
                wanted: *wanted,
                found: *found,
            };
        }
        Error::Load {
            namespace: self.space.name.to_string(),
            key: key.to_string(),
            source: cause,
        }
    }
}

pub(crate) fn answered(held: Arc<Held>, tier: Option<Tier>, is_stale: bool) -> Answered {
    Answered { held, tier, is_stale }
}
