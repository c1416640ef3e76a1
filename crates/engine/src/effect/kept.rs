//! Effects that outlive the lock, for tests that replay them later.
//!
//! Their bytes are never given back, but equal ones are kept once and tests use few different ones.

use std::collections::HashSet;
use std::sync::Mutex;

use super::{Effect, PendingState, ValueKind};

static KEPT: Mutex<Option<HashSet<&'static [u8]>>> = Mutex::new(None);

fn bytes(bytes: &[u8]) -> &'static [u8] {
    let mut guard = KEPT.lock().unwrap();
    let kept = guard.get_or_insert_default();
    if let Some(known) = kept.get(bytes) {
        return known;
    }
    let new: &'static [u8] = Box::leak(bytes.into());
    kept.insert(new);
    new
}

pub(crate) fn batch(effects: &[Effect<'_>]) -> Vec<Effect<'static>> {
    effects.iter().cloned().map(effect).collect()
}

fn effect(effect: Effect<'_>) -> Effect<'static> {
    match effect {
        Effect::Databases { order } => Effect::Databases { order },
        Effect::Gone { id } => Effect::Gone { id },
        Effect::Key {
            id,
            database,
            name,
            expires,
        } => Effect::Key {
            id,
            database,
            name: bytes(name),
            expires,
        },
        Effect::Value { id, kind } => Effect::Value {
            id,
            kind: whole(kind),
        },
        Effect::Bytes { id, at, bytes: part } => Effect::Bytes {
            id,
            at,
            bytes: bytes(part),
        },
        Effect::Field { id, field, value } => Effect::Field {
            id,
            field: bytes(field),
            value: value.map(bytes),
        },
        Effect::Member { id, member, is_in } => Effect::Member {
            id,
            member: bytes(&member).into(),
            is_in,
        },
        Effect::Score { id, member, score } => Effect::Score {
            id,
            member: bytes(member),
            score,
        },
        Effect::Chunk { id, chunk, items } => Effect::Chunk {
            id,
            chunk,
            items: items.map(|items| items.into_iter().map(bytes).collect()),
        },
        other => of_stream(other),
    }
}

fn whole(kind: ValueKind<'_>) -> ValueKind<'static> {
    match kind {
        ValueKind::String(text) => ValueKind::String(bytes(text)),
        ValueKind::List => ValueKind::List,
        ValueKind::Hash => ValueKind::Hash,
        ValueKind::Set => ValueKind::Set,
        ValueKind::SortedSet => ValueKind::SortedSet,
        ValueKind::Stream => ValueKind::Stream,
    }
}

fn of_stream(effect: Effect<'_>) -> Effect<'static> {
    match effect {
        Effect::EntriesGone { id, up_to } => Effect::EntriesGone { id, up_to },
        Effect::Entry { id, entry, fields } => {
            let pairs = |fields: Vec<(&[u8], &[u8])>| {
                let fields = fields.into_iter();
                fields.map(|(name, value)| (bytes(name), bytes(value))).collect()
            };
            Effect::Entry {
                id,
                entry,
                fields: fields.map(pairs),
            }
        }
        Effect::StreamState {
            id,
            last,
            max_deleted,
            added,
        } => Effect::StreamState {
            id,
            last,
            max_deleted,
            added,
        },
        Effect::Group {
            id,
            name,
            state,
            is_new,
        } => Effect::Group {
            id,
            name: bytes(name),
            state,
            is_new,
        },
        Effect::Consumer {
            id,
            group,
            name,
            seen_at,
        } => Effect::Consumer {
            id,
            group: bytes(group),
            name: bytes(name),
            seen_at,
        },
        Effect::Pending {
            id,
            group,
            entry,
            state,
        } => Effect::Pending {
            id,
            group: bytes(group),
            entry,
            state: state.map(|state| PendingState {
                consumer: bytes(state.consumer),
                delivered_at: state.delivered_at,
                deliveries: state.deliveries,
            }),
        },
        other => panic!("{other:?} is not of a stream"),
    }
}
