//! Effects on parts of values.
//!
//! What is not known, or is of another type by now, is passed over: see `load.rs` for when that may be.
//! Next: `keyspace/list/parts.rs`, `keyspace/stream/load.rs`.

use super::shelf::Known;
use super::{Contradiction, Loading};
use crate::effect::{Effect, GroupState, PendingState};
use crate::keyspace::stream::StreamMeta;
use crate::keyspace::{ChunkId, Hash, Kind, List, Pending, Set, SortedSet, Stream, StreamId};

/// No string is as long as this, whatever clients are allowed: a longer one would take memory for nothing.
const GREATEST_LENGTH: u64 = 1 << 32;

impl Loading {
    pub(super) fn apply_part(&mut self, effect: &Effect<'_>) -> Result<(), Contradiction> {
        match effect {
            Effect::Bytes { id, at, bytes } => return self.bytes(*id, *at, bytes),
            Effect::Field { id, field, value } => {
                if let Some(hash) = self.known::<Hash>(*id) {
                    match value {
                        Some(value) => drop(hash.set(field, value)),
                        None => drop(hash.remove(field)),
                    }
                }
            }
            Effect::Member { id, member, is_in } => {
                if let Some(set) = self.known::<Set>(*id) {
                    match is_in {
                        true => drop(set.add(member)),
                        false => drop(set.remove(member)),
                    }
                }
            }
            Effect::Score { id, member, score } => {
                if score.is_some_and(f64::is_nan) {
                    return Err(Contradiction::Score { id: *id });
                }
                if let Some(set) = self.known::<SortedSet>(*id) {
                    match score {
                        Some(score) => set.load(member, *score),
                        None => drop(set.remove(member)),
                    }
                }
            }
            Effect::Chunk { id, chunk, items } => return self.chunk(*id, *chunk, items.as_deref()),
            of_stream => self.apply_to_stream(of_stream),
        }
        Ok(())
    }

    /// A value that is known and of this type.
    #[inline]
    fn known<T: Kind>(&mut self, id: u64) -> Option<&mut T> {
        let Known { value, .. } = self.shelf.get_mut(id)?;
        T::of_mut(value.as_mut()?)
    }

    fn bytes(&mut self, id: u64, at: u64, bytes: &[u8]) -> Result<(), Contradiction> {
        let Some(string) = self.known::<Vec<u8>>(id) else {
            return Ok(());
        };
        let length = at.saturating_add(bytes.len() as u64);
        let (Ok(start), Ok(end), ..=GREATEST_LENGTH) = (usize::try_from(at), usize::try_from(length), length)
        else {
            return Err(Contradiction::Length { id, length });
        };
        if string.len() < end {
            string.resize(end, 0);
        }
        if let Some(part) = string.get_mut(start..end) {
            part.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn chunk(&mut self, id: u64, chunk: i64, items: Option<&[&[u8]]>) -> Result<(), Contradiction> {
        let Some(list) = self.known::<List>(id) else {
            return Ok(());
        };
        let Some(items) = items else {
            list.load_gone(ChunkId(chunk));
            return Ok(());
        };
        if !list.load_chunk(ChunkId(chunk), items) {
            let items = items.len();
            return Err(Contradiction::Chunk { id, chunk, items });
        }
        Ok(())
    }

    fn apply_to_stream(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::EntriesGone { id, up_to } => self.entries_gone(*id, stream_id(*up_to)),
            Effect::Entry { id, entry, fields } => self.entry(*id, stream_id(*entry), fields.as_deref()),
            Effect::StreamState {
                id,
                last,
                max_deleted,
                added,
            } => {
                if let Some(stream) = self.known::<Stream>(*id) {
                    stream.set_meta(StreamMeta {
                        last_id: stream_id(*last),
                        max_deleted: stream_id(*max_deleted),
                        entries_added: *added,
                    });
                }
            }
            Effect::Group {
                id,
                name,
                state,
                is_new,
            } => {
                if let Some(stream) = self.known::<Stream>(*id) {
                    group(stream, name, state.as_ref(), *is_new);
                }
            }
            Effect::Consumer {
                id,
                group,
                name,
                seen_at,
            } => {
                if let Some(stream) = self.known::<Stream>(*id) {
                    consumer(stream, group, name, *seen_at);
                }
            }
            Effect::Pending {
                id,
                group,
                entry,
                state,
            } => {
                if let Some(stream) = self.known::<Stream>(*id) {
                    pending(stream, group, stream_id(*entry), state.as_ref());
                }
            }
            _ => unreachable!("all other effects were looked for before"),
        }
    }

    fn entries_gone(&mut self, id: u64, up_to: StreamId) {
        if let Some(stream) = self.known::<Stream>(id) {
            stream.load_gone_up_to(up_to);
        }
        if let Some(late) = self.late.get_mut(&id) {
            late.gone_up_to(up_to);
        }
    }

    fn entry(&mut self, id: u64, entry: StreamId, fields: Option<&[(&[u8], &[u8])]>) {
        let Some(stream) = self.known::<Stream>(id) else {
            return;
        };
        let is_settled = match fields {
            Some(fields) => stream.load_entry(entry, fields),
            None => {
                stream.load_gone(entry);
                true
            }
        };
        match fields.filter(|_| !is_settled) {
            Some(fields) => self.late.entry(id).or_default().put(entry, fields),
            None => {
                if let Some(late) = self.late.get_mut(&id) {
                    late.remove(entry);
                }
            }
        }
    }
}

fn stream_id((milliseconds, sequence): (u64, u64)) -> StreamId {
    StreamId::new(milliseconds, sequence)
}

fn group(stream: &mut Stream, name: &[u8], state: Option<&GroupState>, is_new: bool) {
    let Some(state) = state else {
        stream.destroy_group(name);
        return;
    };
    let position = (stream_id(state.last_delivered), state.entries_read);
    stream.load_group(name, position, is_new);
}

fn consumer(stream: &mut Stream, group: &[u8], name: &[u8], seen_at: Option<i64>) {
    let Some((mut group, _)) = stream.group_mut(group) else {
        return;
    };
    match seen_at {
        Some(seen_at) => drop(group.seen_consumer(name, seen_at)),
        None => drop(group.delete_consumer(name)),
    }
}

fn pending(stream: &mut Stream, group: &[u8], entry: StreamId, state: Option<&PendingState<'_>>) {
    let Some((mut group, _)) = stream.group_mut(group) else {
        return;
    };
    let Some(state) = state else {
        group.acknowledge(entry);
        return;
    };
    // One that is not known is gone by now; until the effects say so it is as good as any.
    let known = group.consumer(state.consumer);
    let consumer = known.unwrap_or_else(|| group.seen_consumer(state.consumer, state.delivered_at));
    let pending = Pending {
        consumer,
        delivered_at: state.delivered_at,
        deliveries: state.deliveries,
    };
    group.set_pending(entry, pending);
}
