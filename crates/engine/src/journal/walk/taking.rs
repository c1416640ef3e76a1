//! A value over several slices.
//!
//! A place is a position among the parts that means the same whatever has become of the value since: a byte of a
//! string, a cursor of hashes, the last entry told in the order of entries, the name of a chunk, of an entry, of a
//! group, of a consumer. Where parts are ordered by something that may grow (lengths, scores that are times, entries,
//! chunks, names), the place also knows what was the last one when the value was begun. Parts behind it came later and
//! are in the log, so nobody can outrun a walk.
//! Next: `taking/stream.rs`.

mod stream;

use super::meter::Meter;
use crate::effect::state;
use crate::keyspace::{ChunkId, Hash, List, Set, SortedSet, Value};
use stream::StreamPlace;

/// Strings up to this length come at once, and no piece of a longer one is shorter but the last.
const PIECE: usize = 4096;

/// How far a value is told.
#[derive(Debug)]
pub(super) enum Place {
    /// How many bytes are told, nothing before the first piece, and how many are to be.
    String {
        told: Option<usize>,
        length: usize,
    },
    /// The cursor to go on from.
    Hash(u64),
    Set(u64),
    /// The entry last told and the last one to tell; nothing before the first pause.
    SortedSet(Option<(Scored, Scored)>),
    /// The chunk last told, the last one to tell.
    List {
        after: Option<ChunkId>,
        last: Option<ChunkId>,
    },
    Stream(StreamPlace),
}

/// A position in a sorted set.
type Scored = (f64, Box<[u8]>);

impl Place {
    /// Tells that a value comes whole, which of a string its bytes say, and begins with its parts.
    pub(super) fn begin<'data>(id: u64, value: &'data Value, meter: &mut Meter<'data, '_>) -> Self {
        if !matches!(value, Value::String(_)) {
            meter.push(state::whole(id, value));
        }
        match value {
            Value::String(string) => Self::String {
                told: None,
                length: string.len(),
            },
            Value::Hash(_) => Self::Hash(0),
            Value::Set(_) => Self::Set(0),
            Value::SortedSet(_) => Self::SortedSet(None),
            Value::List(list) => Self::List {
                after: None,
                last: list.last_part(),
            },
            Value::Stream(_) => Self::Stream(StreamPlace::State),
        }
    }

    /// Tells parts until the meter is full; true when that was all.
    ///
    /// A value that has become something else in between is in the log as a whole.
    pub(super) fn advance<'data>(
        &mut self,
        id: u64,
        value: &'data Value,
        meter: &mut Meter<'data, '_>,
    ) -> bool {
        match (self, value) {
            (Self::String { told, length }, Value::String(string)) => {
                pieces(told, *length, id, string, meter)
            }
            (Self::Hash(cursor), Value::Hash(hash)) => fields(cursor, id, hash, meter),
            (Self::Set(cursor), Value::Set(set)) => members(cursor, id, set, meter),
            (Self::SortedSet(between), Value::SortedSet(set)) => scores(between, id, set, meter),
            (Self::List { after, last }, Value::List(list)) => chunks(after, *last, id, list, meter),
            (Self::Stream(place), Value::Stream(stream)) => place.advance(id, stream, meter),
            _ => true,
        }
    }
}

fn pieces<'data>(
    told: &mut Option<usize>,
    length: usize,
    id: u64,
    string: &'data [u8],
    meter: &mut Meter<'data, '_>,
) -> bool {
    let end = length.min(string.len());
    while told.is_none_or(|told| told < end) {
        if told.is_some() && meter.is_full() {
            return false;
        }
        let from = told.unwrap_or(0);
        let to = from.saturating_add(meter.left().max(PIECE)).min(end);
        let piece = match told {
            None => state::beginning(id, string, to),
            Some(_) => state::bytes(id, string, from..to),
        };
        piece.into_iter().for_each(|piece| meter.push(piece));
        *told = Some(to);
    }
    true
}

fn fields<'data>(cursor: &mut u64, id: u64, hash: &'data Hash, meter: &mut Meter<'data, '_>) -> bool {
    let comes_at_once = hash.is_packed();
    let next = hash.walk(*cursor, |field, value| {
        if meter.is_full() && !comes_at_once {
            return false;
        }
        meter.push(state::field(id, field, Some(value)));
        true
    });
    *cursor = next.unwrap_or(0);
    next.is_none()
}

fn members<'data>(cursor: &mut u64, id: u64, set: &'data Set, meter: &mut Meter<'data, '_>) -> bool {
    let comes_at_once = set.is_packed();
    let next = set.walk(*cursor, |member| {
        if meter.is_full() && !comes_at_once {
            return false;
        }
        meter.push(state::member(id, member));
        true
    });
    *cursor = next.unwrap_or(0);
    next.is_none()
}

fn scores<'data>(
    between: &mut Option<(Scored, Scored)>,
    id: u64,
    set: &'data SortedSet,
    meter: &mut Meter<'data, '_>,
) -> bool {
    let (entries, end) = match between {
        Some(((score, member), last)) => (set.after(member, *score), Some(last)),
        None => (set.iter(), None),
    };
    let mut told = None;
    for (member, score) in entries {
        if end
            .as_ref()
            .is_some_and(|(end, last)| score > *end || (score == *end && *member > **last))
        {
            return true;
        }
        if meter.is_full() {
            pause(between, told, set);
            return false;
        }
        meter.push(state::score(id, member, Some(score)));
        told = Some((member, score));
    }
    true
}

/// Keeps the entry last told, if any was, and the first time the end.
fn pause(between: &mut Option<(Scored, Scored)>, told: Option<(&[u8], f64)>, set: &SortedSet) {
    let scored = |(member, score): (&[u8], f64)| (score, member.into());
    match (between, told) {
        (Some((after, _)), Some(told)) => *after = scored(told),
        (between @ None, _) => {
            let first = told.unwrap_or((&[], f64::NEG_INFINITY));
            let last = set.at(set.len().saturating_sub(1)).unwrap_or(first);
            *between = Some((scored(first), scored(last)));
        }
        (Some(_), None) => {}
    }
}

fn chunks<'data>(
    after: &mut Option<ChunkId>,
    last: Option<ChunkId>,
    id: u64,
    list: &'data List,
    meter: &mut Meter<'data, '_>,
) -> bool {
    for part in list.parts_after(*after) {
        if Some(part.id()) > last {
            return true;
        }
        if meter.is_full() {
            return false;
        }
        meter.push(state::chunk(id, part));
        *after = Some(part.id());
    }
    true
}
