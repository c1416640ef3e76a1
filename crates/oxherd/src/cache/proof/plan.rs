//! What a schedule is about: drawn from its seed before anything happens.
//!
//! A schedule keeps to one way of writing, because each level promises something of its own way only: see [`Way`].

use std::time::Duration;

use super::chance::Chance;
use crate::cache::{Freshness, Level, Tiers};
use crate::store::simulated::{Channel, Turns};

pub(super) const KEYS: usize = 2;
pub(super) const TENANTS: usize = 2;
pub(super) const TAGS: usize = 2;

/// How the source is written, and what is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Commit, then remove a key, invalidate tags, clear a tenant or the namespace.
    Invalidating,
    /// Commit, then `set.version` or `remove.version`; loads read the source itself.
    Versioned,
    /// As `Versioned`, but loads may read a replica that lags. Fenced.
    Lagging,
    /// Announce, commit, conclude.
    Announcing,
}

/// What invalidates, mostly, where several things may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Anything,
    Keys,
    Tags,
    Clearing,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) way: Way,
    pub(super) by: By,
    /// The kind of keys that are evicted; all of them.
    pub(super) evicted: Option<&'static str>,
    pub(super) level: Level,
    pub(super) tiers: Tiers,
    pub(super) turns: Turns,
    /// How processes hear of changes.
    pub(super) channel: Channel,
    pub(super) processes: usize,
    pub(super) tenants: usize,
    pub(super) keys: usize,
    pub(super) ttl: Duration,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) is_sliding: bool,
    pub(super) soft_timeout: bool,
    pub(super) lease_term: Duration,
    pub(super) lock_wait: Duration,
    /// Whether the loaders say which version it is.
    pub(super) is_versioned: bool,
    /// Which tags the value itself has, by key; bits.
    pub(super) late_tags: [u8; KEYS],
    /// How often, in a hundred steps, the network fails.
    pub(super) faults: usize,
    /// ... a task that has its reply is overtaken by others of its process.
    pub(super) delays: usize,
    /// ... a key of the store is evicted.
    pub(super) evictions: usize,
    /// ... everything is flushed.
    pub(super) flushes: usize,
    /// ... a process dies.
    pub(super) deaths: usize,
    /// ... a load fails, of a hundred loads.
    pub(super) failing_loads: usize,
    /// Of a hundred steps, in how many those that were overtaken may go on.
    pub(super) catches_up: usize,
    /// How far the clocks of processes are apart.
    pub(super) skew: Duration,
    pub(super) calls: usize,
    /// Of a hundred choices, how many let time pass.
    pub(super) haste: usize,
    pub(super) breaker_after: u64,
    /// Of a hundred calls, how many the first process makes, besides its share.
    pub(super) crowd: usize,
    /// How readily calls begin, those at gates go on, the network moves, and tasks run.
    pub(super) begin_weight: usize,
    /// Of a hundred times that a call might begin, how often it waits until nothing else is under way.
    pub(super) calm: usize,
    pub(super) gate_weight: usize,
    pub(super) network_weight: usize,
    pub(super) run_weight: usize,
    /// Whether processes report what they counted, which is more on the network and nothing else.
    pub(super) reports: bool,
    /// Of a hundred calls, how many read.
    pub(super) reads: usize,
    /// Of a hundred of those that may, how many are about several keys.
    pub(super) many: usize,
    /// Of a hundred calls, how many are about counters.
    pub(super) counts: usize,
    /// Whether counters end within a schedule.
    pub(super) counts_end: bool,
    /// Whether the namespace, and not the loader, says which version a value is.
    pub(super) is_version_of: bool,
}

impl Plan {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        let way = match chance.below(10) {
            0..=4 => Way::Invalidating,
            5 | 6 => Way::Versioned,
            7 | 8 => Way::Lagging,
            _ => Way::Announcing,
        };
        let level = match way {
            Way::Invalidating | Way::Versioned => chance.pick(&[Level::Delete, Level::Delete, Level::Fenced]),
            Way::Lagging => Level::Fenced,
            Way::Announcing => Level::Intent,
        };
        let millis = Duration::from_millis;
        let stale = [Duration::ZERO, Duration::ZERO, millis(400), millis(3_000)];
        let is_rough = chance.percent(60);
        let mut at_times = |percent| {
            if is_rough && chance.percent(50) {
                percent
            } else {
                0
            }
        };
        let (faults, evictions, flushes, deaths) = (at_times(6), at_times(8), at_times(1), at_times(2));
        let is_narrow = chance.percent(55);
        let is_failing = chance.percent(20);
        let is_versioned = level == Level::Fenced || way == Way::Versioned || chance.percent(40);
        let by = chance.pick(&[By::Anything, By::Keys, By::Tags, By::Clearing]);
        Self {
            way,
            by,
            evicted: chance.pick(&[None, Some("}:t:"), Some("}:s"), Some("}:l:")]),
            level,
            faults,
            evictions,
            flushes,
            deaths,
            tiers: if chance.percent(80) {
                Tiers::Both
            } else {
                Tiers::Shared
            },
            turns: if chance.percent(50) {
                Turns::Short
            } else {
                Turns::Long
            },
            channel: match chance.below(20) {
                0..=11 => Channel::Tracking,
                12..=15 => Channel::Announced,
                _ => Channel::Beside,
            },
            processes: 2 + chance.below(2),
            tenants: 1 + usize::from(!is_narrow && chance.percent(40)),
            keys: 1 + usize::from(!is_narrow && chance.percent(50)),
            ttl: if is_failing {
                millis(300)
            } else {
                chance.pick(&[millis(300), millis(2_000), millis(60_000), millis(60_000)])
            },
            stale_while_revalidate: chance.pick(&stale),
            stale_if_error: if is_failing {
                chance.pick(&stale[2..])
            } else {
                chance.pick(&stale)
            },
            is_sliding: chance.percent(10),
            soft_timeout: chance.percent(20),
            lease_term: chance.pick(&[millis(100), millis(300), millis(3_000)]),
            lock_wait: chance.pick(&[millis(50), millis(1_000), millis(15_000)]),
            is_versioned,
            late_tags: [
                chance.below(4) as u8 & chance.below(4) as u8,
                chance.below(4) as u8,
            ],
            failing_loads: if is_failing { 50 } else { chance.pick(&[0, 0, 15]) },
            skew: chance.pick(&[Duration::ZERO, Duration::ZERO, millis(5_000)]),
            calls: 4 + chance.below(16),
            haste: if is_failing { 10 } else { chance.pick(&[0, 2, 10]) },
            breaker_after: chance.pick(&[20, 4]),
            crowd: chance.pick(&[0, 40, 80]),
            begin_weight: chance.pick(&[1, 3, 8]),
            gate_weight: chance.pick(&[1, 2, 6]),
            network_weight: chance.pick(&[2, 4, 8]),
            run_weight: chance.pick(&[4, 8, 16]),
            reports: chance.percent(4),
            reads: chance.pick(&[60, 75, 85]),
            many: chance.pick(&[0, 0, 20, 50]),
            counts: chance.pick(&[0, 0, 0, 20, 60]),
            counts_end: chance.percent(20),
            calm: chance.pick(&[0, 0, 0, 0, 0, 95]),
            catches_up: chance.pick(&[100, 15, 3]),
            delays: chance.pick(&[0, 0, 5, 20]),
            is_version_of: is_versioned && chance.percent(50),
        }
    }

    pub(super) fn freshness(&self) -> Freshness {
        let freshness = Freshness::of(self.ttl).jitter(0.0).refresh_ahead(0.0);
        if self.is_sliding {
            // Nothing of it is stale: the two exclude each other.
            return freshness.sliding();
        }
        freshness
            .stale_while_revalidate(self.stale_while_revalidate)
            .stale_if_error(self.stale_if_error)
    }

    /// Of counters.
    pub(super) fn counting_freshness(&self) -> Freshness {
        let ttl = if self.counts_end { 2 } else { 24 * 3600 };
        Freshness::of(Duration::from_secs(ttl))
            .jitter(0.0)
            .refresh_ahead(0.0)
    }

    /// How long a stale value may be served behind its end.
    pub(super) fn longest_stale(&self) -> Duration {
        if self.is_sliding {
            return Duration::ZERO;
        }
        self.stale_while_revalidate.max(self.stale_if_error)
    }
}
