//! The order of a large sorted set: a counted B+ tree over (score, number of the member).
//!
//! Leaves hold up to 128 keys of 12 bytes side by side, so a search touches few cache lines and reads a member's
//! bytes only where scores are equal. Branches count what is below each child: rank, selection by rank and ranges
//! of any kind cost O(log n). The tree knows no members; callers describe a position by a predicate that is true
//! for the keys before it.
//! Next: `insert.rs`, `remove.rs`, `range.rs` (removing many), `walk.rs` (iteration).

mod insert;
mod range;
mod remove;
mod walk;

pub(super) use walk::Walk;

pub(super) const LEAF: usize = 128;
pub(super) const BRANCH: usize = 64;

/// Packed, since 12 bytes instead of 16 let a third more keys share a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub(super) struct Key {
    pub(super) score: f64,
    pub(super) id: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Leaf(Vec<Key>),
    Branch(Box<Branch>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Branch {
    /// The first key below each child. Exact for every child but the first, whose value is never read.
    firsts: Vec<Key>,
    counts: Vec<u32>,
    nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    bytes: usize,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            root: Node::Leaf(Vec::new()),
            bytes: 0,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes
    }

    /// How many keys come before the position.
    pub(super) fn rank(&self, before: &impl Fn(Key) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => return rank + keys.partition_point(|key| before(*key)),
                Node::Branch(branch) => {
                    let child = branch.child(before);
                    rank += branch.count_before(child);
                    let Some(next) = branch.nodes.get(child) else {
                        return rank;
                    };
                    node = next;
                }
            }
        }
    }

    pub(super) fn get(&self, rank: usize) -> Option<Key> {
        let (mut rank, mut node) = (rank, &self.root);
        loop {
            match node {
                Node::Leaf(keys) => return keys.get(rank).copied(),
                Node::Branch(branch) => {
                    let (child, before) = branch.child_at(rank);
                    rank -= before;
                    node = branch.nodes.get(child)?;
                }
            }
        }
    }

    /// The entry at this rank moved to another slot.
    pub(super) fn renumber(&mut self, rank: usize, to: u32) {
        let (mut rank, mut node) = (rank, &mut self.root);
        loop {
            match node {
                Node::Leaf(keys) => {
                    if let Some(key) = keys.get_mut(rank) {
                        key.id = to;
                    }
                    return;
                }
                Node::Branch(branch) => {
                    let (child, before) = branch.child_at(rank);
                    rank -= before;
                    if let Some(first) = branch.firsts.get_mut(child).filter(|_| rank == 0) {
                        first.id = to;
                    }
                    let Some(next) = branch.nodes.get_mut(child) else {
                        return;
                    };
                    node = next;
                }
            }
        }
    }

    /// Gives the key at this rank another score if that leaves it between the same neighbours.
    ///
    /// `between` is asked whether the new place lies after the first key and before the second. Declines (false) at
    /// the borders of leaves, where separators would have to follow.
    pub(super) fn rescore(
        &mut self,
        rank: usize,
        score: f64,
        between: impl FnOnce(Option<Key>, Option<Key>) -> bool,
    ) -> bool {
        let (mut rank, mut node) = (rank, &mut self.root);
        let (mut leftmost, mut rightmost) = (true, true);
        loop {
            match node {
                Node::Leaf(keys) => {
                    let previous = rank.checked_sub(1).and_then(|rank| keys.get(rank)).copied();
                    let next = keys.get(rank + 1).copied();
                    let known = (previous.is_some() || leftmost) && (next.is_some() || rightmost);
                    let fits = known && between(previous, next);
                    if let Some(key) = keys.get_mut(rank).filter(|_| fits) {
                        key.score = score;
                    }
                    return fits;
                }
                Node::Branch(branch) => {
                    let (child, before) = branch.child_at(rank);
                    rank -= before;
                    leftmost &= child == 0;
                    rightmost &= child + 1 == branch.nodes.len();
                    let Some(next) = branch.nodes.get_mut(child) else {
                        return false;
                    };
                    node = next;
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.root.check();
        self.root.heap_below()
    }
}

/// Copied vectors have no spare capacity, so what is held is counted anew.
impl Clone for Tree {
    fn clone(&self) -> Self {
        let root = self.root.clone();
        Self {
            bytes: root.heap_below(),
            root,
        }
    }
}

impl Node {
    fn count(&self) -> usize {
        match self {
            Self::Leaf(keys) => keys.len(),
            Self::Branch(branch) => branch.counts.iter().map(|count| *count as usize).sum(),
        }
    }

    fn first(&self) -> Option<Key> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(keys) => return keys.first().copied(),
                Self::Branch(branch) => node = branch.nodes.first()?,
            }
        }
    }

    /// Heap bytes of this node alone.
    fn heap(&self) -> usize {
        match self {
            Self::Leaf(keys) => keys.capacity() * size_of::<Key>(),
            Self::Branch(branch) => branch.heap(),
        }
    }

    fn heap_below(&self) -> usize {
        let below = match self {
            Self::Leaf(_) => 0,
            Self::Branch(branch) => branch.nodes.iter().map(Self::heap_below).sum(),
        };
        self.heap() + below
    }

    #[cfg(test)]
    fn check(&self) {
        let Self::Branch(branch) = self else { return };
        for (number, (count, node)) in branch.counts.iter().zip(&branch.nodes).enumerate() {
            assert_eq!(*count as usize, node.count());
            assert!(*count > 0);
            let (first, stored) = (node.first(), branch.firsts.get(number).copied());
            assert!(number == 0 || first.map(|key| key.id) == stored.map(|key| key.id));
            assert!(number == 0 || first.map(|key| key.score) == stored.map(|key| key.score));
            node.check();
        }
    }
}

impl Branch {
    /// The child in which the position lies.
    #[inline]
    fn child(&self, before: &impl Fn(Key) -> bool) -> usize {
        let rest = self.firsts.get(1..).unwrap_or_default();
        rest.partition_point(|key| before(*key))
    }

    #[inline]
    fn count_before(&self, child: usize) -> usize {
        self.counts.iter().take(child).map(|count| *count as usize).sum()
    }

    /// The child that holds this rank (the last one for a rank past the end), and how many keys come before it.
    #[inline]
    fn child_at(&self, rank: usize) -> (usize, usize) {
        let mut before = 0;
        let last = self.counts.len().saturating_sub(1);
        for (child, count) in self.counts.iter().enumerate() {
            if child == last || rank < before + *count as usize {
                return (child, before);
            }
            before += *count as usize;
        }
        (0, 0)
    }

    fn heap(&self) -> usize {
        size_of::<Self>()
            + self.firsts.capacity() * size_of::<Key>()
            + self.counts.capacity() * size_of::<u32>()
            + self.nodes.capacity() * size_of::<Node>()
    }
}
