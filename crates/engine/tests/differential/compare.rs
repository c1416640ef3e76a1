//! When two replies to one command count as equal.
//!
//! The rule is equality. The exceptions are written down here, one by one: an order that Redis leaves open, a
//! choice that is random, a figure that depends on the moment or on the process. Errors are compared by their
//! whole text.
//! Next: `random.rs` (what a random choice must obey), `runner.rs`.

use std::collections::HashMap;

use crate::frame::Frame;
use crate::random;
use crate::step::{Arguments, has_subcommands, name_of};

/// How far two readings of a remaining time may lie apart.
const TOLERANCE_MS: i64 = 2_000;

/// Compares the replies of one sequence in order; knows what came before.
#[derive(Default)]
pub(crate) struct Comparer {
    /// What each client has queued since its MULTI.
    queued: HashMap<usize, Vec<Arguments>>,
    /// The command before this one and its reply.
    previous: Option<(Arguments, Frame)>,
    /// Chance has decided what a set has left, and with it how it lies in memory.
    has_popped: bool,
}

impl Comparer {
    /// Compares one reply and remembers it.
    pub(crate) fn agree(
        &mut self,
        client: usize,
        arguments: &Arguments,
        left: &Frame,
        right: &Frame,
    ) -> bool {
        let name = name_of(arguments);
        let agreed = match name.as_str() {
            "EXEC" => self.transactions_agree(client, left, right),
            "OBJECT ENCODING" if self.has_popped && are_sets(left) => are_sets(right),
            _ => agree(&name, arguments, self.previous.as_ref(), left, right),
        };
        self.note(client, arguments, left);
        agreed
    }

    /// What was popped at random is not the same on both sides.
    pub(crate) fn note_chance(&mut self) {
        self.has_popped = true;
    }

    /// Remembers a reply that was compared elsewhere.
    pub(crate) fn note(&mut self, client: usize, arguments: &Arguments, left: &Frame) {
        match name_of(arguments).as_str() {
            _ if *left == Frame::Simple(b"QUEUED".to_vec()) => {
                self.queued.entry(client).or_default().push(arguments.clone());
            }
            "EXEC" | "DISCARD" | "RESET" => {
                self.queued.remove(&client);
            }
            _ => {}
        }
        self.previous = Some((arguments.clone(), left.clone()));
    }

    fn transactions_agree(&self, client: usize, left: &Frame, right: &Frame) -> bool {
        let (Frame::Array(ours), Frame::Array(theirs), Some(queued)) =
            (left, right, self.queued.get(&client))
        else {
            return left == right;
        };
        if queued.len() != ours.len() {
            return left == right;
        }
        ours.len() == theirs.len()
            && queued
                .iter()
                .zip(ours.iter().zip(theirs))
                .all(|(arguments, (left, right))| agree(&name_of(arguments), arguments, None, left, right))
    }
}

/// Whether two lists of frames that reached one client are the same.
pub(crate) fn streams_agree(left: &[Frame], right: &[Frame]) -> bool {
    if left == right {
        return true;
    }
    let messages = left.iter().filter(|frame| is_message(frame)).count();
    if left.iter().any(is_misplaced) || (messages > 0 && messages < left.len()) {
        return leaves(left) == leaves(right);
    }
    left.len() == right.len() && without_open_order(left) == without_open_order(right)
}

/// Messages that the server puts elsewhere than behind the reply: one that a client in a transaction publishes to
/// itself takes the place of a reply, and that everything was flushed comes before the reply, its null in the shape
/// of the client that tracks instead of the one that is told.
fn is_misplaced(frame: &Frame) -> bool {
    let holds_message = frame.items().is_some_and(|items| items.iter().any(is_message));
    let is_flush = kind(frame) == Some(b"invalidate")
        && frame.items().is_some_and(|items| items.len() == 2)
        && frame
            .items()
            .and_then(|items| items.get(1))
            .is_some_and(|keys| keys.items().is_none());
    holds_message || is_flush
}

fn is_message(frame: &Frame) -> bool {
    matches!(
        kind(frame),
        Some(
            b"message"
                | b"pmessage"
                | b"invalidate"
                | b"subscribe"
                | b"psubscribe"
                | b"unsubscribe"
                | b"punsubscribe"
        )
    )
}

/// Everything said, in no order, one kind of null for all.
fn leaves(frames: &[Frame]) -> Vec<Frame> {
    let mut leaves = Vec::new();
    for frame in frames {
        match frame.items() {
            Some(items) => leaves.extend(self::leaves(items)),
            None if matches!(frame, Frame::NilBulk | Frame::NilArray) => leaves.push(Frame::Null),
            None => leaves.push(frame.clone()),
        }
    }
    leaves.sort();
    leaves
}

fn agree(
    name: &str,
    arguments: &[Vec<u8>],
    previous: Option<&(Arguments, Frame)>,
    left: &Frame,
    right: &Frame,
) -> bool {
    if left == right {
        return true;
    }
    // After a number out of range for one command the server takes another's for it too: it does not reset errno.
    if matches!(name, "SORT" | "SORT_RO") && left.to_string().contains("converted into double") {
        return true;
    }
    if left.is_error() || right.is_error() {
        return false;
    }
    match name {
        "SMEMBERS"
        | "SUNION"
        | "SINTER"
        | "SDIFF"
        | "KEYS"
        | "PUBSUB CHANNELS"
        | "PUBSUB SHARDCHANNELS"
        | "COMMAND LIST" => sorted(left) == sorted(right),
        "HKEYS" | "HVALS" if !is_compact(arguments, previous) => sorted(left) == sorted(right),
        "HGETALL" if !is_compact(arguments, previous) => sorted_pairs(left) == sorted_pairs(right),
        "CONFIG GET" if arguments.iter().any(|name| name.contains(&b'*')) => true,
        "CONFIG GET" | "PUBSUB NUMSUB" => sorted_pairs(left) == sorted_pairs(right),
        "PTTL" | "PEXPIRETIME" => are_close(left, right, TOLERANCE_MS),
        "TTL" | "EXPIRETIME" | "OBJECT IDLETIME" => are_close(left, right, TOLERANCE_MS / 1000),
        "SPOP" | "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" => {
            random::agree(arguments, previous, left, right)
        }
        // A deadline counted from now differs by the time between the two sides.
        "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" if is_comparing(arguments) => are_alike(left, right),
        "TIME" | "CLIENT ID" | "INFO" | "CLIENT LIST" | "CLIENT INFO" | "HELLO" | "LASTSAVE"
        | "CLIENT GETREDIR" | "OBJECT FREQ" => are_alike(left, right),
        // A small iteration in one step: the order and the cursor are the table's.
        "SCAN" | "HSCAN" | "SSCAN" | "ZSCAN" => are_alike(left, right),
        "SORT" | "SORT_RO" if is_sorted_openly(arguments) => are_alike(left, right),
        // The figures that a client routes by; categories, hints and key specifications are not offered.
        // Subcommands have no rows of their own.
        "COMMAND INFO" if arguments.iter().any(|name| name.contains(&b'|')) => true,
        "COMMAND DOCS" => true,
        "COMMAND INFO" => routing(left) == routing(right),
        "COMMAND COUNT" => are_alike(left, right),
        // Only what is offered is explained.
        "CLIENT HELP" | "CONFIG HELP" | "COMMAND HELP" | "PUBSUB HELP" | "SCRIPT HELP" => true,
        // How a string lies in memory is no promise, and neither is who shares it.
        "OBJECT ENCODING" => are_strings(left) && are_strings(right),
        "OBJECT REFCOUNT" => are_alike(left, right),
        // A figure of the process; and a key that has expired is still there or not.
        "MEMORY USAGE" => true,
        "XPENDING" => pending_agree(left, right),
        "XINFO STREAM" | "XINFO CONSUMERS" | "XINFO GROUPS" | "CLIENT TRACKINGINFO" => {
            described_agree(left, right)
        }
        _ => false,
    }
}

/// Whether an expiry is compared with the one there is.
fn is_comparing(arguments: &[Vec<u8>]) -> bool {
    arguments
        .iter()
        .skip(3)
        .any(|word| word.eq_ignore_ascii_case(b"GT") || word.eq_ignore_ascii_case(b"LT"))
}

/// Whether the reply before said that this key's hash is small, so that its order is that of insertion.
fn is_compact(arguments: &[Vec<u8>], previous: Option<&(Arguments, Frame)>) -> bool {
    previous.is_some_and(|(before, reply)| {
        name_of(before) == "OBJECT ENCODING"
            && before.get(2) == arguments.get(1)
            && *reply == Frame::Bulk(b"listpack".to_vec())
    })
}

/// Whether equal weights, or none at all, leave the order of a set's members open.
pub(crate) fn is_sorted_openly(arguments: &[Vec<u8>]) -> bool {
    let has = |option: &[u8]| arguments.iter().any(|word| word.eq_ignore_ascii_case(option));
    let by: Vec<&Vec<u8>> = arguments
        .windows(2)
        .filter(|pair| pair[0].eq_ignore_ascii_case(b"BY"))
        .map(|pair| &pair[1])
        .collect();
    (!by.is_empty() && has(b"ALPHA")) || by.iter().any(|pattern| !pattern.contains(&b'*'))
}

/// Name, arity, flags, positions of the keys.
fn routing(frame: &Frame) -> Vec<Vec<Frame>> {
    let commands = frame.items().unwrap_or_default().iter();
    commands
        .map(|command| {
            let mut fields = command.items().unwrap_or_default().to_vec();
            let has_rows = matches!(fields.first(), Some(Frame::Bulk(name)) if has_subcommands(name));
            // A command with subcommands leaves flags and keys to them.
            fields.truncate(if has_rows { 2 } else { 6 });
            if let Some(Frame::Array(flags) | Frame::Set(flags)) = fields.get_mut(2) {
                // Of what a command does to replicas, slow logs and loading servers there is nothing to say here.
                let unsaid = [
                    "loading",
                    "stale",
                    "skip_monitor",
                    "skip_slowlog",
                    "no_mandatory_keys",
                ];
                flags.retain(|flag| !unsaid.iter().any(|name| flag.to_string().contains(name)));
                flags.sort();
            }
            fields
        })
        .collect()
}

fn are_strings(frame: &Frame) -> bool {
    matches!(frame, Frame::Bulk(encoding) if [b"int".as_slice(), b"embstr", b"raw"].contains(&encoding.as_slice()))
}

fn are_sets(frame: &Frame) -> bool {
    matches!(frame, Frame::Bulk(encoding) if [b"intset".as_slice(), b"hashtable"].contains(&encoding.as_slice()))
}

fn sorted(frame: &Frame) -> (bool, Vec<Frame>) {
    let mut items = frame.items().map(<[Frame]>::to_vec).unwrap_or_default();
    items.sort();
    (matches!(frame, Frame::Set(_)), items)
}

fn sorted_pairs(frame: &Frame) -> (bool, Vec<Vec<Frame>>) {
    let items = frame.items().unwrap_or_default();
    let mut pairs: Vec<Vec<Frame>> = items.chunks(2).map(<[Frame]>::to_vec).collect();
    pairs.sort();
    (matches!(frame, Frame::Map(_)), pairs)
}

fn are_close(left: &Frame, right: &Frame, tolerance: i64) -> bool {
    // -1 and -2 are answers of their own, and 0 is a time.
    matches!((left, right), (Frame::Integer(left), Frame::Integer(right))
        if *left >= 0 && *right >= 0 && left.abs_diff(*right) <= tolerance.unsigned_abs())
}

/// Of one kind and shape, whatever the figures.
fn are_alike(left: &Frame, right: &Frame) -> bool {
    let lengths = (
        left.items().map(<[Frame]>::len),
        right.items().map(<[Frame]>::len),
    );
    std::mem::discriminant(left) == std::mem::discriminant(right) && lengths.0 == lengths.1
}

/// Rows of `id consumer idle deliveries`; idle depends on the moment.
fn pending_agree(left: &Frame, right: &Frame) -> bool {
    let (Some(left), Some(right)) = (left.items(), right.items()) else {
        return false;
    };
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left == right
                || matches!((left.items(), right.items()), (Some([id, consumer, idle, count]), Some(other))
                    if other.len() == 4
                        && [id, consumer, count] == [&other[0], &other[1], &other[3]]
                        && are_close(idle, &other[2], TOLERANCE_MS))
        })
}

/// The fields that tell of moments, and those that tell of the process.
const MOMENTS: [&[u8]; 3] = [b"idle", b"seen-time", b"delivery-time"];
const INTERNALS: [&[u8]; 3] = [b"radix-tree-keys", b"radix-tree-nodes", b"redirect"];

/// Trees of `name value name value …`, as XINFO replies.
fn described_agree(left: &Frame, right: &Frame) -> bool {
    if left == right {
        return true;
    }
    let (Some(ours), Some(theirs)) = (left.items(), right.items()) else {
        return false;
    };
    if std::mem::discriminant(left) != std::mem::discriminant(right) || ours.len() != theirs.len() {
        return false;
    }
    (0..ours.len()).all(|index| {
        let name = index.checked_sub(1).and_then(|before| match &ours[before] {
            Frame::Bulk(name) => Some(name.as_slice()),
            _ => None,
        });
        let (left, right) = (&ours[index], &theirs[index]);
        match name {
            Some(name) if MOMENTS.contains(&name) => are_close(left, right, TOLERANCE_MS),
            Some(name) if INTERNALS.contains(&name) => are_alike(left, right),
            Some(b"pel" | b"pending") if left.items().is_some() => deliveries_agree(left, right),
            _ => described_agree(left, right),
        }
    })
}

/// Rows of `id [consumer] delivered-at deliveries`.
fn deliveries_agree(left: &Frame, right: &Frame) -> bool {
    let (Some(left), Some(right)) = (left.items(), right.items()) else {
        return left == right;
    };
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            let (Some(left), Some(right)) = (left.items(), right.items()) else {
                return false;
            };
            let moment = left.len().saturating_sub(2);
            left.len() == right.len()
                && left.iter().zip(right).enumerate().all(|(index, (left, right))| {
                    left == right || (index == moment && are_close(left, right, TOLERANCE_MS))
                })
        })
}

/// Pattern messages of one publication, and farewells of an UNSUBSCRIBE of everything, come in any order.
fn without_open_order(frames: &[Frame]) -> Vec<Frame> {
    let mut frames = frames.to_vec();
    let mut start = 0;
    while start < frames.len() {
        let end = start
            + 1
            + frames[start + 1..]
                .iter()
                .take_while(|next| belong(&frames[start], next))
                .count();
        if kind(&frames[start]) == Some(b"pmessage") {
            frames[start..end].sort();
        } else if matches!(
            kind(&frames[start]),
            Some(b"unsubscribe" | b"punsubscribe" | b"sunsubscribe")
        ) {
            sort_farewells(&mut frames[start..end]);
        }
        start = end;
    }
    frames
}

fn kind(frame: &Frame) -> Option<&[u8]> {
    match frame.items()?.first()? {
        Frame::Bulk(kind) => Some(kind),
        _ => None,
    }
}

fn belong(first: &Frame, next: &Frame) -> bool {
    let (Some(first_items), Some(next_items)) = (first.items(), next.items()) else {
        return false;
    };
    kind(first) == kind(next) && (kind(first) != Some(b"pmessage") || first_items[2..] == next_items[2..])
}

/// The names are in any order, the count of what is left goes down regardless.
fn sort_farewells(frames: &mut [Frame]) {
    let mut names: Vec<Frame> = frames
        .iter()
        .map(|frame| frame.items().unwrap_or_default()[1].clone())
        .collect();
    names.sort();
    for (frame, name) in frames.iter_mut().zip(names) {
        if let Frame::Array(items) | Frame::Push(items) = frame {
            items[1] = name;
        }
    }
}
