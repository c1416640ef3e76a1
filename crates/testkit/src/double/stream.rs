//! A stream: entries by id, and the highest id ever given out.
//!
//! Approximate trimming removes whole blocks of 100 entries, as Redis removes whole nodes with its default settings.

use std::collections::BTreeMap;
use std::fmt;

use super::reply::Refusal;

/// Entries in one node of Redis's radix tree (`stream-node-max-entries`).
const NODE_ENTRIES: usize = 100;

/// Milliseconds and a number within the millisecond.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct StreamId {
    pub(super) milliseconds: u64,
    pub(super) sequence: u64,
}

impl StreamId {
    pub(super) const MAX: Self = Self {
        milliseconds: u64::MAX,
        sequence: u64::MAX,
    };

    /// Reads `ms-seq`, or `ms` with the given sequence.
    pub(super) fn parse(text: &[u8], missing_sequence: u64) -> Result<Self, Refusal> {
        let parsed = std::str::from_utf8(text)
            .ok()
            .and_then(|text| match text.split_once('-') {
                Some((milliseconds, sequence)) => Some(Self {
                    milliseconds: milliseconds.parse().ok()?,
                    sequence: sequence.parse().ok()?,
                }),
                None => Some(Self {
                    milliseconds: text.parse().ok()?,
                    sequence: missing_sequence,
                }),
            });
        parsed.ok_or_else(|| Refusal::err("Invalid stream ID specified as stream command argument"))
    }

    /// The next id, if there is one.
    pub(super) fn successor(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self {
                milliseconds: self.milliseconds.checked_add(1)?,
                sequence: 0,
            }),
        }
    }

    /// The id before, if there is one.
    pub(super) fn predecessor(self) -> Option<Self> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => Some(Self {
                milliseconds: self.milliseconds.checked_sub(1)?,
                sequence: u64::MAX,
            }),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.milliseconds, self.sequence)
    }
}

/// How far a stream is to be cut from its old end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trim {
    /// At most this many entries remain.
    ToLength(usize),
    /// Entries before this id go.
    BeforeId(StreamId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Field, value, field, value, … by id.
    pub(super) entries: BTreeMap<StreamId, Vec<Vec<u8>>>,
    pub(super) last: StreamId,
}

impl Stream {
    /// Removes old entries (at most `limit`, unless exact) and says how many.
    pub(super) fn trim(&mut self, trim: Trim, is_approximate: bool, limit: usize) -> usize {
        let excess = match trim {
            Trim::ToLength(length) => self.entries.len().saturating_sub(length),
            Trim::BeforeId(id) => self.entries.range(..id).count(),
        };
        let removed = if is_approximate {
            let whole_nodes = excess / NODE_ENTRIES * NODE_ENTRIES;
            if limit == 0 {
                whole_nodes
            } else {
                whole_nodes.min(limit / NODE_ENTRIES * NODE_ENTRIES)
            }
        } else {
            excess
        };
        for _ in 0..removed {
            self.entries.pop_first();
        }
        removed
    }
}
