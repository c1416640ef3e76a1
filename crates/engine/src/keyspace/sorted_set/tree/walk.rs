//! A position between two keys of the tree that moves either way; a step costs O(1) amortised.

use smallvec::SmallVec;

use super::{Branch, Key, Node, Tree};

#[derive(Clone, Debug)]
pub(in super::super) struct Walk<'tree> {
    /// The branches above the leaf with the child taken in each.
    above: SmallVec<[(&'tree Branch, usize); 4]>,
    leaf: &'tree [Key],
    position: usize,
}

impl Tree {
    /// Stands before the key of this rank, or at the end.
    pub(in super::super) fn walk(&self, rank: usize) -> Walk<'_> {
        let mut walk = Walk {
            above: SmallVec::new(),
            leaf: &[],
            position: rank,
        };
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => {
                    walk.leaf = keys;
                    walk.position = walk.position.min(keys.len());
                    return walk;
                }
                Node::Branch(branch) => {
                    let (child, before) = branch.child_at(walk.position);
                    walk.position -= before;
                    walk.above.push((branch, child));
                    let Some(next) = branch.nodes.get(child) else {
                        return walk;
                    };
                    node = next;
                }
            }
        }
    }
}

impl<'tree> Walk<'tree> {
    #[inline]
    pub(in super::super) fn forward(&mut self) -> Option<Key> {
        loop {
            if let Some(key) = self.leaf.get(self.position) {
                self.position += 1;
                return Some(*key);
            }
            let node =
                self.step(|child, branch| Some(child + 1).filter(|next| *next < branch.nodes.len()))?;
            self.descend(node, |_| 0);
            self.position = 0;
        }
    }

    #[inline]
    pub(in super::super) fn backward(&mut self) -> Option<Key> {
        loop {
            if let Some(before) = self.position.checked_sub(1) {
                self.position = before;
                return self.leaf.get(before).copied();
            }
            let node = self.step(|child, _| child.checked_sub(1))?;
            self.descend(node, |branch| branch.nodes.len().saturating_sub(1));
            self.position = self.leaf.len();
        }
    }

    /// Climbs to the nearest branch with a neighbour in the wanted direction and enters it.
    fn step(&mut self, neighbour: impl Fn(usize, &Branch) -> Option<usize>) -> Option<&'tree Node> {
        // Nothing is taken away before a neighbour is found: a walk that met its end stays there.
        let level = self
            .above
            .iter()
            .rposition(|(branch, child)| neighbour(*child, branch).is_some())?;
        self.above.truncate(level + 1);
        let (branch, child) = self.above.last_mut()?;
        *child = neighbour(*child, branch)?;
        branch.nodes.get(*child)
    }

    fn descend(&mut self, node: &'tree Node, enter: impl Fn(&Branch) -> usize) {
        let mut node = node;
        loop {
            match node {
                Node::Leaf(keys) => {
                    self.leaf = keys;
                    return;
                }
                Node::Branch(branch) => {
                    let child = enter(branch);
                    self.above.push((branch, child));
                    let Some(next) = branch.nodes.get(child) else {
                        return;
                    };
                    node = next;
                }
            }
        }
    }
}
