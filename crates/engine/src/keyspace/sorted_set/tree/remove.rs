//! Removal of one key by its rank, and the merging of neighbours that have become small.
//!
//! A node less than half full joins a neighbour if the two leave a quarter of room; nothing is borrowed, so a queue
//! drained from one end only shortens its first leaf.

use super::{BRANCH, Branch, Key, LEAF, Node, Tree};

/// Unused room a leaf may keep after removals.
const ROOM: usize = 64;

impl Tree {
    pub(in super::super) fn remove(&mut self, rank: usize) -> Option<Key> {
        let removed = self.root.remove(rank, &mut self.bytes)?;
        self.lower_root();
        Some(removed.key)
    }

    /// Takes away roots that have a single child or none.
    pub(super) fn lower_root(&mut self) {
        while let Node::Branch(branch) = &mut self.root {
            if branch.nodes.len() > 1 {
                return;
            }
            self.bytes -= branch.heap();
            self.root = branch.nodes.pop().unwrap_or(Node::Leaf(Vec::new()));
        }
    }
}

struct Removed {
    key: Key,
    /// The node's first key, if it is another one now and the node is not empty.
    first: Option<Key>,
}

impl Node {
    fn remove(&mut self, rank: usize, bytes: &mut usize) -> Option<Removed> {
        match self {
            Self::Leaf(keys) => {
                if rank >= keys.len() {
                    return None;
                }
                let key = keys.remove(rank);
                shrink_leaf(keys, bytes);
                Some(Removed {
                    key,
                    first: keys.first().filter(|_| rank == 0).copied(),
                })
            }
            Self::Branch(branch) => branch.remove(rank, bytes),
        }
    }

    fn fill(&self) -> usize {
        match self {
            Self::Leaf(keys) => keys.len(),
            Self::Branch(branch) => branch.nodes.len(),
        }
    }

    fn limit(&self) -> usize {
        match self {
            Self::Leaf(_) => LEAF,
            Self::Branch(_) => BRANCH,
        }
    }
}

pub(super) fn shrink_leaf(keys: &mut Vec<Key>, bytes: &mut usize) {
    if keys.capacity() - keys.len() > ROOM {
        *bytes -= keys.capacity() * size_of::<Key>();
        keys.shrink_to(keys.len() + ROOM / 4);
        *bytes += keys.capacity() * size_of::<Key>();
    }
}

impl Branch {
    fn remove(&mut self, rank: usize, bytes: &mut usize) -> Option<Removed> {
        let (child, before) = self.child_at(rank);
        let removed = self.nodes.get_mut(child)?.remove(rank - before, bytes)?;
        let count = self.counts.get_mut(child)?;
        *count -= 1;
        let mut first = removed.first;
        if *count == 0 {
            self.remove_child(child, bytes);
            // The next child has come to the front: its key is exact.
            first = self.firsts.first().filter(|_| child == 0).copied();
        } else {
            if let (Some(first), Some(stored)) = (first, self.firsts.get_mut(child)) {
                *stored = first;
            }
            self.merge_around(child, bytes);
        }
        Some(Removed {
            key: removed.key,
            first: first.filter(|_| child == 0),
        })
    }

    /// The child must be empty but for its own allocation.
    fn remove_child(&mut self, child: usize, bytes: &mut usize) {
        self.firsts.remove(child);
        self.counts.remove(child);
        *bytes -= self.nodes.remove(child).heap();
    }

    /// Joins a small child with a neighbour where both fit one node with room to spare.
    pub(super) fn merge_around(&mut self, child: usize, bytes: &mut usize) {
        let small = self
            .nodes
            .get(child)
            .is_some_and(|node| node.fill() < node.limit() / 2);
        if !small {
            return;
        }
        if child > 0 && self.merge_with_next(child - 1, bytes) {
            return;
        }
        self.merge_with_next(child, bytes);
    }

    fn merge_with_next(&mut self, child: usize, bytes: &mut usize) -> bool {
        let (Some(left), Some(right)) = (self.nodes.get(child), self.nodes.get(child + 1)) else {
            return false;
        };
        if left.fill() + right.fill() > left.limit() * 3 / 4 {
            return false;
        }
        let first = self.firsts.remove(child + 1);
        let count = self.counts.remove(child + 1);
        let right = self.nodes.remove(child + 1);
        let Some(left) = self.nodes.get_mut(child) else {
            return false;
        };
        *bytes -= left.heap() + right.heap();
        match (&mut *left, right) {
            (Node::Leaf(left), Node::Leaf(right)) => left.extend_from_slice(&right),
            (Node::Branch(left), Node::Branch(right)) => {
                let right = *right;
                // The right node's own first key was never kept up to date; its parent's is exact.
                left.firsts.push(first);
                left.firsts.extend(right.firsts.into_iter().skip(1));
                left.counts.extend(right.counts);
                left.nodes.extend(right.nodes);
            }
            // All leaves are at one depth.
            (Node::Leaf(_), Node::Branch(_)) | (Node::Branch(_), Node::Leaf(_)) => {}
        }
        *bytes += left.heap();
        if let Some(total) = self.counts.get_mut(child) {
            *total += count;
        }
        true
    }
}
