//! What a cache tells of itself: its numbers, how it hears of changes, the settings of its namespaces.
//!
//! The task that writes it begins when a namespace is opened or used inside a runtime, and ends with the cache; when that runtime
//! ends, it begins anew in the next one that the cache is used in.
//! Next: `report.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::builder::Cache;
use super::report::{Opened, Present, Reporter};
use super::settings::{Level, Settings, Tiers};
use super::shared::Shared;
use super::space::Space;
use super::stats::{CacheStats, LocalStats};
use crate::clock::millis;
use crate::error::Result;
use crate::store::ChannelMode;

impl Cache {
    /// Tells the store now what this process counted, as it does by itself every five seconds. Call it when a process is about to
    /// end: what it has not told then is missing in the totals of `oxherd cache stats` and `/metrics`.
    ///
    /// It waits for each answer by the store's own deadline, 5 s, and not by [`CacheBuilder::deadline`](super::CacheBuilder::deadline); nor does
    /// the breaker shorten that. A report that is under way is waited for first. Where a process may not wait so long, put a time-out around it.
    ///
    /// # Errors
    /// [`crate::Error::StoreUnavailable`]; [`crate::Error::Store`] when the store refuses (full, no rights); [`crate::Error::WrongKeyType`] or
    /// [`crate::Error::Reply`] when something foreign is where totals belong: the process is listed with what it counted all the same.
    pub async fn report(&self) -> Result<()> {
        self.shared.report();
        match self.shared.reporting.get() {
            Some(reporting) => reporting.tell(|| self.shared.present()).await,
            None => Ok(()),
        }
    }
}

impl Shared {
    /// Sees to it that this process reports what it counts.
    pub(crate) fn report(self: &Arc<Self>) {
        if let Some(reporting) = self.reporting.get() {
            reporting.go_on();
            return;
        }
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        self.reporting.get_or_init(|| {
            let shared = Arc::downgrade(self);
            let reporter = Reporter::new(self.store.clone(), self.clock.clone());
            reporter.start(move || shared.upgrade().as_deref().map(Self::present))
        });
    }

    /// What this process counted.
    pub(crate) fn stats(&self) -> CacheStats {
        let held = self.local.counts();
        let mut stats = CacheStats {
            local: LocalStats::new(held.entries, held.bytes, held.capacity_bytes),
            ..CacheStats::default()
        };
        stats.local.evictions = held.evictions;
        for space in self.spaces.read().values() {
            let usage = self.local.usage(space.number);
            let local = LocalStats::new(usage.entries, usage.bytes, 0);
            stats
                .namespaces
                .insert(space.name.to_string(), space.recorder.snapshot(local));
        }
        stats
    }

    fn present(&self) -> Present {
        let spaces = self.spaces.read();
        let open = spaces.values().map(|space| {
            let opened = Opened {
                settings: settings_of(space),
                entry_life: space.settings.freshness.life(),
            };
            (space.name.to_string(), opened)
        });
        let open: BTreeMap<String, Opened> = open.collect();
        let channel = self.channel_of(spaces.values());
        drop(spaces);
        Present {
            channel,
            breaker: self.breaker.state().as_str(),
            stats: self.stats(),
            open,
        }
    }

    /// How this process hears of changes, in one word.
    fn channel_of<'a>(&self, spaces: impl Iterator<Item = &'a Arc<Space>>) -> &'static str {
        // A cache that keeps nothing here need not hear of anything.
        let mut listening = spaces
            .filter(|space| space.settings.keeps_local() && space.settings.keeps_shared())
            .peekable();
        if listening.peek().is_none() {
            return "none";
        }
        // Nothing is connected before the first read.
        let is_used = listening.any(|space| space.watched.initialized());
        match *self.channel.read() {
            Some(ChannelMode::Tracking) => "tracking",
            Some(ChannelMode::Announced) => "announced",
            None if is_used => "lost",
            None => "unused",
        }
    }
}

fn settings_of(space: &Space) -> Value {
    let Settings {
        freshness,
        tiers,
        level,
        packing,
        loads,
        fence_life,
        outage_ttl,
        ..
    } = &space.settings;
    let ms = |time: Duration| millis(time);
    json!({
        "tiers": match tiers {
            Tiers::Both => "both",
            Tiers::Local => "local",
            Tiers::Shared => "shared",
        },
        "level": match level {
            Level::Ttl => "ttl",
            Level::Delete => "delete",
            Level::Fenced => "fenced",
            Level::Intent => "intent",
        },
        "ttlMs": ms(freshness.ttl),
        "sliding": freshness.is_sliding,
        "staleWhileRevalidateMs": ms(freshness.stale_while_revalidate),
        "staleIfErrorMs": ms(freshness.stale_if_error),
        "negativeTtlMs": ms(freshness.negative_ttl),
        "localTtlMs": ms(freshness.local_ttl),
        "codec": packing.codec().as_str(),
        "sealed": packing.keys().is_some(),
        "maxValue": packing.max_value(),
        "bigValue": packing.big_value(),
        "softTimeoutMs": loads.soft_timeout.map(ms),
        "hardTimeoutMs": ms(loads.hard_timeout),
        "leaseTermMs": ms(loads.lease_term),
        "concurrentLoads": loads.concurrency,
        "fenceLifeMs": ms(*fence_life),
        "outageTtlMs": ms(*outage_ttl),
    })
}
