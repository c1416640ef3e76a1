//! Insertion into the tree. A full leaf splits in halves, at the ends of the set without halving: keys that arrive in
//! order (timestamps) fill every leaf.

use super::{BRANCH, Branch, Key, LEAF, Node, Tree};

/// Leaves grow in steps, so that the space held but not used stays small.
const STEP: usize = 32;

/// Whether a node lies at the left or right edge of the whole tree.
#[derive(Clone, Copy)]
struct Edges {
    first: bool,
    last: bool,
}

impl Tree {
    /// Inserts at the position after all keys for which `before` is true.
    pub(in super::super) fn insert(&mut self, key: Key, before: &impl Fn(Key) -> bool) {
        let edges = Edges {
            first: true,
            last: true,
        };
        let Some((first, right)) = self.root.insert(key, before, edges, &mut self.bytes) else {
            return;
        };
        let left = std::mem::replace(&mut self.root, Node::Leaf(Vec::new()));
        let mut branch = Branch::default();
        // The first child's key is never read, so any key will do.
        branch.insert_child(0, first, left);
        branch.insert_child(1, first, right);
        self.bytes += branch.heap();
        self.root = Node::Branch(Box::new(branch));
    }
}

impl Node {
    /// A split returns the new right neighbour of this node and its first key.
    fn insert(
        &mut self,
        key: Key,
        before: &impl Fn(Key) -> bool,
        edges: Edges,
        bytes: &mut usize,
    ) -> Option<(Key, Self)> {
        match self {
            Self::Leaf(keys) => {
                let held = keys.capacity();
                let right = insert_into_leaf(keys, key, before, edges);
                let right_held = right.as_ref().map_or(0, Vec::capacity);
                *bytes = *bytes + (keys.capacity() + right_held) * size_of::<Key>() - held * size_of::<Key>();
                let right = right?;
                Some((*right.first()?, Self::Leaf(right)))
            }
            Self::Branch(branch) => {
                let child = branch.child(before);
                let edges = Edges {
                    first: edges.first && child == 0,
                    last: edges.last && child + 1 == branch.nodes.len(),
                };
                let split = branch.nodes.get_mut(child)?.insert(key, before, edges, bytes);
                let Some((first, right)) = split else {
                    if let Some(count) = branch.counts.get_mut(child) {
                        *count += 1;
                    }
                    return None;
                };
                *bytes -= branch.heap();
                let next = branch.adopt(child, first, right);
                *bytes += branch.heap();
                let (first, next) = next?;
                *bytes += next.heap();
                Some((first, Self::Branch(Box::new(next))))
            }
        }
    }
}

fn insert_into_leaf(
    keys: &mut Vec<Key>,
    key: Key,
    before: &impl Fn(Key) -> bool,
    edges: Edges,
) -> Option<Vec<Key>> {
    let position = keys.partition_point(|key| before(*key));
    if keys.len() < LEAF {
        insert_growing(keys, position, key);
        return None;
    }
    if edges.last && position == keys.len() {
        let mut right = Vec::new();
        insert_growing(&mut right, 0, key);
        return Some(right);
    }
    if edges.first && position == 0 {
        let mut left = Vec::new();
        insert_growing(&mut left, 0, key);
        return Some(std::mem::replace(keys, left));
    }
    let middle = keys.len() / 2;
    let mut right = keys.split_off(middle);
    keys.shrink_to(middle + STEP);
    if position <= middle {
        insert_growing(keys, position, key);
    } else {
        insert_growing(&mut right, position - middle, key);
    }
    Some(right)
}

fn insert_growing(keys: &mut Vec<Key>, position: usize, key: Key) {
    if keys.len() == keys.capacity() {
        keys.reserve_exact(STEP);
    }
    keys.insert(position, key);
}

impl Branch {
    /// Takes in the right half of a child that split; splits itself when there are too many children.
    fn adopt(&mut self, child: usize, first: Key, right: Node) -> Option<(Key, Self)> {
        if let (Some(count), Some(node)) = (self.counts.get_mut(child), self.nodes.get(child)) {
            *count = node.count() as u32;
        }
        self.insert_child(child + 1, first, right);
        if self.nodes.len() <= BRANCH {
            return None;
        }
        let middle = self.nodes.len() / 2;
        let next = Self {
            firsts: self.firsts.split_off(middle),
            counts: self.counts.split_off(middle),
            nodes: self.nodes.split_off(middle),
        };
        Some((*next.firsts.first()?, next))
    }

    fn insert_child(&mut self, position: usize, first: Key, node: Node) {
        if self.nodes.len() == self.nodes.capacity() {
            let step = BRANCH / 4;
            self.firsts.reserve_exact(step);
            self.counts.reserve_exact(step);
            self.nodes.reserve_exact(step);
        }
        self.firsts.insert(position, first);
        self.counts.insert(position, node.count() as u32);
        self.nodes.insert(position, node);
    }
}
