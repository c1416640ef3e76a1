//! The form of a large sorted set: entries (`members.rs`), an index from member to entry (`index.rs`) and the order of
//! the entries (`tree/`), kept in step here.
//!
//! Scores are found in O(1), everything that concerns order in O(log n). Nothing ever stops to rebuild or copy the
//! whole: all three parts grow and shrink piece by piece.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use foldhash::fast::RandomState;

use super::Change;
use super::index::Index;
use super::members::Members;
use super::packed::Packed;
use super::tree::{Key, Tree, Walk};
use crate::keyspace::changes::Changes;
use crate::keyspace::dirt::Dirt;

#[derive(Debug)]
pub(super) struct Large {
    members: Members,
    index: Index,
    tree: Tree,
    hasher: RandomState,
    /// Kept only while somebody wants to know.
    changes: Option<Changes>,
}

impl Large {
    pub(super) fn from_packed(packed: &Packed, track: bool) -> Self {
        let mut large = Self {
            members: Members::default(),
            index: Index::new(),
            tree: Tree::new(),
            hasher: RandomState::default(),
            changes: track.then(Changes::whole),
        };
        for (member, score) in packed.entries() {
            let hash = hash(&large.hasher, member);
            large.insert(hash, member, score);
        }
        large
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.members.memory() + self.index.memory() + self.tree.memory()
    }

    pub(super) fn track(&mut self, is_on: bool) {
        self.changes = is_on.then(Changes::none);
    }

    #[cfg(test)]
    pub(super) fn is_tracked(&self) -> bool {
        self.changes.is_some()
    }

    pub(super) fn take_dirt(&mut self) -> Dirt<Box<[u8]>> {
        self.changes.as_mut().map_or(Dirt::Whole, Changes::take)
    }

    #[inline]
    fn find(&self, hash: u64, member: &[u8]) -> Option<u32> {
        self.index.find(hash, |id| self.members.member(*id) == member)
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        let id = self.find(hash(&self.hasher, member), member)?;
        Some(self.members.score(id))
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.rank_of(member, score), score))
    }

    fn rank_of(&self, member: &[u8], score: f64) -> usize {
        self.tree
            .rank(&|key| is_before(&self.members, key, member, score))
    }

    pub(super) fn change(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Change {
        let hash = hash(&self.hasher, member);
        let Some(id) = self.find(hash, member) else {
            let after = decide(None);
            if let Some(score) = after {
                self.insert(hash, member, score);
            }
            return Change { before: None, after };
        };
        let before = self.members.score(id);
        let after = decide(Some(before)).unwrap_or(before);
        if after != before {
            self.rescore(id, member, before, after);
        }
        Change {
            before: Some(before),
            after: Some(after),
        }
    }

    fn insert(&mut self, hash_value: u64, member: &[u8], score: f64) {
        let id = self.members.insert(member, score);
        let (members, hasher) = (&self.members, &self.hasher);
        self.index
            .insert(hash_value, id, |id| hash(hasher, members.member(*id)));
        self.tree
            .insert(Key { score, id }, &|key| is_before(members, key, member, score));
        self.note(member);
    }

    fn rescore(&mut self, id: u32, member: &[u8], before: f64, after: f64) {
        let rank = self.rank_of(member, before);
        let members = &self.members;
        let in_place = self.tree.rescore(rank, after, |previous, next| {
            previous.is_none_or(|key| is_before(members, key, member, after))
                && next.is_none_or(|key| !is_before(members, key, member, after))
        });
        if !in_place {
            self.tree.remove(rank);
            self.tree.insert(Key { score: after, id }, &|key| {
                is_before(members, key, member, after)
            });
        }
        self.members.set_score(id, after);
        self.note(member);
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let (rank, score) = self.rank(member)?;
        self.remove_at(rank)?;
        Some(score)
    }

    /// Removes and returns the entry of this rank.
    pub(super) fn remove_at(&mut self, rank: usize) -> Option<(Box<[u8]>, f64)> {
        let key = self.tree.remove(rank)?;
        let member = self.forget(key.id)?;
        self.tidy(1);
        Some((member, key.score))
    }

    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        let mut ids = Vec::with_capacity(ranks.len());
        self.tree.remove_range(ranks, &mut |key| ids.push(key.id));
        for id in &ids {
            self.forget(*id);
        }
        self.tidy(ids.len());
    }

    /// Takes an entry already gone from the order out of the other two parts.
    fn forget(&mut self, id: u32) -> Option<Box<[u8]>> {
        let hasher = &self.hasher;
        let members = &self.members;
        let hash_value = hash(hasher, members.member(id));
        self.index
            .remove(hash_value, id, |id| hash(hasher, members.member(*id)));
        let member = self.members.remove(id)?;
        self.note(&member);
        Some(member)
    }

    /// Closes gaps in the pages of entries, at most one for each entry removed.
    fn tidy(&mut self, removed: usize) {
        for _ in 0..removed {
            let Some(from) = self.members.evacuee() else {
                return;
            };
            let member = self.members.member(from);
            let hash = hash(&self.hasher, member);
            let rank = self.rank_of(member, self.members.score(from));
            let Some(to) = self.members.relocate(from) else {
                return;
            };
            self.index.renumber(hash, from, to);
            self.tree.renumber(rank, to);
        }
    }

    fn note(&mut self, member: &[u8]) {
        if let Some(changes) = &mut self.changes {
            changes.note(member);
        }
    }

    pub(super) fn at(&self, rank: usize) -> Option<(&[u8], f64)> {
        let key = self.tree.get(rank)?;
        Some((self.members.member(key.id), key.score))
    }

    /// How many entries come before the position `before` describes.
    pub(super) fn count_before_score(&self, before: impl Fn(f64) -> bool) -> usize {
        self.tree.rank(&|key| before(key.score))
    }

    pub(super) fn count_before_member(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        self.tree.rank(&|key| before(self.members.member(key.id)))
    }

    /// How many entries come no later than this one, which need not be there.
    pub(super) fn count_up_to(&self, member: &[u8], score: f64) -> usize {
        self.tree
            .rank(&|key| key.score < score || (key.score == score && self.members.member(key.id) <= member))
    }

    pub(super) fn walk(&self, rank: usize) -> (Walk<'_>, &Members) {
        (self.tree.walk(rank), &self.members)
    }

    /// Visits about `count` entries from a cursor on; 0 starts and ends a scan.
    ///
    /// Entries are visited from the highest slot to the lowest. An entry only ever moves down, so one that is there
    /// during the whole scan is met at least once.
    pub(super) fn scan(&self, cursor: u64, count: usize, visit: &mut impl FnMut(&[u8], f64)) -> u64 {
        let mut end = if cursor == 0 {
            self.members.end()
        } else {
            usize::try_from(cursor).unwrap_or(usize::MAX)
        };
        let (mut visited, mut looked) = (0, 0);
        while visited < count.max(1) && looked < count.saturating_mul(10).max(1) {
            let Some((id, steps)) = self.members.below(end) else {
                return 0;
            };
            visit(self.members.member(id), self.members.score(id));
            visited += 1;
            looked += steps;
            end = id as usize;
        }
        end as u64
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        size_of::<Self>() + self.members.recount() + self.index.recount() + self.tree.recount()
    }
}

/// A copy is a set no journal has written yet.
impl Clone for Large {
    fn clone(&self) -> Self {
        Self {
            members: self.members.clone(),
            index: self.index.clone(),
            tree: self.tree.clone(),
            hasher: self.hasher.clone(),
            changes: self.changes.as_ref().map(|_| Changes::whole()),
        }
    }
}

#[inline]
fn hash(hasher: &RandomState, member: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(member);
    state.finish()
}

/// Whether a key comes before (score, member). Members are only read where scores are equal.
#[inline]
fn is_before(members: &Members, key: Key, member: &[u8], score: f64) -> bool {
    let at = key.score;
    at < score || (at == score && members.member(key.id) < member)
}
