//! A sampler that compares hits with the source.
//!
//! A share of the hits of reads with a loader is loaded as well, in the background, and compared. What differs is looked at
//! again a second later: an entry that is still served then was stale. The rate is in the namespace's figures.
//! Next: `stats/`.

use std::sync::Arc;
use std::time::Duration;

use super::key::KeyText;
use super::loading::Loader;
use super::local::Held;
use super::space::{AnyValue, Call, Site};
use super::value::{Envelope, Header, Packing};

/// How long a change may take to get about before what differs from the source counts as stale.
const GRACE: Duration = Duration::from_secs(1);

impl Site {
    /// Whether this hit is to be compared with its source.
    #[inline]
    pub(crate) fn is_to_be_verified(&self) -> bool {
        let share = self.space.settings.verify;
        share > 0.0 && rand::random::<f64>() < share
    }

    /// Compares what was served with what the source says. Loads for this wait for nobody and make nobody wait: when the source is busy, this
    /// hit is not compared.
    pub(crate) fn verify(&self, key: KeyText, call: Call, loader: Loader, served: Arc<Held>) {
        let site = self.clone();
        tokio::spawn(async move {
            let loads = Arc::clone(&site.space.loads);
            let Ok(permit) = loads.try_acquire() else { return };
            let load = site.part_of_nothing().of(site.load_to_compare(&loader));
            let Some(value) = load.await else {
                return;
            };
            drop(permit);
            // What cannot be written as JSON cannot be compared.
            match site.is_equal(&key, &served, value.as_ref()) {
                Some(true) => return site.space.recorder.verified(false),
                Some(false) => (),
                None => return,
            }
            let clock = &site.shared.clock;
            clock.sleep_until(clock.now().after(GRACE)).await;
            let is_still_served = site
                .find_uncounted(&key, &call)
                .await
                .is_some_and(|held| held.meta().id == served.meta().id);
            site.space.recorder.verified(is_still_served);
            if is_still_served {
                tracing::debug!(namespace = &*site.space.name, %key, "a hit differs from its source");
            }
        });
    }

    /// By what they look like as JSON, in which the order of a map's entries does not matter.
    fn is_equal(&self, key: &KeyText, served: &Held, value: Option<&AnyValue>) -> Option<bool> {
        let packing = Packing::new().with_max_value(usize::MAX);
        let header = Header::default();
        let json = |value: Option<&AnyValue>| -> Option<Option<serde_json::Value>> {
            let place = self.space.place(key);
            let entry = (self.space.form.encode)(&header, value, &packing, place).ok()?;
            let envelope = Envelope::parse(entry.into()).ok()?;
            envelope.decode(&packing, place).ok()
        };
        Some(json(served.any_value())? == json(value)?)
    }
}
