//! A sorted set: members by name and by (score, name).
//!
//! Both views always hold the same members. Ranges by score cost what they return, as on the server.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

/// A score that can be ordered; never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Score(pub(super) f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// One end of a range of scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) score: f64,
    pub(super) is_exclusive: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SortedSet {
    scores: HashMap<Vec<u8>, f64>,
    order: BTreeSet<(Score, Vec<u8>)>,
}

impl SortedSet {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Adds the member or moves it.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        if let Some(old) = self.scores.insert(member.to_vec(), score) {
            self.order.remove(&(Score(old), member.to_vec()));
        }
        self.order.insert((Score(score), member.to_vec()));
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let Some(score) = self.scores.remove(member) else {
            return false;
        };
        self.order.remove(&(Score(score), member.to_vec()))
    }

    /// All members from the lowest.
    pub(super) fn ascending(&self) -> impl DoubleEndedIterator<Item = (&Vec<u8>, f64)> {
        self.order.iter().map(|(score, member)| (member, score.0))
    }

    /// The members between two scores, from the lowest.
    pub(super) fn between(
        &self,
        low: Limit,
        high: Limit,
    ) -> impl DoubleEndedIterator<Item = (&Vec<u8>, f64)> + use<'_> {
        let lowest = if low.is_exclusive {
            low.score.next_up()
        } else {
            low.score
        };
        let highest = if high.is_exclusive {
            high.score.next_down()
        } else {
            high.score
        };
        // Stepping beyond infinity stays there, so an exclusive infinity has to be caught by hand.
        let is_beyond_all = (low.is_exclusive && low.score == f64::INFINITY)
            || (high.is_exclusive && high.score == f64::NEG_INFINITY);
        let range = (lowest <= highest && !is_beyond_all).then(|| {
            let end = if highest == f64::INFINITY {
                Bound::Unbounded
            } else {
                Bound::Excluded((Score(highest.next_up()), Vec::new()))
            };
            self.order
                .range((Bound::Included((Score(lowest), Vec::new())), end))
        });
        range
            .into_iter()
            .flatten()
            .map(|(score, member)| (member, score.0))
    }
}
