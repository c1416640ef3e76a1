//! Removal of a range of ranks in O(log n + m): whole subtrees are taken out, only the two borders are cut.

use std::ops::Range;

use super::remove::shrink_leaf;
use super::{Branch, Key, Node, Tree};

impl Tree {
    /// Removes the keys of these ranks and hands each to `taken`, in order.
    pub(in super::super) fn remove_range(&mut self, ranks: Range<usize>, taken: &mut impl FnMut(Key)) {
        let ranks = ranks.start..ranks.end.min(self.root.count());
        if ranks.is_empty() {
            return;
        }
        self.root.remove_range(ranks, taken, &mut self.bytes);
        self.lower_root();
    }
}

impl Node {
    fn remove_range(&mut self, ranks: Range<usize>, taken: &mut impl FnMut(Key), bytes: &mut usize) {
        match self {
            Self::Leaf(keys) => {
                keys.drain(ranks).for_each(taken);
                shrink_leaf(keys, bytes);
            }
            Self::Branch(branch) => branch.remove_range(ranks, taken, bytes),
        }
    }

    fn take_all(self, taken: &mut impl FnMut(Key), bytes: &mut usize) {
        *bytes -= self.heap();
        match self {
            Self::Leaf(keys) => keys.into_iter().for_each(taken),
            Self::Branch(branch) => branch
                .nodes
                .into_iter()
                .for_each(|node| node.take_all(taken, bytes)),
        }
    }
}

impl Branch {
    fn remove_range(&mut self, ranks: Range<usize>, taken: &mut impl FnMut(Key), bytes: &mut usize) {
        let (first_child, before) = self.child_at(ranks.start);
        let mut start = ranks.start - before;
        let mut left = ranks.len();
        let mut child = first_child;
        // Children emptied whole; they lie side by side.
        let mut emptied = first_child..first_child;
        while left > 0 {
            let Some(count) = self.counts.get_mut(child) else {
                break;
            };
            let held = *count as usize;
            let cut = left.min(held - start);
            *count -= cut as u32;
            let Some(node) = self.nodes.get_mut(child) else {
                break;
            };
            if cut == held {
                std::mem::replace(node, Node::Leaf(Vec::new())).take_all(taken, bytes);
                emptied = if emptied.is_empty() {
                    child..child + 1
                } else {
                    emptied.start..child + 1
                };
            } else {
                node.remove_range(start..start + cut, taken, bytes);
                if let (Some(first), Some(stored)) = (node.first(), self.firsts.get_mut(child)) {
                    *stored = first;
                }
            }
            left -= cut;
            start = 0;
            child += 1;
        }
        let after = child - emptied.len();
        self.firsts.drain(emptied.clone());
        self.counts.drain(emptied.clone());
        self.nodes.drain(emptied);
        // From the right, so that positions further left stay valid.
        for border in (first_child.saturating_sub(1)..=after).rev() {
            self.merge_around(border, bytes);
        }
    }
}
