//! Readers: each says what it was answered, and when it began to ask.
//!
//! `r SPACE KEY VERSION BEGAN HOW LEAST ENDED`: HOW is `l` (this process may have answered by itself), `s` (it may not), `o` (the caller's own
//! loader), and the same in capitals if the store failed meanwhile; LEAST is the version asked for. `e SPACE BEGAN TEXT` is an error,
//! `h SPACE BEGAN` a call that did not end, `c SPACE …` what this process has counted.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::space::{Promise, Row, Space};
use crate::{now, say};

/// Readers of a namespace and process.
pub(crate) const AT_ONCE: usize = 3;
/// Reads of one reader between two rests.
const BURST: usize = 8;
/// A call that takes longer is said to hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn read(space: Arc<Space>) {
    loop {
        let mut lines = String::new();
        for _ in 0..BURST {
            read_once(&space, &mut lines).await;
        }
        say(&lines);
        tokio::time::sleep(Duration::from_millis(rand::random_range(10..40))).await;
    }
}

/// Says every second what this process has counted.
pub(crate) async fn count(space: Arc<Space>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let counts = space.rows.stats().counts;
        say(&format!(
            "c {} {} {} {} {} {} {} {} {}\n",
            space.name,
            counts.hits_local,
            counts.hits_shared,
            counts.misses,
            counts.loads_ok + counts.loads_failed + counts.loads_timed_out,
            counts.fills_refused(),
            counts.stale_served(),
            counts.waits_across_processes,
            counts.store_errors + counts.skipped_by_breaker,
        ));
    }
}

/// How often the store failed; a snapshot is not for nothing, so only where it matters.
fn troubles(space: &Space) -> u64 {
    if space.promise != Promise::Fenced && !space.does_fail {
        return 0;
    }
    let counts = space.rows.stats().counts;
    counts.store_errors + counts.skipped_by_breaker
}

async fn read_once(space: &Arc<Space>, lines: &mut String) {
    let began = now();
    let reading = async {
        match rand::random_range(0..20) {
            0..2 => look(space, began, lines).await,
            2..4 => several(space, began, lines).await,
            _ => one(space, Space::some_key(), 0, lines).await,
        }
    };
    if tokio::time::timeout(PATIENCE, reading).await.is_err() {
        let _ = writeln!(lines, "h {} {began}", space.name);
    }
}

/// One row by `get_or_load`.
pub(crate) async fn one(space: &Arc<Space>, key: u64, least: u64, lines: &mut String) {
    let called = Arc::new(AtomicBool::new(false));
    let load = {
        let (space, called) = (Arc::clone(space), Arc::clone(&called));
        move || space.load(key, called)
    };
    let is_strict = space.is_local && rand::random_bool(0.3);
    let own = space
        .own
        .get(usize::try_from(key).unwrap_or(0))
        .map_or(0, |own| own.load(Ordering::SeqCst));
    let least = if space.promise == Promise::OwnWrites {
        own.max(least)
    } else {
        least
    };
    let troubles_before = troubles(space);
    let began = now();
    let mut reading = space.rows.get_or_load(&key, load).min_version(least);
    if is_strict {
        reading = reading.strict();
    }
    if space.promise == Promise::Delete && key.is_multiple_of(2) {
        reading = reading.tag(Space::tag(key));
    }
    let how = if space.is_local && !is_strict { 'l' } else { 's' };
    match reading.await {
        Ok(row) => {
            let how = if called.load(Ordering::SeqCst) { 'o' } else { how };
            let how = if troubles(space) > troubles_before {
                how.to_ascii_uppercase()
            } else {
                how
            };
            told(space, key, *row, began, how, least, lines);
        }
        Err(error) => failed(space, began, &error, lines),
    }
}

/// One row without a loader.
async fn look(space: &Arc<Space>, began: u64, lines: &mut String) {
    let key = Space::some_key();
    match space.rows.get(&key).await {
        Ok(Some(row)) => {
            let how = if space.is_local { 'l' } else { 's' };
            told(space, key, *row, began, how, 0, lines);
        }
        Ok(None) => {}
        Err(error) => failed(space, began, &error, lines),
    }
}

/// Several rows at once.
async fn several(space: &Arc<Space>, began: u64, lines: &mut String) {
    let first = Space::some_key();
    let mut keys = [first, Space::some_key(), Space::some_key()].to_vec();
    keys.sort_unstable();
    keys.dedup();
    let loading = Arc::clone(space);
    let load = move |keys| Arc::clone(&loading).load_many(keys);
    let troubles_before = troubles(space);
    match space.rows.get_or_load_many(&keys, load).await {
        Ok(rows) => {
            let how = if space.is_local { 'l' } else { 's' };
            let how = if troubles(space) > troubles_before {
                how.to_ascii_uppercase()
            } else {
                how
            };
            for (key, row) in keys.into_iter().zip(rows) {
                match row {
                    Some(row) => told(space, key, *row, began, how, 0, lines),
                    None => {
                        let _ = writeln!(lines, "e {} {began} a row is said to be absent", space.name);
                    }
                }
            }
        }
        Err(error) => failed(space, began, &error, lines),
    }
}

fn told(space: &Space, key: u64, row: Row, began: u64, how: char, least: u64, lines: &mut String) {
    let name = space.name;
    let (of, version) = row;
    let _ = if of == key {
        writeln!(lines, "r {name} {key} {version} {began} {how} {least} {}", now())
    } else {
        writeln!(lines, "e {name} {began} row {key} is answered by row {of}")
    };
}

pub(crate) fn failed(space: &Space, began: u64, error: &oxherd::Error, lines: &mut String) {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let _ = write!(text, ": {deeper}");
        cause = deeper.source();
    }
    let _ = writeln!(lines, "e {} {began} {}", space.name, text.replace('\n', " "));
}
