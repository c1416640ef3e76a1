//! What a namespace is told once, when it is opened.
//!
//! Everything has a default that is right for a database row read often and written now and then: both tiers, deletion after
//! commit, JSON, a minute fresh. Next: `freshness.rs`, `value/packing.rs`.

use std::time::Duration;

use super::freshness::{Freshness, LONGEST, out_of_range};
use super::value::Packing;
use crate::error::Result;

/// Where a namespace keeps its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tiers {
    /// In this process and in the store.
    #[default]
    Both,
    /// In this process alone: the store is never asked, and other processes are not told of invalidations. There are no fences, so
    /// writes and removals with a version are refused; [`super::Get::min_version`] holds, by the versions that values came with.
    Local,
    /// In the store alone: every read asks it.
    Shared,
}

/// What a read that begins after an acknowledged invalidation may return; `docs/cache-patterns.md` has the whole table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// What was there before, until its TTL ends. Entries in this process are kept while the store is away.
    Ttl,
    /// Nothing from before the invalidation, when that came after the commit of the write and reached the store. An entry in this process
    /// follows as soon as it hears of it.
    #[default]
    Delete,
    /// In addition nothing below the version that the invalidation or write carried, whatever the order in which loads, fills and
    /// invalidations arrive, as long as the fence lives. Values without a version are not kept.
    Fenced,
    /// Nothing from before the write once its intent was accepted. Nothing is kept in this process; values are changed under
    /// [`super::Namespace::intend`] only.
    Intent,
}

/// How loads are limited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LoadLimits {
    /// After this long what is stale is served instead, and the load goes on; `None` waits.
    pub(crate) soft_timeout: Option<Duration>,
    /// After this long the load is given up.
    pub(crate) hard_timeout: Duration,
    /// How long a lease lasts unless it is renewed: what others wait at the most for a process that died.
    pub(crate) lease_term: Duration,
    /// How long to wait for another process's load before loading too.
    pub(crate) lock_wait: Duration,
    /// How many loads of this namespace run in this process at once.
    pub(crate) concurrency: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self {
            soft_timeout: None,
            hard_timeout: Duration::from_secs(10),
            lease_term: Duration::from_secs(3),
            lock_wait: Duration::from_secs(15),
            concurrency: 256,
        }
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) freshness: Freshness,
    pub(crate) tiers: Tiers,
    pub(crate) level: Level,
    pub(crate) packing: Packing,
    pub(crate) loads: LoadLimits,
    /// How long it is remembered below which version a key was invalidated.
    pub(crate) fence_life: Duration,
    /// How long entries loaded while the store is away are kept in this process.
    pub(crate) outage_ttl: Duration,
    /// Which share of hits is compared with the source.
    pub(crate) verify: f64,
}

impl Settings {
    pub(crate) fn new(packing: Packing) -> Self {
        Self {
            freshness: Freshness::default(),
            tiers: Tiers::default(),
            level: Level::default(),
            packing,
            loads: LoadLimits::default(),
            fence_life: Duration::from_secs(600),
            outage_ttl: Duration::from_secs(5),
            verify: 0.0,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.freshness.check()?;
        let millisecond = Duration::from_millis(1);
        let limits = &self.loads;
        if limits.hard_timeout < millisecond || limits.hard_timeout > Duration::from_secs(3600) {
            return Err(out_of_range("hard_timeout", "must be from 1 ms to an hour"));
        }
        if limits
            .soft_timeout
            .is_some_and(|soft| soft >= limits.hard_timeout)
        {
            return Err(out_of_range("soft_timeout", "must be below the hard time-out"));
        }
        if limits.lease_term < Duration::from_millis(100) || limits.lease_term > Duration::from_secs(600) {
            return Err(out_of_range("lease_term", "must be from 100 ms to 10 minutes"));
        }
        if limits.concurrency == 0 {
            return Err(out_of_range("concurrent_loads", "must be at least 1"));
        }
        if self.fence_life < limits.hard_timeout || self.fence_life > LONGEST {
            return Err(out_of_range(
                "fence_life",
                "must be from the hard time-out of loads to 366 days",
            ));
        }
        if limits.lock_wait > Duration::from_secs(3600) {
            return Err(out_of_range("lock_wait", "must be at most an hour"));
        }
        if self.outage_ttl > LONGEST {
            return Err(out_of_range("outage_ttl", "must be at most 366 days"));
        }
        if !(0.0..=1.0).contains(&self.verify) {
            return Err(out_of_range("verify", "must be a share from 0 to 1"));
        }
        let needs_store = self.level >= Level::Fenced;
        if needs_store && self.tiers == Tiers::Local {
            return Err(out_of_range(
                "level",
                "fences and intents live in the store: use both tiers, or the shared one",
            ));
        }
        Ok(())
    }

    /// What two handles of one namespace were told differently, by the names of the methods that say it.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let (ours, theirs) = (&self.loads, &other.loads);
        let equal = [
            ("freshness", self.freshness == other.freshness),
            ("tiers", self.tiers == other.tiers),
            ("level", self.level == other.level),
            ("packing", self.packing == other.packing),
            ("soft_timeout", ours.soft_timeout == theirs.soft_timeout),
            ("hard_timeout", ours.hard_timeout == theirs.hard_timeout),
            ("lease_term", ours.lease_term == theirs.lease_term),
            ("lock_wait", ours.lock_wait == theirs.lock_wait),
            ("concurrent_loads", ours.concurrency == theirs.concurrency),
            ("fence_life", self.fence_life == other.fence_life),
            ("outage_ttl", self.outage_ttl == other.outage_ttl),
            ("verify", self.verify == other.verify),
        ];
        let different = equal.into_iter().filter(|(_, is_equal)| !is_equal);
        different.map(|(method, _)| method).collect()
    }

    /// Whether this process keeps values of its own.
    pub(crate) fn keeps_local(&self) -> bool {
        self.tiers != Tiers::Shared && self.level != Level::Intent
    }

    /// Whether the store is asked at all.
    pub(crate) fn keeps_shared(&self) -> bool {
        self.tiers != Tiers::Local
    }

    /// How long stamps live, and below how much they are given that time again.
    pub(crate) fn stamp_life(&self, entry_life: Duration) -> (Duration, Duration) {
        let least = entry_life.max(self.freshness.life()) + Duration::from_secs(60);
        (least * 2 + Duration::from_secs(3600), least)
    }
}
