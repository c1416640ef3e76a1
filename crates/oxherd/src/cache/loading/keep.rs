//! What becomes of a value that was loaded: where it is kept, and whom it may answer.
//!
//! What the store took under its lease answers everybody; what it refused, or could not be asked about, only those who came before
//! the load. At the level `fenced` a load below the fence answers nobody.
//! Next: `fill.rs` (what the store says), `docs/design/cache.md` ("Who may have the result").

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use super::fill::Refused;
use super::lease::Tenure;
use super::{Fresh, LoadPanicked, Loading};
use crate::cache::flight::{Answers, Failure, Landing, Pilot};
use crate::cache::key::{KeyText, Tag};
use crate::cache::local::{Held, Meta};
use crate::cache::reading::Before;
use crate::cache::settings::Level;
use crate::cache::shared::Trouble;
use crate::cache::space::{Call, Site};
use crate::cache::standing::meta_of;
use crate::cache::stats::FillRefusal;
use crate::cache::value::{Envelope, Header};
use crate::clock::Timestamp;
use crate::error::{LoadCause, Result};

/// A load of less than a write was told to have been.
#[derive(Debug, thiserror::Error)]
#[error("the source returned version {found}, and a write of version {wanted} was told")]
pub(crate) struct Behind {
    pub(crate) wanted: u64,
    pub(crate) found: u64,
}

/// What was loaded, as an entry of the store.
struct Written {
    header: Header,
    entry: Vec<u8>,
    meta: Meta,
    /// When it was written down.
    now: Timestamp,
}

impl Site {
    /// Keeps what was loaded, where it may be kept.
    pub(super) async fn keep(&self, pilot: &Pilot, call: &Call, loading: Loading) -> Landing {
        let space = &self.space;
        // The program's own code (where a version is found, how a value is written) may panic as a loader may.
        let written = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let header = self.header_of(call, &loading.fresh, loading.took, loading.tenure.as_ref());
            let (value, packing) = (loading.fresh.value.as_ref(), &space.settings.packing);
            let entry = (space.form.encode)(&header, value, packing, space.place(pilot.key()));
            (header, entry)
        }));
        let (header, entry) = match written {
            Ok(written) => written,
            Err(panic) => {
                self.release_any(pilot.key(), loading.tenure.as_ref()).await;
                let cause = LoadCause::new(LoadPanicked::of(&*panic).into());
                return Landing::everybody(Err(Failure::Load(cause)));
            }
        };
        let now = self.shared.clock.now();
        let meta = meta_of(&header, &space.settings, now);
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                // The value is good, only too large or not to be written: callers get it, nobody keeps it.
                space.recorder.fill_refused(FillRefusal::TooLarge);
                if space.refused_values.is_due() {
                    tracing::warn!(
                        namespace = &*space.name,
                        key = %pilot.key(),
                        %error,
                        "a loaded value is not cached; further ones are counted only"
                    );
                }
                self.release_any(pilot.key(), loading.tenure.as_ref()).await;
                if let Some(wanted) = self.fence_above(pilot.key(), call, &header, &[]).await {
                    return Landing::everybody(self.newer(pilot.key(), call, header.version, wanted).await);
                }
                let held = self.hold_loaded(&loading.fresh, meta, 0, call, &loading.before);
                return Landing::to(held, Answers::CameBeforeLoad);
            }
        };
        // Who comes from here on may have come after an invalidation that this fill does not see.
        pilot.close();
        let written = Written {
            header,
            entry,
            meta,
            now,
        };
        let Loading {
            fresh,
            tenure,
            before,
            is_storeless,
            ..
        } = loading;
        match tenure {
            Some(tenure) => {
                self.keep_there(pilot.key(), call, &fresh, written, &tenure, before)
                    .await
            }
            None => {
                self.keep_here(pilot.key(), call, &fresh, written, is_storeless, before)
                    .await
            }
        }
    }

    /// What was loaded under a lease: in the store, and then here.
    async fn keep_there(
        &self,
        key: &KeyText,
        call: &Call,
        fresh: &Fresh,
        written: Written,
        tenure: &Tenure,
        mut before: Before,
    ) -> Landing {
        let Written {
            header, entry, meta, ..
        } = written;
        let held = self.hold_loaded(fresh, meta, Envelope::weight_of(&entry), call, &before);
        if self.is_doubted(key, &call.tenant, header.tags.iter().map(|tag| &**tag)) {
            self.release(key, tenure).await;
            if let Some(wanted) = self.fence_above(key, call, &header, &entry).await {
                return Landing::everybody(self.newer(key, call, header.version, wanted).await);
            }
            return Landing::to(held, Answers::CameBeforeLoad);
        }
        let (local, number) = (&self.shared.local, self.space.number);
        match self.fill(key, call, &header, &entry, tenure).await {
            Ok(None) => {
                self.space.wrote(key, entry.len());
                if let Some(pending) = &mut before.pending {
                    pending.write(&held);
                }
                Landing::to(held, Answers::Everybody)
            }
            Ok(Some(Refused { refusal, fence })) => {
                self.space.recorder.fill_refused(refusal);
                if refusal == FillRefusal::Voided && tenure.hold.has_run_out() {
                    self.space.lapsed(key);
                }
                // A copy of this fill whose reply was lost may have been taken.
                local.changed(number, key.as_bytes());
                if let (Level::Fenced, Some(wanted)) = (self.space.settings.level, fence) {
                    return Landing::everybody(self.newer(key, call, header.version, wanted).await);
                }
                Landing::to(held, Answers::CameBeforeLoad)
            }
            Err(trouble) => {
                // It may have been taken all the same; what is held here may be older than that.
                self.troubled(&trouble);
                local.changed(number, key.as_bytes());
                if matches!(&trouble, Trouble::Failed(error) if !error.is_store_unavailable()) {
                    // A store that is full, for one, refuses to keep, and can be told all the same.
                    self.release(key, tenure).await;
                }
                Landing::to(held, Answers::CameBeforeLoad)
            }
        }
    }

    /// What was loaded without a lease: in this process, if it is alone or cut off from the store.
    async fn keep_here(
        &self,
        key: &KeyText,
        call: &Call,
        fresh: &Fresh,
        written: Written,
        is_storeless: bool,
        mut before: Before,
    ) -> Landing {
        let Written {
            header,
            entry,
            mut meta,
            now,
        } = written;
        let settings = &self.space.settings;
        let is_alone = !settings.keeps_shared();
        // While changes are heard of, what is not in the store may not be here: its removal would push nothing.
        let is_outage = !is_alone
            && settings.level <= Level::Delete
            && (!self.shared.is_live() || (is_storeless && settings.level == Level::Ttl))
            && !self.is_doubted(key, &call.tenant, header.tags.iter().map(|tag| &**tag));
        if is_outage {
            meta.end_within(now, settings.outage_ttl);
        }
        if let Some(wanted) = self.fence_above(key, call, &header, &entry).await {
            return Landing::everybody(self.newer(key, call, header.version, wanted).await);
        }
        let held = self.hold_loaded(fresh, meta, Envelope::weight_of(&entry), call, &before);
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
        Landing::to(held, answers)
    }

    fn hold_loaded(
        &self,
        fresh: &Fresh,
        meta: Meta,
        bytes: usize,
        call: &Call,
        before: &Before,
    ) -> Arc<Held> {
        self.hold(fresh.value.clone(), bytes, meta, &call.tenant, before.moment)
    }

    /// What to answer instead of a load that is below the fence: what is there by now, if it is above.
    async fn newer(&self, key: &KeyText, call: &Call, found: u64, wanted: u64) -> Result<Arc<Held>, Failure> {
        let there = self.read(key, call).await.ok().and_then(|seen| seen.held);
        there.filter(|held| self.is_good(held, wanted)).ok_or_else(|| {
            let behind = Behind { wanted, found };
            Failure::Load(LoadCause::new(behind.into()))
        })
    }

    /// The fence that this process wished for and could not tell the store, if it is above what was loaded.
    fn own_fence_above(&self, key: &KeyText, header: &Header) -> Option<u64> {
        if self.space.settings.level != Level::Fenced || header.version == 0 {
            return None;
        }
        Some(self.space.recovery.fence(key)).filter(|own| *own > header.version)
    }

    /// The fence above what was loaded without a lease. A store that does not answer knows of none but our own.
    async fn fence_above(&self, key: &KeyText, call: &Call, header: &Header, entry: &[u8]) -> Option<u64> {
        if self.space.settings.level != Level::Fenced || header.version == 0 {
            return None;
        }
        // First our own: what is told meanwhile the store knows when it is asked.
        if let Some(own) = self.own_fence_above(key, header) {
            return Some(own);
        }
        let tenure = Tenure::of_nobody(header, self.space.settings.loads.lease_term);
        match self.fill(key, call, header, entry, &tenure).await {
            Ok(refused) => refused?.fence,
            Err(trouble) => {
                self.troubled(&trouble);
                None
            }
        }
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
            // That there is none is asked again after its own time, however often it is read before.
            is_sliding: freshness.is_sliding && fresh.value.is_some(),
            tags: tags.into_iter().map(|tag| tag.as_str().into()).collect(),
            hash: 0,
        }
    }
}
