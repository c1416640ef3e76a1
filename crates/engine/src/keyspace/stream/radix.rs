//! How many nodes Redis's radix tree over the first ids of its blocks would have.
//!
//! XINFO STREAM shows the number. The tree's keys are ids as sixteen bytes, highest first; a node is a leaf, a
//! fork, or a run of bytes without a fork between two of those.
//! Next: `log.rs` (`Log::block_ids`).

use super::id::StreamId;

/// Bytes of a key.
const DEPTH: u32 = 16;

/// Nodes of a tree over these ids, which ascend.
pub(super) fn node_count(ids: impl Iterator<Item = StreamId>) -> usize {
    let mut nodes = 0;
    let mut forks: Vec<u32> = Vec::new();
    let mut before: Option<StreamId> = None;
    for id in ids {
        if let Some(before) = before {
            let fork = common_bytes(before, id);
            nodes += leave_deeper(&mut forks, DEPTH, Some(fork));
        }
        before = Some(id);
    }
    if before.is_none() {
        // An empty tree still has its root.
        return 1;
    }
    nodes + leave_deeper(&mut forks, DEPTH, None)
}

/// Counts the nodes that are complete once the path goes back up to `fork`: the leaf, and the forks below it.
fn leave_deeper(forks: &mut Vec<u32>, leaf: u32, fork: Option<u32>) -> usize {
    let mut nodes = 0;
    let mut depth = leaf;
    loop {
        let above = forks.last().copied().max(fork);
        // A fork spends one byte itself; the root spends none.
        let first_own_byte = above.map_or(0, |above| above + 1);
        nodes += 1 + usize::from(depth > first_own_byte);
        match forks.last().copied() {
            Some(last) if fork.is_none_or(|fork| last > fork) => {
                forks.pop();
                depth = last;
            }
            last => {
                if last < fork {
                    forks.extend(fork);
                }
                return nodes;
            }
        }
    }
}

fn common_bytes(one: StreamId, other: StreamId) -> u32 {
    let high = (one.milliseconds ^ other.milliseconds).leading_zeros() / 8;
    let low = (one.sequence ^ other.sequence).leading_zeros() / 8;
    if high < 8 { high } else { 8 + low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(ids: &[(u64, u64)]) -> usize {
        node_count(
            ids.iter()
                .map(|(milliseconds, sequence)| StreamId::new(*milliseconds, *sequence)),
        )
    }

    #[test]
    fn nodes_are_leaves_forks_and_runs() {
        assert_eq!(nodes(&[]), 1);
        assert_eq!(nodes(&[(1, 1)]), 2);
        // A run of seven bytes, a fork, two runs of the eight bytes of the sequence, two leaves.
        assert_eq!(nodes(&[(1, 0), (2, 0)]), 6);
        assert_eq!(nodes(&[(1, 0), (2, 0), (3, 0)]), 8);
        // No run between a fork in the last byte but one and forks in the last.
        assert_eq!(nodes(&[(0, 0), (0, 1), (0, 256), (0, 257)]), 8);
    }
}
