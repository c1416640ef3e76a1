//! Reading JSON lines back, each checked whole before anything of it is written.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use super::BASE64;
use crate::error::Result;
use crate::store::transfer::Steps;
use crate::store::transfer::load::{EndMark, failed, invalid};
use crate::store::transfer::row::{
    Entry, Group, Head, Id, Kind, Pair, Pending, Piece, Sink, State, is_score,
};
use crate::store::transfer::target::Target;

/// A line: a key, or the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    key: Option<Text>,
    #[serde(rename = "type")]
    kind: Option<String>,
    expires_at: Option<i64>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    end: Option<u64>,
}

/// A string of the store.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a string or {\"base64\": \"...\"} is expected")]
enum Text {
    Plain(String),
    Coded { base64: String },
}

type TextPairs = Vec<(Text, Text)>;

/// The value of a stream.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    entries: Vec<(String, Option<TextPairs>)>,
    groups: Vec<StreamGroup>,
    last_id: String,
    entries_added: u64,
    max_deleted_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamGroup {
    name: Text,
    last_delivered_id: String,
    entries_read: Option<u64>,
    consumers: Vec<Text>,
    /// Id, consumer, time of delivery, count of deliveries.
    pending: Vec<(String, Text, u64, u64)>,
}

/// Writes every row of the file; returns the end mark, if there is one.
pub(in crate::store::transfer) async fn load(
    input: &mut (impl AsyncBufRead + Unpin + Send),
    target: &mut Target,
    steps: &mut Steps<'_>,
) -> Result<Option<EndMark>> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut rows = 0;
    let mut end = None;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).await.map_err(failed)? == 0 {
            return Ok(end);
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let place = format!("line {number}");
        if end.is_some() {
            return Err(invalid(place, "the end mark stood before this line"));
        }
        let parsed = parse(&line, &place).map_err(|reason| invalid(place, reason))?;
        match parsed {
            Parsed::End(promised) => end = Some(EndMark { promised, rows }),
            Parsed::Row(head, pieces) => {
                rows += 1;
                target.begin(head).await?;
                for piece in pieces {
                    target.add(piece).await?;
                }
                target.end().await?;
                steps.passed(1, target.tally());
            }
        }
    }
}

enum Parsed {
    Row(Head, Vec<Piece>),
    End(u64),
}

fn parse(line: &[u8], place: &str) -> Result<Parsed, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| in_line(&error))?;
    match line {
        Line {
            key: None,
            kind: None,
            expires_at: None,
            value: None,
            end: Some(keys),
        } => Ok(Parsed::End(keys)),
        Line {
            key: Some(key),
            kind: Some(kind),
            expires_at,
            value: Some(value),
            end: None,
        } => {
            let known = || Kind::ALL.map(Kind::name).join(", ");
            let kind =
                Kind::named(&kind).ok_or_else(|| format!("unknown type {kind:?}; known are {}", known()))?;
            let head = Head {
                key: key.bytes()?,
                kind,
                expires_at,
                place: place.to_owned(),
            };
            let pieces = pieces(kind, value.get())
                .map_err(|reason| format!("value of a {}: {reason}", kind.name()))?;
            Ok(Parsed::Row(head, pieces))
        }
        _ => {
            Err("a line has `key`, `type` and `value`, and may have `expires_at`; or `end` alone".to_owned())
        }
    }
}

fn pieces(kind: Kind, json: &str) -> Result<Vec<Piece>, String> {
    let piece = match kind {
        Kind::String => Piece::Text(of::<Text>(json)?.bytes()?),
        Kind::Hash => Piece::Fields(pairs(of(json)?)?),
        Kind::List => Piece::Items(texts(of(json)?)?),
        Kind::Set => Piece::Members(texts(of(json)?)?),
        Kind::SortedSet => Piece::Scored(scored(of(json)?)?),
        Kind::Stream => return stream(of(json)?),
    };
    if piece.is_empty() && kind != Kind::String {
        return Err("is empty: no store keeps such a key".to_owned());
    }
    Ok(vec![piece])
}

fn of<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| in_line(&error))
}

/// Everything stands on one line, whose number is told elsewhere.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => format!("{reason} (column {})", error.column()),
        None => text,
    }
}

fn texts(all: Vec<Text>) -> Result<Vec<Vec<u8>>, String> {
    all.into_iter().map(Text::bytes).collect()
}

fn pairs(all: TextPairs) -> Result<Vec<Pair>, String> {
    all.into_iter()
        .map(|(one, other)| Ok((one.bytes()?, other.bytes()?)))
        .collect()
}

fn scored(all: Vec<(Text, &RawValue)>) -> Result<Vec<Pair>, String> {
    let one = |(member, score): (Text, &RawValue)| {
        let json = score.get();
        // A number goes on as it is written, so that no digit is lost.
        let text = match json {
            "\"inf\"" => "inf",
            "\"-inf\"" => "-inf",
            number if !number.starts_with('"') && is_score(number) => number,
            _ => return Err(format!("{json} is no score: a number, \"inf\" or \"-inf\"")),
        };
        Ok((member.bytes()?, text.as_bytes().to_vec()))
    };
    all.into_iter().map(one).collect()
}

fn stream(stream: Stream) -> Result<Vec<Piece>, String> {
    let mut entries = Vec::with_capacity(stream.entries.len());
    let (mut live, mut deleted) = (Vec::new(), Vec::new());
    for (id, fields) in stream.entries {
        let id = id.parse()?;
        let fields = fields.map(pairs).transpose()?;
        match &fields {
            Some(fields) if fields.is_empty() => return Err(format!("entry {id} has no fields")),
            Some(_) => live.push(id),
            None => deleted.push(id),
        }
        entries.push(Entry { id, fields });
    }
    let mut pieces = vec![Piece::Entries(entries)];
    for one in stream.groups {
        pieces.push(Piece::Group(group(one)?));
    }
    pieces.push(Piece::State(State {
        first: live.first().copied(),
        length: live.len() as u64,
        last: stream.last_id.parse()?,
        added: stream.entries_added,
        max_deleted: stream.max_deleted_id.parse()?,
        deleted,
    }));
    Ok(pieces)
}

fn group(group: StreamGroup) -> Result<Group, String> {
    let pending = group.pending.into_iter();
    let pending = pending.map(|(id, consumer, delivered_at, deliveries)| {
        Ok(Pending {
            id: id.parse::<Id>()?,
            consumer: consumer.bytes()?,
            delivered_at,
            deliveries,
        })
    });
    Ok(Group {
        name: group.name.bytes()?,
        last_delivered: group.last_delivered_id.parse()?,
        entries_read: group.entries_read,
        consumers: texts(group.consumers)?,
        pending: pending.collect::<Result<_, String>>()?,
    })
}

impl Text {
    fn bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Self::Plain(text) => Ok(text.into_bytes()),
            Self::Coded { base64 } => BASE64
                .decode(&base64)
                .map_err(|error| format!("{base64:?} is no base64: {error}")),
        }
    }
}
