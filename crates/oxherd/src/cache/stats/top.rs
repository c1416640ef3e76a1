//! Which keys are read most, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, 2005).
//!
//! So many keys have a counter. A key without one takes the smallest counter over, with what it held as the possible error.
//! So a key's true number lies between `reads - error` and `reads`, the error is at most the weight of everything seen
//! divided by the number of counters, and each key above that is on the list. What is fed in is a sample of the hits, each
//! of them standing for [`SAMPLED`](super::stripes::SAMPLED), and all misses. Two windows of a minute each follow each other, so the list is of
//! the last one to two minutes. Pictures of several processes add up with the same promise (mergeable summaries).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Tier;
use super::big::tenant_and_key;
use super::counts::share;
use crate::clock::{Clock, Timestamp};

/// Keys with a counter.
const KEPT: usize = 128;
/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);
/// A hot key is not worth a warning below so many reads.
const FEW: u64 = 1000;

/// A key that is read much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TopKey {
    /// The tenant; empty when there is none.
    pub tenant: String,
    /// The key within namespace and tenant, as text.
    pub key: String,
    /// Reads in [`TopKeys::millis`], as estimated: never fewer than there were of those that were looked at.
    pub reads: u64,
    /// So many of `reads` may have been of other keys.
    pub error: u64,
    /// Of `reads`, those that found nothing.
    pub misses: u64,
    /// Bytes of its envelope, when last seen; 0 while unknown.
    pub bytes: u64,
    /// Where its last hit was answered from; `None` after misses alone.
    pub tier: Option<Tier>,
}

impl TopKey {
    fn name(&self) -> (&str, &str) {
        (&self.tenant, &self.key)
    }

    fn rank(&self) -> (u64, u64) {
        (self.reads, self.reads - self.error.min(self.reads))
    }
}

/// The keys that were read most in the last minute or two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TopKeys {
    /// The time this is about, in milliseconds; of several processes, the longest.
    pub millis: u64,
    /// Reads of all keys in that time, as estimated.
    pub reads: u64,
    /// A key that is not listed was read at most so often.
    pub floor: u64,
    /// The keys, most read first.
    pub keys: Vec<TopKey>,
}

impl TopKeys {
    /// Estimated reads of one of the keys a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "an estimate needs no more digits")]
    pub fn per_second(&self, key: &TopKey) -> f64 {
        key.reads as f64 * 1000.0 / self.millis.max(1000) as f64
    }

    /// The share of all reads that were of one of the keys, 0 to 1: the least it can have been.
    #[must_use]
    pub fn share(&self, key: &TopKey) -> f64 {
        share(key.reads.saturating_sub(key.error), self.reads).unwrap_or(0.0)
    }

    /// Keys that surely had more than this share (0 to 1) of all reads; none while there are few reads at all.
    pub fn hot(&self, above: f64) -> impl Iterator<Item = &TopKey> {
        let enough = self.reads >= FEW;
        self.keys
            .iter()
            .filter(move |key| enough && self.share(key) > above)
    }

    /// Adds what another process saw. At most as many keys as one process keeps stay on the list.
    pub fn merge(&mut self, other: &Self) {
        self.add(other);
        self.millis = self.millis.max(other.millis);
    }

    /// A key that one side does not list may have been read as often as that side's floor there.
    fn add(&mut self, other: &Self) {
        let own: HashSet<(&str, &str)> = self.keys.iter().map(TopKey::name).collect();
        let news: Vec<TopKey> = other
            .keys
            .iter()
            .filter(|key| !own.contains(&key.name()))
            .cloned()
            .collect();
        let others: HashMap<(&str, &str), &TopKey> = other.keys.iter().map(|key| (key.name(), key)).collect();
        for own in &mut self.keys {
            match others.get(&own.name()).copied() {
                Some(twin) => {
                    own.reads = own.reads.saturating_add(twin.reads);
                    own.error = own.error.saturating_add(twin.error);
                    own.misses = own.misses.saturating_add(twin.misses);
                    own.bytes = own.bytes.max(twin.bytes);
                    own.tier = own.tier.or(twin.tier);
                }
                None => {
                    own.reads = own.reads.saturating_add(other.floor);
                    own.error = own.error.saturating_add(other.floor);
                }
            }
        }
        for mut key in news {
            key.reads = key.reads.saturating_add(self.floor);
            key.error = key.error.saturating_add(self.floor);
            self.keys.push(key);
        }
        self.floor = self.floor.saturating_add(other.floor);
        self.reads = self.reads.saturating_add(other.reads);
        self.sort();
        self.shorten(KEPT);
    }

    fn sort(&mut self) {
        self.keys
            .sort_by(|one, two| two.rank().cmp(&one.rank()).then_with(|| one.key.cmp(&two.key)));
    }

    /// Leaves the first `kept` keys.
    pub(crate) fn shorten(&mut self, kept: usize) {
        if let Some(first_out) = self.keys.get(kept) {
            self.floor = self.floor.max(first_out.reads);
            self.keys.truncate(kept);
        }
    }
}

/// What is fed in: one read that was looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// `TENANT:KEY:`.
    pub(crate) key: &'a [u8],
    /// Reads that it stands for.
    pub(crate) weight: u64,
    /// `None` for a miss.
    pub(crate) tier: Option<Tier>,
    /// 0 while unknown.
    pub(crate) bytes: u64,
}

/// The list of one process: two windows.
#[derive(Debug)]
pub(crate) struct Top {
    clock: Clock,
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    now: Window,
    last: Option<TopKeys>,
}

impl Top {
    pub(crate) fn new(clock: Clock) -> Self {
        let now = Window::new(clock.now());
        Self {
            clock,
            windows: Mutex::new(Windows { now, last: None }),
        }
    }

    /// Counts a read.
    pub(crate) fn saw(&self, seen: Seen<'_>) {
        let now = self.clock.now();
        let mut windows = self.windows.lock();
        windows.turn(now);
        windows.now.add(seen);
    }

    /// The list now.
    pub(crate) fn snapshot(&self) -> TopKeys {
        let now = self.clock.now();
        let mut windows = self.windows.lock();
        windows.turn(now);
        let mut keys = windows.now.snapshot(now);
        if let Some(last) = &windows.last {
            let millis = keys.millis.saturating_add(last.millis);
            keys.add(last);
            keys.millis = millis;
        }
        keys
    }
}

impl Windows {
    fn turn(&mut self, now: Timestamp) {
        let age = now.since(self.now.began);
        if age < WINDOW {
            return;
        }
        let ended = std::mem::replace(&mut self.now, Window::new(now));
        // A window that nobody closed in time is of too long ago to be told as the last minute.
        self.last = (age < 2 * WINDOW).then(|| ended.snapshot(now));
    }
}

#[derive(Debug)]
struct Window {
    began: Timestamp,
    reads: u64,
    at: HashMap<Box<[u8]>, usize, foldhash::fast::RandomState>,
    counters: Vec<Counter>,
    /// The counters' reads again, close together: the smallest is looked for often.
    weights: Vec<u64>,
}

#[derive(Debug)]
struct Counter {
    key: Box<[u8]>,
    error: u64,
    misses: u64,
    bytes: u64,
    tier: Option<Tier>,
}

impl Window {
    fn new(began: Timestamp) -> Self {
        Self {
            began,
            reads: 0,
            at: HashMap::default(),
            counters: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn add(&mut self, seen: Seen<'_>) {
        self.reads = self.reads.saturating_add(seen.weight);
        let slot = match self.at.get(seen.key) {
            Some(slot) => *slot,
            None => self.place(seen.key),
        };
        if let (Some(counter), Some(weight)) = (self.counters.get_mut(slot), self.weights.get_mut(slot)) {
            *weight = weight.saturating_add(seen.weight);
            if seen.tier.is_none() {
                counter.misses = counter.misses.saturating_add(seen.weight);
            } else {
                counter.tier = seen.tier;
            }
            if seen.bytes > 0 {
                counter.bytes = seen.bytes;
            }
        }
    }

    /// A counter for a key that has none.
    fn place(&mut self, key: &[u8]) -> usize {
        let counter = |error| Counter {
            key: key.into(),
            error,
            misses: 0,
            bytes: 0,
            tier: None,
        };
        let slot = if self.counters.len() < KEPT {
            self.counters.push(counter(0));
            self.weights.push(0);
            self.counters.len() - 1
        } else {
            let smallest = self.weights.iter().enumerate().min_by_key(|(_, weight)| **weight);
            let (slot, weight) = smallest.map_or((0, 0), |(slot, weight)| (slot, *weight));
            if let Some(old) = self.counters.get_mut(slot) {
                self.at.remove(&old.key);
                *old = counter(weight);
            }
            slot
        };
        self.at.insert(key.into(), slot);
        slot
    }

    fn snapshot(&self, now: Timestamp) -> TopKeys {
        let is_full = self.counters.len() == KEPT;
        let smallest = self.weights.iter().min().copied().filter(|_| is_full);
        let keys = self.counters.iter().zip(&self.weights);
        let mut keys: Vec<TopKey> = keys
            .map(|(counter, reads)| {
                let (tenant, key) = tenant_and_key(&counter.key);
                TopKey {
                    tenant,
                    key,
                    reads: *reads,
                    error: counter.error,
                    misses: counter.misses,
                    bytes: counter.bytes,
                    tier: counter.tier,
                }
            })
            .collect();
        keys.sort_by(|one, two| two.rank().cmp(&one.rank()).then_with(|| one.key.cmp(&two.key)));
        TopKeys {
            millis: crate::clock::millis(now.since(self.began)),
            reads: self.reads,
            floor: smallest.unwrap_or(0),
            keys,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn saw(top: &Top, key: &str, weight: u64, tier: Option<Tier>) {
        top.saw(Seen {
            key: format!("{key}:").as_bytes(),
            weight,
            tier,
            bytes: 10,
        });
    }

    fn top() -> (Top, crate::clock::ManualClock) {
        let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000));
        (Top::new(clock), hand)
    }

    #[test]
    fn tenant_key_tier_and_bytes_are_told() {
        let (top, hand) = top();
        saw(&top, "acme:user/7", 64, Some(Tier::Local));
        saw(&top, "acme:user/7", 1, None);
        saw(&top, ":page", 1, None);
        hand.advance(Duration::from_secs(10));
        let keys = top.snapshot();
        let first = &keys.keys[0];
        assert_eq!((first.tenant.as_str(), first.key.as_str()), ("acme", "user/7"));
        assert_eq!(
            (first.reads, first.misses, first.error, first.bytes),
            (65, 1, 0, 10)
        );
        assert_eq!(first.tier, Some(Tier::Local));
        assert_eq!((keys.reads, keys.millis, keys.floor), (66, 10_000, 0));
        assert!((keys.per_second(first) - 6.5).abs() < 0.01);
        assert_eq!(keys.keys[1].tenant, "");
    }

    #[test]
    fn what_was_read_two_minutes_ago_is_forgotten() {
        let (top, hand) = top();
        saw(&top, ":old", 1, None);
        hand.advance(Duration::from_secs(61));
        saw(&top, ":new", 1, None);
        assert_eq!(top.snapshot().keys.len(), 2);
        hand.advance(Duration::from_secs(60));
        let keys = top.snapshot().keys;
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].key, "new");
        hand.advance(Duration::from_secs(3600));
        assert!(top.snapshot().keys.is_empty());
    }

    #[test]
    fn a_key_with_a_large_share_is_hot_once_there_are_reads_enough() {
        let (top, _hand) = top();
        (0..90).for_each(|_| saw(&top, ":hot", 1, Some(Tier::Shared)));
        assert_eq!(top.snapshot().hot(0.2).count(), 0);
        (0..1000).for_each(|number| saw(&top, &format!(":{number}"), 1, None));
        (0..300).for_each(|_| saw(&top, ":hot", 1, Some(Tier::Shared)));
        let keys = top.snapshot();
        let hot: Vec<_> = keys.hot(0.2).map(|key| key.key.as_str()).collect();
        assert_eq!(hot, ["hot"]);
    }

    /// Each listed key is within its bounds, each unlisted one at most the floor, the floor at most `limit`.
    fn check(keys: &TopKeys, truth: &BTreeMap<String, u64>, limit: u64) -> Result<(), TestCaseError> {
        prop_assert_eq!(keys.reads, truth.values().sum::<u64>());
        prop_assert!(keys.floor <= limit, "{} > {limit}", keys.floor);
        prop_assert!(keys.keys.len() <= KEPT);
        for (name, reads) in truth {
            match keys.keys.iter().find(|key| &key.key == name) {
                Some(key) => prop_assert!(
                    key.reads - key.error <= *reads && *reads <= key.reads,
                    "{key:?}: {reads}"
                ),
                None => prop_assert!(*reads <= keys.floor, "{name} {reads} above {}", keys.floor),
            }
        }
        Ok(())
    }

    fn reads() -> impl Strategy<Value = Vec<(u16, u64)>> {
        // A few keys are read much, many little.
        let key = prop_oneof![0..20_u16, 0..1000_u16];
        prop::collection::vec((key, prop_oneof![Just(1_u64), Just(64)]), 0..2000)
    }

    fn feed(top: &Top, reads: &[(u16, u64)], truth: &mut BTreeMap<String, u64>) -> u64 {
        for (key, weight) in reads {
            saw(top, &format!(":{key}"), *weight, None);
            *truth.entry(key.to_string()).or_default() += weight;
        }
        reads.iter().map(|(_, weight)| weight).sum::<u64>() / KEPT as u64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn estimates_keep_what_space_saving_promises(reads in reads()) {
            let (top, _hand) = top();
            let mut truth = BTreeMap::new();
            let limit = feed(&top, &reads, &mut truth);
            check(&top.snapshot(), &truth, limit)?;
        }

        #[test]
        fn lists_of_several_windows_and_processes_keep_it_too(one in reads(), two in reads(), three in reads()) {
            let ((first, hand), (second, _hand)) = (top(), top());
            let mut truth = BTreeMap::new();
            feed(&first, &one, &mut truth);
            hand.advance(WINDOW);
            feed(&first, &two, &mut truth);
            feed(&second, &three, &mut truth);
            let mut merged = first.snapshot();
            merged.merge(&second.snapshot());
            check(&merged, &truth, u64::MAX)?;
        }
    }
}
