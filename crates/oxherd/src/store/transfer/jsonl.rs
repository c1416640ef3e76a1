//! Dumps as JSON lines: one key a line.
//!
//! `{"key": K, "type": T, "expires_at": MS, "value": V}`, without `expires_at` for keys that stay, and `{"end": COUNT}`
//! as the last line. A string of the store is a JSON string when it is UTF-8, else `{"base64": "..."}`. `V` is a string;
//! `[[FIELD, VALUE], ...]` of a hash; `[ITEM, ...]` of a list or set; `[[MEMBER, SCORE], ...]` of a sorted set, where an
//! infinite score is `"inf"` or `"-inf"`; for a stream see `Stream`.
//! Next: `jsonl/read.rs` (the way back).

mod read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::row::{Entry, Group, Head, Kind, Pair, Piece, State};

pub(super) use read::load;

/// One row on its way into a line.
#[derive(Default)]
pub(super) struct Writer {
    /// Something stands in the array that is open.
    has_elements: bool,
    /// A stream's groups have begun.
    has_groups: bool,
}

impl Writer {
    pub(super) fn begin(&mut self, line: &mut Vec<u8>, head: &Head) {
        line.extend_from_slice(b"{\"key\":");
        text(line, &head.key);
        line.extend_from_slice(format!(",\"type\":\"{}\"", head.kind.name()).as_bytes());
        if let Some(at) = head.expires_at {
            line.extend_from_slice(format!(",\"expires_at\":{at}").as_bytes());
        }
        line.extend_from_slice(b",\"value\":");
        line.extend_from_slice(match head.kind {
            Kind::String => b"",
            Kind::Stream => b"{\"entries\":[",
            _ => b"[",
        });
    }

    pub(super) fn add(&mut self, line: &mut Vec<u8>, piece: &Piece) {
        match piece {
            Piece::Text(value) => text(line, value),
            Piece::Fields(fields) => self.each(line, fields, pair),
            Piece::Items(items) | Piece::Members(items) => {
                self.each(line, items, |line, item| text(line, item));
            }
            Piece::Scored(scored) => self.each(line, scored, |line, (member, value)| {
                line.push(b'[');
                text(line, member);
                line.push(b',');
                score(line, value);
                line.push(b']');
            }),
            Piece::Entries(entries) => self.each(line, entries, entry),
            Piece::Group(one) => {
                self.open_groups(line);
                self.each(line, std::slice::from_ref(one), group);
            }
            Piece::State(state) => {
                self.open_groups(line);
                line.push(b']');
                of_state(line, state);
            }
        }
    }

    pub(super) fn end(&mut self, line: &mut Vec<u8>, kind: Kind) {
        line.extend_from_slice(match kind {
            Kind::String => b"}\n",
            Kind::Stream => b"}}\n",
            _ => b"]}\n",
        });
    }

    fn open_groups(&mut self, line: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_groups, true) {
            line.extend_from_slice(b"],\"groups\":[");
            self.has_elements = false;
        }
    }

    fn each<T>(&mut self, line: &mut Vec<u8>, all: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        for one in all {
            if std::mem::replace(&mut self.has_elements, true) {
                line.push(b',');
            }
            write(line, one);
        }
    }
}

/// The last line: how many keys stand before it.
pub(super) fn write_end(line: &mut Vec<u8>, keys: u64) {
    line.extend_from_slice(format!("{{\"end\":{keys}}}\n").as_bytes());
}

fn text(line: &mut Vec<u8>, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        line.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    } else {
        line.extend_from_slice(b"{\"base64\":\"");
        line.extend_from_slice(BASE64.encode(bytes).as_bytes());
        line.extend_from_slice(b"\"}");
    }
}

fn pair(line: &mut Vec<u8>, (one, other): &Pair) {
    line.push(b'[');
    text(line, one);
    line.push(b',');
    text(line, other);
    line.push(b']');
}

/// A number as short as it can be without becoming another, or an infinity as a string.
fn score(line: &mut Vec<u8>, score: &[u8]) {
    let written = String::from_utf8_lossy(score);
    match written.parse::<f64>() {
        Ok(number) if number.is_finite() && written.contains(['.', 'e', 'E']) => {
            line.extend_from_slice(format!("{number:?}").as_bytes());
        }
        Ok(number) if number.is_finite() => line.extend_from_slice(score),
        _ => text(line, score),
    }
}

/// `[ID, [[FIELD, VALUE], ...]]`; `null` for the fields of one that was deleted while it is pending.
fn entry(line: &mut Vec<u8>, entry: &Entry) {
    line.extend_from_slice(format!("[\"{}\",", entry.id).as_bytes());
    match &entry.fields {
        Some(fields) => {
            line.push(b'[');
            Writer::default().each(line, fields, pair);
            line.push(b']');
        }
        None => line.extend_from_slice(b"null"),
    }
    line.push(b']');
}

fn group(line: &mut Vec<u8>, group: &Group) {
    line.extend_from_slice(b"{\"name\":");
    text(line, &group.name);
    line.extend_from_slice(format!(",\"last_delivered_id\":\"{}\"", group.last_delivered).as_bytes());
    if let Some(count) = group.entries_read {
        line.extend_from_slice(format!(",\"entries_read\":{count}").as_bytes());
    }
    line.extend_from_slice(b",\"consumers\":[");
    Writer::default().each(line, &group.consumers, |line, name| text(line, name));
    line.extend_from_slice(b"],\"pending\":[");
    Writer::default().each(line, &group.pending, |line, pending| {
        line.extend_from_slice(format!("[\"{}\",", pending.id).as_bytes());
        text(line, &pending.consumer);
        line.extend_from_slice(format!(",{},{}]", pending.delivered_at, pending.deliveries).as_bytes());
    });
    line.extend_from_slice(b"]}");
}

fn of_state(line: &mut Vec<u8>, state: &State) {
    let state = format!(
        ",\"last_id\":\"{}\",\"entries_added\":{},\"max_deleted_id\":\"{}\"",
        state.last, state.added, state.max_deleted
    );
    line.extend_from_slice(state.as_bytes());
}
