//! What a flight does: find out on what ground it may load, call the loader, keep what it returned, answer.
//!
//! The lease makes one process load; the others wait until it is done, and are woken. What is loaded under it is kept
//! unless something that concerns it was invalidated meanwhile. Without a store, or while a write is announced, the
//! loader is called all the same and its value is kept by nobody (or, while the store is away, for a few seconds by this process).
//! Next: `loading/lease.rs`, `loading/source.rs` (the loader), `loading/keep.rs`; `flight.rs` (who gets the result).

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::flight::{Failure, Landing, Pilot};
use super::key::{KeyText, Tag};
use super::local::Held;
use super::reading::{Before, EntryId};
use super::space::{Call, Site};
use super::standing::Standing;
use super::stats::{LoadEnd, LoadReason};
use crate::error::LoadCause;
use crate::lock::{Hold, Token};

mod fill;
mod keep;
mod lease;
mod source;

pub(crate) use keep::Behind;
use lease::{Lease, Tenure};
pub(crate) use source::{Fresh, LoadFuture, Loader};
pub use source::{LoadPanicked, LoadTimedOut};

/// On what ground a loader is called.
enum Ground {
    Lease(Tenure, Before),
    /// The store did not answer, or there is none to ask.
    NoStore,
    /// The store has reasons: a write is announced, or another process loads for too long already.
    NoLease,
}

/// What asking for the lease comes to.
enum Asked {
    Load(Ground),
    /// There is an answer without a load.
    Landing(Landing),
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
        let mut permit = self.permit(&call).await;
        let asked = match seen.filter(|_| self.space.settings.keeps_shared()) {
            Some(seen) => self.ask_to_load(&pilot, &call, seen, reason, &mut permit).await,
            None => Asked::Load(Ground::NoStore),
        };
        match asked {
            Asked::Load(ground) => self.load(pilot, call, loader, ground, reason).await,
            Asked::Landing(landing) => pilot.land(landing),
        }
    }

    /// Asks for the lease until it is there, somebody else has loaded, or it is of no use to ask. The permit is given back while
    /// another process loads.
    async fn ask_to_load(
        &self,
        pilot: &Pilot,
        call: &Call,
        mut seen: EntryId,
        reason: LoadReason,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> Asked {
        let space = &self.space;
        // First, for what is loaded before changes are heard of is not kept here.
        if let Err(trouble) = self.heed().await {
            self.troubled(&trouble);
            return Asked::Load(Ground::NoStore);
        }
        let mut wait = self.shared.waits.on(space.keys.lease(pilot.key().as_bytes()));
        let began_waiting = Instant::now();
        let patience = tokio::time::sleep(space.settings.loads.lock_wait);
        tokio::pin!(patience);
        let mut has_waited = false;
        let count_wait = |has_waited: bool| {
            if has_waited {
                space.recorder.waited_elsewhere(began_waiting.elapsed());
            }
        };
        loop {
            if self.is_doubted(pilot.key(), &call.tenant, call.tags.iter().map(Tag::as_str)) {
                return Asked::Load(Ground::NoLease);
            }
            let before = self.before(pilot.key());
            let token = Token::random();
            match self.lease(pilot.key(), call, &seen, token).await {
                Ok(Lease::Granted {
                    asked,
                    incarnation,
                    as_of,
                }) => {
                    count_wait(has_waited);
                    let tenure = Tenure {
                        token,
                        hold: Arc::new(Hold::new(asked, space.lease_term(call.batch.as_ref()))),
                        incarnation,
                        as_of,
                        batch: call.batch.clone(),
                    };
                    return Asked::Load(Ground::Lease(tenure, before));
                }
                Ok(Lease::Changed) => {
                    // Who comes from here on may have come after an invalidation that this reading does not see.
                    pilot.close();
                    let Ok(now) = self.read(pilot.key(), call).await else {
                        // It is counted.
                        return Asked::Load(Ground::NoStore);
                    };
                    if let Some(held) = now.held.filter(|held| self.is_good(held, call.min_version)) {
                        count_wait(has_waited);
                        return Asked::Landing(Landing::everybody(Ok(held)));
                    }
                    seen = now.id;
                }
                Ok(Lease::Busy { .. }) if reason == LoadReason::Refresh && pilot.is_alone() => {
                    // Another process refreshes it already.
                    return Asked::Landing(Landing::everybody(Err(Failure::Again)));
                }
                Ok(Lease::Busy { left }) => {
                    has_waited = true;
                    if let Some(place) = &call.batch {
                        place.step_aside();
                    }
                    // Who waits for others does not keep those back who would load.
                    drop(permit.take());
                    let is_patient = tokio::select! {
                        biased;
                        () = wait.woken() => true,
                        // A lease ends by the store's clock, a little after ours says so.
                        () = tokio::time::sleep(left + Duration::from_millis(5)) => true,
                        () = &mut patience => false,
                    };
                    *permit = self.permit(call).await;
                    if !is_patient {
                        return Asked::Load(Ground::NoLease);
                    }
                }
                Ok(Lease::Marked) => return Asked::Load(Ground::NoLease),
                Err(trouble) => {
                    self.troubled(&trouble);
                    return Asked::Load(Ground::NoStore);
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

    /// Whether what the store has answers instead of a load.
    pub(crate) fn is_good(&self, held: &Held, min_version: u64) -> bool {
        held.meta().version >= min_version && matches!(self.standing(held), Standing::Fresh | Standing::Ahead)
    }

    /// Calls the loader, keeps what it returned if it may be kept, and answers.
    async fn load(self, pilot: Pilot, call: Call, loader: Loader, ground: Ground, reason: LoadReason) {
        let is_storeless = matches!(ground, Ground::NoStore);
        let (tenure, before) = match ground {
            Ground::Lease(tenure, before) => (Some(tenure), Some(before)),
            Ground::NoStore | Ground::NoLease => (None, None),
        };
        let Some(loader) = loader.take() else {
            // Called by an earlier flight, which could not answer its caller.
            self.release_any(pilot.key(), tenure.as_ref()).await;
            return pilot.land(Landing::everybody(Err(Failure::Again)));
        };
        let before = before.unwrap_or_else(|| self.before(pilot.key()));
        let began = Instant::now();
        pilot.begin_load();
        // Also while what it brings is kept.
        let _renewing = match &tenure {
            Some(tenure) => Some(self.renewing(pilot.key(), tenure).await),
            None => None,
        };
        let result = match call.batch {
            // Whose time begins when all its keys are there.
            Some(_) => Self::call_in_time_of_its_own(loader).await,
            None => self.call(loader).await,
        };
        let took = began.elapsed();
        match result {
            Ok(fresh) => {
                self.space.recorder.load_ended(reason, LoadEnd::Ok, took);
                self.space.resting.remove(pilot.key());
                let loading = Loading {
                    fresh,
                    took,
                    tenure,
                    before,
                    is_storeless,
                };
                let landing = self.keep(&pilot, &call, loading).await;
                pilot.land(landing);
            }
            Err((cause, end)) => {
                self.rest(pilot.key());
                self.space.recorder.load_ended(reason, end, took);
                self.release_any(pilot.key(), tenure.as_ref()).await;
                pilot.land(Landing::everybody(Err(Failure::Load(LoadCause::new(cause)))));
            }
        }
    }

    async fn release_any(&self, key: &KeyText, tenure: Option<&Tenure>) {
        if let Some(tenure) = tenure {
            self.release(key, tenure).await;
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    crate::clock::millis(duration).max(1)
}
