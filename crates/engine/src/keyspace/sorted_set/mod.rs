//! A sorted set: members with scores, in order of score, then bytes.
//!
//! Small sets are one buffer (`packed.rs`); beyond 128 entries or 4 kB they become an index with an order beside it
//! (`large.rs`) and stay so. Scores are never NaN; -0.0 equals 0.0 in every comparison.
//! Ranges of every kind are first turned into ranks; reading, counting and removing then start from ranks.
//! Next: `large.rs`, `tree/mod.rs` (the order), `bound.rs` (borders of ranges).

mod bound;
mod entries;
mod index;
mod large;
mod member;
mod members;
mod packed;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::ops::{Bound, Range};

pub(crate) use bound::LexBound;
pub(crate) use entries::Entries;
use large::Large;
use packed::Packed;

use super::dirt::Dirt;

/// What Redis calls its two encodings, and up to where it keeps the first.
const LISTPACK_ENTRIES: usize = 128;
const LISTPACK_MEMBER: usize = 64;

/// See the module.
#[derive(Clone)]
pub(crate) struct SortedSet {
    form: Form,
    track: bool,
    /// Redis would have left its packed encoding, which depends on other limits than ours.
    skiplist: bool,
}

#[derive(Clone)]
enum Form {
    Packed(Packed),
    Large(Box<Large>),
}

/// A member's score around a change; `None` where there is no such member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) before: Option<f64>,
    pub(crate) after: Option<f64>,
}

impl SortedSet {
    /// An empty set. With `track` it remembers what changes (see [`Self::take_dirt`]).
    pub(crate) fn new(track: bool) -> Self {
        Self {
            form: Form::Packed(Packed::default()),
            track,
            skiplist: false,
        }
    }

    /// An empty set for a result under way, which Redis packs at the end if at all (see [`Self::settle`]).
    pub(crate) fn result(track: bool) -> Self {
        Self {
            skiplist: true,
            ..Self::new(track)
        }
    }

    /// Says that a result is complete and will be stored.
    pub(crate) fn settle(&mut self) {
        let is_packed =
            self.len() <= LISTPACK_ENTRIES && self.iter().all(|(member, _)| member.len() <= LISTPACK_MEMBER);
        if !is_packed {
            return;
        }
        self.skiplist = false;
        let signed = self.ranks_by_score(Bound::Included(0.0), Bound::Included(0.0));
        let members: Vec<Box<[u8]>> = self.range(signed).map(|(member, _)| member.into()).collect();
        for member in members {
            self.replace(&member, 0.0);
        }
    }

    /// Sets a member's score, be it that only the sign of a zero changes.
    pub(crate) fn replace(&mut self, member: &[u8], score: f64) {
        let before = self.set(member, score);
        if score == 0.0 && before.is_some_and(|before| before == 0.0) {
            self.remove(member);
            self.set(member, score);
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.len(),
            Form::Large(large) => large.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held. Names of changed members waiting for [`Self::take_dirt`] are not counted.
    pub(crate) fn memory(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.memory(),
            Form::Large(large) => large.memory(),
        }
    }

    /// What Redis with its default limits calls its encoding of such a set.
    pub(crate) fn encoding(&self) -> &'static str {
        if self.skiplist { "skiplist" } else { "listpack" }
    }

    /// SORT has read it, for which Redis takes to its other encoding.
    pub(crate) fn note_sorted(&mut self) {
        self.skiplist = true;
    }

    /// Puts a member with its score as it was written, the sign of a zero included.
    pub(crate) fn load(&mut self, member: &[u8], score: f64) {
        let outgrows = member.len() > LISTPACK_MEMBER || self.len() >= LISTPACK_ENTRIES;
        let before = self.change_score(member, |_| Some(score)).before;
        if before
            .is_some_and(|before| before == score && before.is_sign_negative() != score.is_sign_negative())
        {
            self.remove(member);
            self.change_score(member, |_| Some(score));
        }
        self.skiplist |= outgrows && before.is_none();
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(crate) fn track(&mut self, is_on: bool) {
        self.track = is_on;
        if let Form::Large(large) = &mut self.form {
            large.track(is_on);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_tracked(&self) -> bool {
        match &self.form {
            Form::Packed(_) => self.track,
            Form::Large(large) => large.is_tracked(),
        }
    }

    /// What changed since the last call; everything if nothing is tracked.
    pub(crate) fn take_dirt(&mut self) -> Dirt<Box<[u8]>> {
        match &mut self.form {
            Form::Packed(_) => Dirt::Whole,
            Form::Large(large) => large.take_dirt(),
        }
    }

    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.form {
            Form::Packed(packed) => packed.find(member).map(|(_, score)| score),
            Form::Large(large) => large.score(member),
        }
    }

    /// The member's rank in ascending order, and its score.
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.form {
            Form::Packed(packed) => {
                let found = packed
                    .entries()
                    .enumerate()
                    .find(|(_, (other, _))| *other == member);
                found.map(|(rank, (_, score))| (rank, score))
            }
            Form::Large(large) => large.rank(member),
        }
    }

    /// The entry of this rank in ascending order.
    pub(crate) fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        match &self.form {
            Form::Packed(packed) => packed.start_at(rank).next(),
            Form::Large(large) => large.at(rank),
        }
    }

    /// Sets a member's score and returns the one it had.
    pub(crate) fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        self.change(member, |_| Some(score)).before
    }

    /// Lets the caller choose the score in view of the present one: one search for any rule of when to write.
    ///
    /// `None` changes nothing. The score chosen must be a number.
    pub(crate) fn change(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Change {
        let outgrows = member.len() > LISTPACK_MEMBER || self.len() >= LISTPACK_ENTRIES;
        let is_skiplist = self.skiplist;
        // A new member may be the one for which Redis leaves its packed encoding. That encoding keeps whole scores
        // as integers, so there a negative zero loses its sign.
        let decide = |present: Option<f64>| {
            let keeps_sign = is_skiplist || (present.is_none() && outgrows);
            decide(present).map(|score| if keeps_sign { score } else { score + 0.0 })
        };
        let change = self.change_score(member, decide);
        self.skiplist |= outgrows && change.before.is_none() && change.after.is_some();
        change
    }

    fn change_score(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Change {
        let packed = match &mut self.form {
            Form::Large(large) => return large.change(member, decide),
            Form::Packed(packed) => packed,
        };
        let found = packed.find(member);
        let before = found.as_ref().map(|(_, score)| *score);
        let Some(score) = decide(before) else {
            return Change {
                before,
                after: before,
            };
        };
        let change = Change {
            before,
            after: Some(score),
        };
        match found {
            Some((_, before)) if before == score => return change,
            Some((place, _)) => packed.remove(place),
            None => {}
        }
        if packed.fits(member) {
            packed.insert(member, score);
        } else {
            let mut large = Large::from_packed(packed, self.track);
            large.change(member, |_| Some(score));
            self.form = Form::Large(Box::new(large));
        }
        change
    }

    /// Removes a member and returns its score.
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.form {
            Form::Packed(packed) => {
                let (place, score) = packed.find(member)?;
                packed.remove(place);
                Some(score)
            }
            Form::Large(large) => large.remove(member),
        }
    }

    pub(crate) fn pop_min(&mut self) -> Option<(Box<[u8]>, f64)> {
        self.remove_at(0)
    }

    pub(crate) fn pop_max(&mut self) -> Option<(Box<[u8]>, f64)> {
        self.remove_at(self.len().checked_sub(1)?)
    }

    fn remove_at(&mut self, rank: usize) -> Option<(Box<[u8]>, f64)> {
        match &mut self.form {
            Form::Packed(packed) => {
                let (member, score) = packed.start_at(rank).next()?;
                let member = member.into();
                packed.remove_ranks(rank..rank + 1);
                Some((member, score))
            }
            Form::Large(large) => large.remove_at(rank),
        }
    }

    /// The ranks of all scores between the bounds; the number of them is their count.
    pub(crate) fn ranks_by_score(&self, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
        let (start, end) = match &self.form {
            Form::Packed(packed) => {
                let scores = || packed.entries().map(|(_, score)| score);
                count_between(
                    scores,
                    |score| bound::starts_after(min, *score),
                    |score| bound::ends_after(max, *score),
                )
            }
            Form::Large(large) => (
                large.count_before_score(|score| bound::starts_after(min, score)),
                large.count_before_score(|score| bound::ends_after(max, score)),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of all members between the bounds, where all scores are equal. Where they are not, the answer is
    /// some range.
    pub(crate) fn ranks_by_member(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let (start, end) = match &self.form {
            Form::Packed(packed) => {
                let members = || packed.entries().map(|(member, _)| member);
                count_between(
                    members,
                    |member| min.starts_after(member),
                    |member| max.ends_after(member),
                )
            }
            Form::Large(large) => (
                large.count_before_member(|member| min.starts_after(member)),
                large.count_before_member(|member| max.ends_after(member)),
            ),
        };
        start..end.max(start)
    }

    /// Removes the entries of these ranks (cut to what is there) in O(log n + m); returns how many.
    pub(crate) fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = self.cut(ranks);
        if ranks.is_empty() {
            return 0;
        }
        match &mut self.form {
            Form::Packed(packed) => packed.remove_ranks(ranks.clone()),
            Form::Large(large) => large.remove_ranks(ranks.clone()),
        }
        ranks.len()
    }

    fn cut(&self, ranks: Range<usize>) -> Range<usize> {
        let end = ranks.end.min(self.len());
        ranks.start.min(end)..end
    }

    /// All entries in ascending order.
    pub(crate) fn iter(&self) -> Entries<'_> {
        self.range(0..self.len())
    }

    /// The entries behind this one in ascending order, whether or not it is there.
    pub(crate) fn after(&self, member: &[u8], score: f64) -> Entries<'_> {
        let is_up_to = |other: &[u8], at: f64| at < score || (at == score && other <= member);
        let start = match &self.form {
            Form::Packed(packed) => {
                let before = packed.entries().take_while(|(other, at)| is_up_to(other, *at));
                before.count()
            }
            Form::Large(large) => large.count_up_to(member, score),
        };
        self.range(start..self.len())
    }

    /// The entries of these ranks, ascending.
    pub(crate) fn range(&self, ranks: Range<usize>) -> Entries<'_> {
        let ranks = self.cut(ranks);
        match &self.form {
            Form::Packed(packed) => Entries::packed(packed.start_at(ranks.start), ranks.len()),
            Form::Large(large) => Entries::large(large.walk(ranks.start), ranks.len(), false),
        }
    }

    /// The entries of these (ascending) ranks, last first.
    pub(crate) fn range_backwards(&self, ranks: Range<usize>) -> Entries<'_> {
        let ranks = self.cut(ranks);
        match &self.form {
            Form::Packed(packed) => Entries::packed_backwards(packed.backward(ranks.clone()), ranks.len()),
            Form::Large(large) => Entries::large(large.walk(ranks.end), ranks.len(), true),
        }
    }

    /// Visits about `count` entries (a small set: all) and returns the cursor to go on with. 0 starts and ends.
    ///
    /// An entry present from the first call to the last is visited at least once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match &self.form {
            Form::Packed(packed) => {
                packed.entries().for_each(|(member, score)| visit(member, score));
                0
            }
            Form::Large(large) => large.scan(cursor, count, &mut visit),
        }
    }

    #[cfg(test)]
    fn recount(&self) -> usize {
        match &self.form {
            Form::Packed(packed) => packed.memory(),
            Form::Large(large) => large.recount(),
        }
    }
}

/// Sets may be huge: a length says enough.
impl fmt::Debug for SortedSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SortedSet({} members, {})",
            self.len(),
            self.encoding()
        )
    }
}

fn count_between<T, I: Iterator<Item = T>>(
    entries: impl Fn() -> I,
    is_before: impl Fn(&T) -> bool,
    is_within: impl Fn(&T) -> bool,
) -> (usize, usize) {
    let start = entries().take_while(is_before).count();
    (start, start + entries().skip(start).take_while(is_within).count())
}
