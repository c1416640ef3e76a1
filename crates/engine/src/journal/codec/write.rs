//! From effects to bytes: finds the runs and writes each of them.
//!
//! Next: `read.rs`, which must agree with every line here.

use super::numbers::{put_bytes, put_number, zigzag};
use super::{group, score, tag};
use crate::effect::{Effect, GroupState, PendingState, ValueKind};

/// See [`super::encode`].
pub(super) fn append(effects: &[Effect<'_>], into: &mut Vec<u8>) {
    if effects.is_empty() {
        return;
    }
    into.push(tag::START);
    let mut writer = Writer { out: into, id: 0 };
    let mut rest = effects;
    while let Some((first, behind)) = rest.split_first() {
        let run = run_length(first, behind);
        let (parts, others) = behind.split_at_checked(run).unwrap_or((behind, &[]));
        writer.put(first, parts);
        rest = others;
    }
}

/// How many of the effects behind this one are written with it.
fn run_length(first: &Effect<'_>, behind: &[Effect<'_>]) -> usize {
    behind
        .iter()
        .take_while(|effect| belongs_to(effect, first))
        .count()
}

/// Whether an effect continues the run that begins with another.
fn belongs_to(effect: &Effect<'_>, first: &Effect<'_>) -> bool {
    let new = |id: &u64, expected: ValueKind<'_>| matches!(first, Effect::Value { id: own, kind } if own == id && *kind == expected);
    match effect {
        Effect::Chunk { id, .. } => {
            new(id, ValueKind::List) || matches!(first, Effect::Chunk { id: own, .. } if own == id)
        }
        Effect::Field { id, .. } => {
            new(id, ValueKind::Hash) || matches!(first, Effect::Field { id: own, .. } if own == id)
        }
        Effect::Member { id, .. } => {
            new(id, ValueKind::Set) || matches!(first, Effect::Member { id: own, .. } if own == id)
        }
        Effect::Score { id, .. } => {
            new(id, ValueKind::SortedSet) || matches!(first, Effect::Score { id: own, .. } if own == id)
        }
        Effect::Entry { id, .. } => matches!(first, Effect::Entry { id: own, .. } if own == id),
        Effect::Consumer { id, group, .. } => {
            matches!(first, Effect::Consumer { id: own, group: same, .. } if own == id && same == group)
        }
        Effect::Pending { id, group, .. } => {
            matches!(first, Effect::Pending { id: own, group: same, .. } if own == id && same == group)
        }
        _ => false,
    }
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// The value written last.
    id: u64,
}

/// What parts of one run are written as differences to.
#[derive(Default)]
struct Before {
    chunk: i64,
    milliseconds: u64,
}

impl Writer<'_> {
    fn number(&mut self, number: u64) {
        put_number(self.out, number);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        put_bytes(self.out, bytes);
    }

    /// Bytes, and whether they are a name of something.
    fn marked(&mut self, bytes: &[u8], is_there: bool) {
        self.number((bytes.len() as u64) << 1 | u64::from(is_there));
        self.out.extend_from_slice(bytes);
    }

    /// A length with a 0 for what is not there.
    fn optional_length(&mut self, length: Option<usize>) {
        self.number(length.map_or(0, |length| length as u64 + 1));
    }

    fn time(&mut self, time: i64) {
        self.number(zigzag(time));
    }

    fn entry_id(&mut self, entry: (u64, u64)) {
        self.number(entry.0);
        self.number(entry.1);
    }

    fn begin(&mut self, tag: u8, id: u64) {
        self.out.push(tag);
        self.number(zigzag(id.wrapping_sub(self.id) as i64));
        self.id = id;
    }

    fn put(&mut self, first: &Effect<'_>, behind: &[Effect<'_>]) {
        match first {
            Effect::Databases { order } => {
                self.out.push(tag::DATABASES);
                self.number(order.len() as u64);
                order.iter().for_each(|id| self.number(*id));
            }
            Effect::Gone { id } => self.begin(tag::GONE, *id),
            Effect::Key {
                id,
                database,
                name,
                expires,
            } => {
                let tag = expires.map_or(tag::KEY, |_| tag::EXPIRING_KEY);
                self.begin(tag, *id);
                self.number(*database);
                self.bytes(name);
                expires.iter().for_each(|at| self.number(*at));
            }
            Effect::Value { id, kind } => self.value(*id, *kind, behind),
            Effect::Bytes { id, at, bytes } => {
                self.begin(tag::BYTES, *id);
                self.number(*at);
                self.bytes(bytes);
            }
            Effect::Field { id, .. } => self.run(tag::FIELDS, *id, Some(first), behind),
            Effect::Member { id, .. } => self.run(tag::MEMBERS, *id, Some(first), behind),
            Effect::Score { id, .. } => self.run(tag::SCORES, *id, Some(first), behind),
            Effect::Chunk { id, .. } => self.run(tag::CHUNKS, *id, Some(first), behind),
            Effect::Entry { id, .. } => self.run(tag::ENTRIES, *id, Some(first), behind),
            Effect::EntriesGone { id, up_to } => {
                self.begin(tag::ENTRIES_GONE, *id);
                self.entry_id(*up_to);
            }
            Effect::StreamState {
                id,
                last,
                max_deleted,
                added,
            } => {
                self.begin(tag::STREAM_STATE, *id);
                self.entry_id(*last);
                self.entry_id(*max_deleted);
                self.number(*added);
            }
            Effect::Group {
                id,
                name,
                state,
                is_new,
            } => {
                self.begin(tag::GROUP, *id);
                self.bytes(name);
                self.group(state.as_ref(), *is_new);
            }
            Effect::Consumer { id, group, .. } => {
                self.begin(tag::CONSUMERS, *id);
                self.bytes(group);
                self.parts(Some(first), behind);
            }
            Effect::Pending { id, group, .. } => {
                self.begin(tag::PENDING, *id);
                self.bytes(group);
                self.parts(Some(first), behind);
            }
        }
    }

    fn value(&mut self, id: u64, kind: ValueKind<'_>, parts: &[Effect<'_>]) {
        match kind {
            ValueKind::String(bytes) => {
                self.begin(tag::STRING, id);
                self.bytes(bytes);
            }
            ValueKind::List => self.run(tag::LIST, id, None, parts),
            ValueKind::Hash => self.run(tag::HASH, id, None, parts),
            ValueKind::Set => self.run(tag::SET, id, None, parts),
            ValueKind::SortedSet => self.run(tag::SORTED_SET, id, None, parts),
            ValueKind::Stream => self.begin(tag::STREAM, id),
        }
    }

    fn run(&mut self, tag: u8, id: u64, first: Option<&Effect<'_>>, behind: &[Effect<'_>]) {
        self.begin(tag, id);
        self.parts(first, behind);
    }

    fn parts(&mut self, first: Option<&Effect<'_>>, behind: &[Effect<'_>]) {
        self.number(behind.len() as u64 + u64::from(first.is_some()));
        let mut before = Before::default();
        for part in first.into_iter().chain(behind) {
            self.part(part, &mut before);
        }
    }

    fn part(&mut self, part: &Effect<'_>, before: &mut Before) {
        match part {
            Effect::Field { field, value, .. } => {
                self.bytes(field);
                self.optional_length(value.map(<[u8]>::len));
                self.out.extend_from_slice(value.unwrap_or_default());
            }
            Effect::Member { member, is_in, .. } => self.marked(member, *is_in),
            Effect::Score { member, score, .. } => {
                self.bytes(member);
                self.score(*score);
            }
            Effect::Chunk { chunk, items, .. } => {
                self.number(zigzag(chunk.wrapping_sub(before.chunk)));
                before.chunk = *chunk;
                self.optional_length(items.as_ref().map(Vec::len));
                items.iter().flatten().for_each(|item| self.bytes(item));
            }
            Effect::Entry { entry, fields, .. } => {
                self.entry_behind(*entry, before);
                self.optional_length(fields.as_ref().map(Vec::len));
                for (name, value) in fields.iter().flatten() {
                    self.bytes(name);
                    self.bytes(value);
                }
            }
            Effect::Consumer { name, seen_at, .. } => {
                self.marked(name, seen_at.is_some());
                seen_at.iter().for_each(|time| self.time(*time));
            }
            Effect::Pending { entry, state, .. } => {
                self.entry_behind(*entry, before);
                self.pending(state.as_ref());
            }
            _ => unreachable!("no run has such parts"),
        }
    }

    fn entry_behind(&mut self, entry: (u64, u64), before: &mut Before) {
        self.number(zigzag(entry.0.wrapping_sub(before.milliseconds) as i64));
        self.number(entry.1);
        before.milliseconds = entry.0;
    }

    fn score(&mut self, score: Option<f64>) {
        match score {
            None => self.number(score::GONE),
            Some(score) if is_whole(score) => self.number(zigzag(score as i64) + score::WHOLE),
            Some(score) => {
                self.number(score::BYTES);
                self.out.extend_from_slice(&score.to_le_bytes());
            }
        }
    }

    fn pending(&mut self, state: Option<&PendingState<'_>>) {
        self.optional_length(state.map(|state| state.consumer.len()));
        if let Some(state) = state {
            self.out.extend_from_slice(state.consumer);
            self.time(state.delivered_at);
            self.number(state.deliveries);
        }
    }

    fn group(&mut self, state: Option<&GroupState>, is_new: bool) {
        let mut marks = if is_new { group::IS_NEW } else { 0 };
        let Some(state) = state else {
            return self.number(marks);
        };
        marks |= group::IS_THERE;
        if state.entries_read.is_some() {
            marks |= group::HAS_ENTRIES_READ;
        }
        self.number(marks);
        self.entry_id(state.last_delivered);
        state.entries_read.iter().for_each(|read| self.number(*read));
    }
}

/// Whether a score comes back the same from a whole number.
fn is_whole(score: f64) -> bool {
    score.abs() <= score::GREATEST_WHOLE
        && score.trunc() == score
        && !(score == 0.0 && score.is_sign_negative())
}
