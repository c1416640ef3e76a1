//! From what has changed to the final states.
//!
//! First every changed value is asked which of its parts are dirty, then the states of those parts are read. What a
//! unit leaves behind is under its last name; a value that only got another name or expiry is not looked at.
//! Next: `state.rs` (the states of the parts).

use std::collections::HashSet;
use std::ops::Range;

use super::recorder::{Audience, Extent, Move};
use super::state::{self, Parts};
use super::{Effect, Recorder};
use crate::keyspace::{Database, Dirt, Value};

/// A string up to this length always comes whole.
const SHORT: usize = 4096;

/// Takes effects.
pub(crate) type Take<'a> = &'a mut dyn FnMut(&[Effect<'_>]);

/// Hands the effects of everything noted since the last time to the journal, or to whoever is told of units.
pub(crate) fn gather(recorder: &mut Recorder, databases: &mut [Database], journal: Option<Take<'_>>) {
    if !recorder.is_on() {
        return;
    }
    let moves = std::mem::take(&mut recorder.moves);
    let made = std::mem::take(&mut recorder.made);
    let changed = recorder.changed.drain();
    let mut changed: Vec<(u64, Box<[u8]>, Extent)> = changed
        .flat_map(|(database, keys)| {
            keys.into_iter()
                .map(move |(name, extent)| (database, name, extent))
        })
        .collect();
    changed.sort_unstable();
    let dirty: Vec<(u64, Box<[u8]>, Parts)> = changed
        .into_iter()
        .filter_map(|(database, name, extent)| {
            let parts = dirty_parts(databases, database, &name, extent, &made)?;
            Some((database, name, parts))
        })
        .collect();
    let mut effects = places(&moves, databases);
    if std::mem::take(&mut recorder.are_databases_changed) {
        // After the keys: one that left a database before it was emptied must not be taken for one of those in it.
        let order = databases.iter().map(Database::id).collect();
        effects.push(Effect::Databases { order });
    }
    for (database, name, parts) in &dirty {
        if let Some(entry) = find(databases, *database).and_then(|database| database.get(name)) {
            state::of_parts(entry.id, &entry.value, parts, &mut effects);
        }
    }
    if effects.is_empty() {
        return;
    }
    match (journal, &mut recorder.audience) {
        (Some(take), _) => take(&effects),
        (None, Audience::Units(taker)) => taker(&effects),
        (None, _) => {}
    }
}

fn find(databases: &[Database], id: u64) -> Option<&Database> {
    databases.iter().find(|database| database.id() == id)
}

fn dirty_parts(
    databases: &mut [Database],
    database: u64,
    name: &[u8],
    extent: Extent,
    made: &HashSet<u64>,
) -> Option<Parts> {
    let database = databases
        .iter_mut()
        .find(|candidate| candidate.id() == database)?;
    let entry = database.get_mut(name)?;
    let is_new = made.contains(&entry.id);
    let parts = match &mut entry.value {
        Value::String(bytes) => changed_bytes(bytes, extent),
        Value::Hash(hash) => names(hash.take_dirt()),
        Value::Set(set) => names(set.take_dirt()),
        Value::SortedSet(set) => names(set.take_dirt()),
        Value::List(list) => match list.take_dirt() {
            Dirt::Whole => Parts::All,
            Dirt::Parts(chunks) => Parts::Chunks(chunks),
        },
        Value::Stream(stream) => match stream.take_dirt() {
            Dirt::Whole => Parts::All,
            Dirt::Parts(parts) => Parts::Stream(parts),
        },
    };
    Some(if is_new { Parts::All } else { parts })
}

/// Of a short string, or one of which most has changed, everything.
fn changed_bytes(string: &[u8], extent: Extent) -> Parts {
    match extent {
        Extent::Bytes(ranges) if string.len() > SHORT => {
            let ranges = ranges.merged();
            let changed: usize = ranges.iter().map(Range::len).sum();
            if changed < string.len() / 2 {
                Parts::Bytes(ranges)
            } else {
                Parts::All
            }
        }
        _ => Parts::All,
    }
}

fn names(dirt: Dirt<Box<[u8]>>) -> Parts {
    match dirt {
        Dirt::Whole => Parts::All,
        Dirt::Parts(names) => Parts::Names(names),
    }
}

/// Where the values are that came, moved or went: each stands under its last name, or is gone.
fn places<'a>(moves: &'a [Move], databases: &[Database]) -> Vec<Effect<'a>> {
    let mut effects = Vec::new();
    let mut known = HashSet::new();
    // The last place counts; one before it may be another value's by now.
    for step in moves.iter().rev() {
        let Move::Placed { id, database, name } = step else {
            continue;
        };
        let entry = find(databases, *database)
            .and_then(|database| database.get(name))
            .filter(|entry| entry.id == *id);
        if let Some(entry) = entry.filter(|_| known.insert(*id)) {
            effects.push(state::key(*database, name, entry));
        }
    }
    effects.reverse();
    // What was moved into a database that was emptied then has no place and never went by itself.
    for step in moves {
        let (Move::Gone { id } | Move::Placed { id, .. }) = step;
        if known.insert(*id) {
            effects.push(Effect::Gone { id: *id });
        }
    }
    effects
}
