//! What a random choice must obey: number, membership, distinctness, shape.
//!
//! The generators read the whole key just before they ask for a random part of it, so the set of possible answers
//! is the reply before. After an SPOP the two sides hold different members; the runner makes the second equal to
//! the first again.
//! Next: `runner.rs`.

use std::collections::BTreeSet;

use crate::frame::Frame;
use crate::step::Arguments;

/// Whether both replies are choices of the same number from what the command before has shown.
pub(crate) fn agree(
    arguments: &[Vec<u8>],
    previous: Option<&(Arguments, Frame)>,
    left: &Frame,
    right: &Frame,
) -> bool {
    if std::mem::discriminant(left) != std::mem::discriminant(right) {
        return false;
    }
    let (ours, theirs) = (flat(left), flat(right));
    let known: Option<BTreeSet<Vec<u8>>> = previous
        .filter(|(before, reply)| reply.items().is_some() && shows_all(before, arguments))
        .map(|(_, reply)| flat(reply).into_iter().collect());
    let is_drawn_without_return = arguments.get(2).is_none_or(|count| !count.starts_with(b"-"));
    let is_plain = arguments.len() < 4;
    ours.len() == theirs.len()
        && shape(left) == shape(right)
        && known.is_none_or(|known| theirs.iter().all(|member| known.contains(member)))
        && (!is_plain || !is_drawn_without_return || is_distinct(&theirs))
}

/// Whether `before` shows everything that `arguments` choose from.
fn shows_all(before: &[Vec<u8>], arguments: &[Vec<u8>]) -> bool {
    let before: Vec<&[u8]> = before.iter().map(Vec::as_slice).collect();
    let is_same_key = before.get(1).copied() == arguments.get(1).map(Vec::as_slice);
    // WITHSCORES or WITHVALUES: the values must have been shown as well.
    let is_wide = arguments.len() > 3;
    match before.as_slice() {
        [b"KEYS", b"*"] => arguments.len() == 1,
        [b"SMEMBERS", _] => is_same_key,
        [b"HKEYS", _] | [b"ZRANGE", _, b"0", b"-1"] => is_same_key && !is_wide,
        [b"HGETALL", _] | [b"ZRANGE", _, b"0", b"-1", b"WITHSCORES"] => is_same_key,
        _ => false,
    }
}

type Members = Vec<Vec<u8>>;

/// Members that the first side removed and those that the second removed.
pub(crate) fn removed(left: &Frame, right: &Frame) -> Option<(Members, Members)> {
    let (mut left, mut right) = (flat(left), flat(right));
    left.sort();
    right.sort();
    (left != right).then_some((left, right))
}

fn flat(frame: &Frame) -> Vec<Vec<u8>> {
    match frame.items() {
        Some(items) => items.iter().flat_map(flat).collect(),
        None => frame.text().into_iter().collect(),
    }
}

fn shape(frame: &Frame) -> Vec<usize> {
    let items = frame.items().unwrap_or_default();
    items
        .iter()
        .map(|item| item.items().map_or(0, <[Frame]>::len))
        .collect()
}

fn is_distinct(members: &[Vec<u8>]) -> bool {
    members.iter().collect::<BTreeSet<_>>().len() == members.len()
}
