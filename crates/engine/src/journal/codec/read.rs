//! From bytes to effects: one at a time, borrowed from the payload.
//!
//! After the first thing that cannot be read nothing follows. A count only says when a run ends: nothing is
//! allocated for it that the payload has no bytes for.
//! Next: `load.rs`, which takes the effects.

use super::numbers::{Reader, unzigzag};
use super::{Garbled, Trouble, group, score, tag};
use crate::effect::{Effect, GroupState, PendingState, ValueKind};

/// See [`super::decode`].
#[derive(Clone, Debug)]
pub(crate) struct Effects<'a> {
    reader: Reader<'a>,
    /// The value read last.
    id: u64,
    run: Option<Run<'a>>,
    is_started: bool,
    is_over: bool,
}

/// Parts of one value that are still to come.
#[derive(Clone, Copy, Debug)]
struct Run<'a> {
    part: Part<'a>,
    left: u64,
}

/// What the parts are, and what they are differences to.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Chunk { before: i64 },
    Field,
    Member,
    Score,
    Entry { before: u64 },
    Consumer { group: &'a [u8] },
    Pending { group: &'a [u8], before: u64 },
}

impl<'a> Iterator for Effects<'a> {
    type Item = Result<Effect<'a>, Garbled>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            let read = match &mut self.run {
                Some(run) if run.left > 0 => {
                    run.left -= 1;
                    part(&mut self.reader, self.id, &mut run.part).map(Some)
                }
                _ if self.reader.is_at_end() => break,
                _ => self.begin(),
            };
            self.is_over = read.is_err();
            // The beginning of a run may be no effect by itself.
            if let Some(read) = read.transpose() {
                return Some(read);
            }
        }
        None
    }
}

impl<'a> Effects<'a> {
    pub(super) fn of(payload: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(payload),
            id: 0,
            run: None,
            is_started: false,
            is_over: false,
        }
    }

    /// Reads an effect, or the beginning of a run.
    fn begin(&mut self) -> Result<Option<Effect<'a>>, Garbled> {
        let start = self.reader.clone();
        let tag = self.reader.byte()?;
        if tag == tag::START {
            self.is_started = true;
            self.id = 0;
            return Ok(None);
        }
        if !self.is_started {
            return Err(start.garbled(Trouble::NoStart(tag)));
        }
        match tag {
            tag::DATABASES => self.databases().map(Some),
            tag::GONE..=tag::PENDING => {
                let difference = unzigzag(self.reader.number()?);
                self.id = self.id.wrapping_add_signed(difference);
                self.of_value(tag)
            }
            _ => Err(start.garbled(Trouble::UnknownEffect(tag))),
        }
    }

    fn databases(&mut self) -> Result<Effect<'a>, Garbled> {
        let count = self.reader.number()?;
        let mut order = Vec::with_capacity(self.reader.room_for(count));
        for _ in 0..count {
            order.push(self.reader.number()?);
        }
        Ok(Effect::Databases { order })
    }

    /// Reads what begins with the number of a value.
    fn of_value(&mut self, tag: u8) -> Result<Option<Effect<'a>>, Garbled> {
        let (id, reader) = (self.id, &mut self.reader);
        let effect = match tag {
            tag::GONE => Effect::Gone { id },
            tag::KEY | tag::EXPIRING_KEY => Effect::Key {
                id,
                database: reader.number()?,
                name: reader.bytes()?,
                expires: (tag == tag::EXPIRING_KEY).then(|| reader.number()).transpose()?,
            },
            tag::STRING => {
                let kind = ValueKind::String(reader.bytes()?);
                Effect::Value { id, kind }
            }
            tag::BYTES => Effect::Bytes {
                id,
                at: reader.number()?,
                bytes: reader.bytes()?,
            },
            tag::STREAM => {
                let kind = ValueKind::Stream;
                Effect::Value { id, kind }
            }
            tag::ENTRIES_GONE => {
                let up_to = entry_id(reader)?;
                Effect::EntriesGone { id, up_to }
            }
            tag::STREAM_STATE => Effect::StreamState {
                id,
                last: entry_id(reader)?,
                max_deleted: entry_id(reader)?,
                added: reader.number()?,
            },
            tag::GROUP => {
                let name = reader.bytes()?;
                let (state, is_new) = group_state(reader)?;
                Effect::Group {
                    id,
                    name,
                    state,
                    is_new,
                }
            }
            _ => return self.begin_run(tag),
        };
        Ok(Some(effect))
    }

    fn begin_run(&mut self, tag: u8) -> Result<Option<Effect<'a>>, Garbled> {
        let id = self.id;
        let (kind, part) = match tag {
            tag::LIST => (Some(ValueKind::List), Part::Chunk { before: 0 }),
            tag::HASH => (Some(ValueKind::Hash), Part::Field),
            tag::SET => (Some(ValueKind::Set), Part::Member),
            tag::SORTED_SET => (Some(ValueKind::SortedSet), Part::Score),
            tag::CHUNKS => (None, Part::Chunk { before: 0 }),
            tag::FIELDS => (None, Part::Field),
            tag::MEMBERS => (None, Part::Member),
            tag::SCORES => (None, Part::Score),
            tag::ENTRIES => (None, Part::Entry { before: 0 }),
            tag::CONSUMERS => {
                let group = self.reader.bytes()?;
                (None, Part::Consumer { group })
            }
            _ => {
                let group = self.reader.bytes()?;
                (None, Part::Pending { group, before: 0 })
            }
        };
        let left = self.reader.number()?;
        self.run = Some(Run { part, left });
        Ok(kind.map(|kind| Effect::Value { id, kind }))
    }
}

fn part<'a>(reader: &mut Reader<'a>, id: u64, part: &mut Part<'a>) -> Result<Effect<'a>, Garbled> {
    match part {
        Part::Field => Ok(Effect::Field {
            id,
            field: reader.bytes()?,
            value: optional_bytes(reader)?,
        }),
        Part::Member => {
            let (member, is_in) = marked(reader)?;
            let member = member.into();
            Ok(Effect::Member { id, member, is_in })
        }
        Part::Score => Ok(Effect::Score {
            id,
            member: reader.bytes()?,
            score: score(reader)?,
        }),
        Part::Chunk { before } => {
            let chunk = before.wrapping_add(unzigzag(reader.number()?));
            *before = chunk;
            let items = chunk_items(reader)?;
            Ok(Effect::Chunk { id, chunk, items })
        }
        Part::Entry { before } => {
            let entry = entry_behind(reader, before)?;
            let fields = entry_fields(reader)?;
            Ok(Effect::Entry { id, entry, fields })
        }
        Part::Consumer { group } => {
            let (name, is_there) = marked(reader)?;
            let seen_at = is_there.then(|| reader.number().map(unzigzag)).transpose()?;
            Ok(Effect::Consumer {
                id,
                group,
                name,
                seen_at,
            })
        }
        Part::Pending { group, before } => Ok(Effect::Pending {
            id,
            group,
            entry: entry_behind(reader, before)?,
            state: pending_state(reader)?,
        }),
    }
}

/// Bytes, and whether they are a name of something.
fn marked<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], bool), Garbled> {
    let start = reader.clone();
    let marked = reader.number()?;
    let bytes = reader.take(marked >> 1);
    let bytes = bytes.ok_or_else(|| start.garbled(Trouble::CutOff))?;
    Ok((bytes, marked & 1 == 1))
}

/// A length, or that there is nothing.
fn optional_length(reader: &mut Reader<'_>) -> Result<Option<u64>, Garbled> {
    Ok(reader.number()?.checked_sub(1))
}

fn optional_bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Garbled> {
    let start = reader.clone();
    let Some(length) = optional_length(reader)? else {
        return Ok(None);
    };
    match reader.take(length) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(start.garbled(Trouble::CutOff)),
    }
}

fn score(reader: &mut Reader<'_>) -> Result<Option<f64>, Garbled> {
    let start = reader.clone();
    match reader.number()? {
        score::GONE => Ok(None),
        score::BYTES => {
            let score = f64::from_le_bytes(reader.eight_bytes()?);
            if score.is_nan() {
                return Err(start.garbled(Trouble::NotANumber));
            }
            Ok(Some(score))
        }
        whole => Ok(Some(unzigzag(whole - score::WHOLE) as f64)),
    }
}

fn chunk_items<'a>(reader: &mut Reader<'a>) -> Result<Option<Vec<&'a [u8]>>, Garbled> {
    let Some(count) = optional_length(reader)? else {
        return Ok(None);
    };
    let mut items = Vec::with_capacity(reader.room_for(count));
    for _ in 0..count {
        items.push(reader.bytes()?);
    }
    Ok(Some(items))
}

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

fn entry_fields<'a>(reader: &mut Reader<'a>) -> Result<Option<Fields<'a>>, Garbled> {
    let Some(count) = optional_length(reader)? else {
        return Ok(None);
    };
    let mut fields = Vec::with_capacity(reader.room_for(count));
    for _ in 0..count {
        fields.push((reader.bytes()?, reader.bytes()?));
    }
    Ok(Some(fields))
}

fn entry_id(reader: &mut Reader<'_>) -> Result<(u64, u64), Garbled> {
    Ok((reader.number()?, reader.number()?))
}

fn entry_behind(reader: &mut Reader<'_>, before: &mut u64) -> Result<(u64, u64), Garbled> {
    *before = before.wrapping_add_signed(unzigzag(reader.number()?));
    Ok((*before, reader.number()?))
}

fn pending_state<'a>(reader: &mut Reader<'a>) -> Result<Option<PendingState<'a>>, Garbled> {
    let Some(consumer) = optional_bytes(reader)? else {
        return Ok(None);
    };
    Ok(Some(PendingState {
        consumer,
        delivered_at: unzigzag(reader.number()?),
        deliveries: reader.number()?,
    }))
}

/// What is known of a group, and whether it is new.
fn group_state(reader: &mut Reader<'_>) -> Result<(Option<GroupState>, bool), Garbled> {
    let start = reader.clone();
    let marks = reader.number()?;
    if marks & !group::ALL != 0 {
        return Err(start.garbled(Trouble::UnknownMarks(marks)));
    }
    let is_new = marks & group::IS_NEW != 0;
    if marks & group::IS_THERE == 0 {
        return Ok((None, is_new));
    }
    let last_delivered = entry_id(reader)?;
    let has_entries_read = marks & group::HAS_ENTRIES_READ != 0;
    let entries_read = has_entries_read.then(|| reader.number()).transpose()?;
    let state = GroupState {
        last_delivered,
        entries_read,
    };
    Ok((Some(state), is_new))
}
