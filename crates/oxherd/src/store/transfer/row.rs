//! A key between two stores: its head, then its value in pieces.
//!
//! The pieces of a collection are small enough for one command, so a large key needs little memory on its way. Scores
//! stay the text that the store wrote, which it reads back exactly.

use std::fmt;
use std::str::FromStr;

use crate::error::Result;

/// The types of values, as `TYPE` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    String,
    Hash,
    List,
    Set,
    SortedSet,
    Stream,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::String,
        Self::Hash,
        Self::List,
        Self::Set,
        Self::SortedSet,
        Self::Stream,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "zset",
            Self::Stream => "stream",
        }
    }
}

/// What is known of a key before its value.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) key: Vec<u8>,
    pub(super) kind: Kind,
    /// Milliseconds since 1970.
    pub(super) expires_at: Option<i64>,
    /// Where the key stands in a dump; empty for a copy.
    pub(super) place: String,
}

pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A piece of a value. A string is one piece; a stream is entries, then groups, then its state.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Text(Vec<u8>),
    Fields(Vec<Pair>),
    Items(Vec<Vec<u8>>),
    Members(Vec<Vec<u8>>),
    /// Members with their scores.
    Scored(Vec<Pair>),
    Entries(Vec<Entry>),
    Group(Group),
    State(State),
}

/// One entry of a stream.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    /// `None` for one that was deleted while a consumer still has it pending.
    pub(super) fields: Option<Vec<Pair>>,
}

/// A consumer group.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: Vec<u8>,
    pub(super) last_delivered: Id,
    /// `None` when the stream's history does not tell.
    pub(super) entries_read: Option<u64>,
    pub(super) consumers: Vec<Vec<u8>>,
    pub(super) pending: Vec<Pending>,
}

/// An entry that a consumer has not acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) id: Id,
    pub(super) consumer: Vec<u8>,
    /// Milliseconds since 1970.
    pub(super) delivered_at: u64,
    pub(super) deliveries: u64,
}

/// What a stream remembers beside its entries.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) last: Id,
    pub(super) added: u64,
    pub(super) max_deleted: Id,
    /// The entries without fields that came before: they go again.
    pub(super) deleted: Vec<Id>,
    /// The first entry that stays, and how many do.
    pub(super) first: Option<Id>,
    pub(super) length: u64,
}

impl State {
    /// Whether what is pending was lost by trimming, which leaves no trace in `max_deleted`.
    pub(super) fn was_trimmed(&self) -> bool {
        let is_before = |id: &Id| self.first.is_none_or(|first| *id < first);
        self.max_deleted == Id::default() && self.deleted.iter().all(is_before)
    }
}

impl Piece {
    /// How many elements, and bytes of them.
    pub(super) fn size(&self) -> (u64, u64) {
        let pairs = |pairs: &[Pair]| pairs.iter().map(|(a, b)| a.len() + b.len()).sum::<usize>();
        let items = |items: &[Vec<u8>]| items.iter().map(Vec::len).sum::<usize>();
        let (count, bytes) = match self {
            Self::Text(text) => (text.len(), text.len()),
            Self::Fields(fields) => (fields.len(), pairs(fields)),
            Self::Items(all) | Self::Members(all) => (all.len(), items(all)),
            Self::Scored(scored) => (scored.len(), pairs(scored)),
            Self::Entries(entries) => {
                let fields = entries.iter().filter_map(|entry| entry.fields.as_ref());
                let bytes = fields.clone().map(|fields| pairs(fields) + 16).sum();
                (fields.count(), bytes)
            }
            Self::Group(group) => {
                let pending = group.pending.iter().map(|pending| pending.consumer.len() + 32);
                (
                    0,
                    group.name.len() + items(&group.consumers) + pending.sum::<usize>(),
                )
            }
            Self::State(_) => (0, 0),
        };
        (count as u64, bytes as u64)
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Fields(pairs) | Self::Scored(pairs) => pairs.is_empty(),
            Self::Items(items) | Self::Members(items) => items.is_empty(),
            Self::Entries(entries) => entries.is_empty(),
            Self::Group(_) | Self::State(_) => false,
        }
    }
}

/// An entry's id: milliseconds and a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u64, u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no entry's id, such as 1700000000000-0");
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (milliseconds, number) = text.split_once('-').ok_or_else(wrong)?;
        if !digits(milliseconds) || !digits(number) {
            return Err(wrong());
        }
        let milliseconds = milliseconds.parse().map_err(|_| wrong())?;
        Ok(Self(milliseconds, number.parse().map_err(|_| wrong())?))
    }
}

/// Where rows go: a store or a dump. Calls come as one `begin`, any number of `add`, then `end` or `abandon`.
pub(super) trait Sink: Send {
    fn begin(&mut self, head: Head) -> impl Future<Output = Result<()>> + Send;
    fn add(&mut self, piece: Piece) -> impl Future<Output = Result<()>> + Send;
    fn end(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Forgets the row that is under way.
    fn abandon(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// What has arrived so far.
    fn tally(&self) -> &Tally;
}

/// Counts of what was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) kinds: [u64; Kind::ALL.len()],
    pub(super) bytes: u64,
    /// Keys whose time was over when they arrived.
    pub(super) expired: u64,
}

impl Tally {
    pub(super) fn count(&mut self, kind: Kind, bytes: u64) {
        if let Some(slot) = self.kinds.get_mut(kind as usize) {
            *slot += 1;
        }
        self.bytes += bytes;
    }

    pub(super) fn keys(&self) -> u64 {
        self.kinds.iter().sum()
    }
}

/// A score as a store writes and reads it: a number, `inf` or `-inf`.
pub(super) fn is_score(text: &str) -> bool {
    // Rust reads `infinity` and `NaN` as well, which no store writes.
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'));
    matches!(text, "inf" | "-inf") || (is_number && text.parse::<f64>().is_ok_and(f64::is_finite))
}

/// A key for people.
pub(super) fn shown(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
