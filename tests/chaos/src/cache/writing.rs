//! Writers: each writes a row and does with the cache what the namespace's promise asks of it.
//!
//! `a SPACE KEY VERSION BEGAN ENDED`: the store has acknowledged the invalidation of everything below this version.
//! `i SPACE KEY VERSION BEGAN`: the write was announced from then on, and committed while the announcement stood.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::reading::{PATIENCE, one};
use crate::space::{Promise, Row, Space};
use crate::{now, say};

/// How long an invalidation that the store did not take is tried again.
const PERSEVERANCE: Duration = Duration::from_secs(20);
/// How long a write may be announced for.
const TERM: Duration = Duration::from_secs(2);

pub(crate) async fn write(space: Arc<Space>) {
    loop {
        tokio::time::sleep(Duration::from_millis(rand::random_range(5..60))).await;
        let began = now();
        let writing = async {
            match space.promise {
                Promise::Ttl => {
                    let _ = space.source.write(space.name, Space::some_key(), 0).await;
                }
                Promise::Delete => deleted(&space).await,
                Promise::Fenced => fenced(&space).await,
                Promise::Intent => intended(&space).await,
                Promise::OwnWrites => own(&space).await,
            }
        };
        // An invalidation is tried for so long, so every single call had less.
        if tokio::time::timeout(PATIENCE * 2, writing).await.is_err() {
            say(&format!("h {} {began}\n", space.name));
        }
    }
}

/// What is to be a miss.
enum Invalidation {
    Key(u64),
    Below(u64, u64),
    Keys(Vec<u64>),
    Group(u64),
    Everything,
}

impl Invalidation {
    async fn send(&self, space: &Space) -> oxherd::Result<()> {
        let rows = &space.rows;
        match self {
            Self::Key(key) => rows.remove(key).await.map(drop),
            Self::Below(key, version) => rows.remove(key).version(*version).await.map(drop),
            Self::Keys(keys) => rows.remove_many(keys).await.map(drop),
            Self::Group(key) => rows.invalidate(&[Space::tag(*key)]).await,
            Self::Everything => rows.clear().await,
        }
    }

    /// Tries until the store has taken it; when that attempt began.
    async fn acknowledged(&self, space: &Space) -> Option<u64> {
        let end = tokio::time::Instant::now() + PERSEVERANCE;
        while tokio::time::Instant::now() < end {
            let began = now();
            match self.send(space).await {
                Ok(()) => return Some(began),
                Err(_untold) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        None
    }
}

fn tell(space: &Space, written: &[Row], began: u64) {
    let (ended, mut lines) = (now(), String::new());
    for (key, version) in written {
        let _ = writeln!(lines, "a {} {key} {version} {began} {ended}", space.name);
    }
    say(&lines);
}

async fn deleted(space: &Arc<Space>) {
    let first = Space::some_key();
    let way = rand::random_range(0..100);
    let keys: Vec<u64> = match way {
        0..50 => vec![first],
        50..98 => Space::group(first).step_by(3).collect(),
        _ => vec![first, first + 1, first / 2],
    };
    let mut written = Vec::new();
    for key in keys {
        if let Ok(version) = space.source.write(space.name, key, 0).await {
            written.push((key, version));
        }
    }
    let keys: Vec<u64> = written.iter().map(|(key, _)| *key).collect();
    let invalidation = match way {
        0..50 => Invalidation::Key(first),
        50..80 => Invalidation::Group(first),
        80..98 => Invalidation::Keys(keys),
        _ => Invalidation::Everything,
    };
    if let Some(began) = invalidation.acknowledged(space).await {
        tell(space, &written, began);
    }
}

async fn fenced(space: &Arc<Space>) {
    let key = Space::some_key();
    let Ok(version) = space.source.write(space.name, key, 0).await else {
        return;
    };
    // Out of order with the next one's.
    if rand::random_bool(0.3) {
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..60))).await;
    }
    let began = if rand::random_bool(0.4) {
        let began = now();
        space
            .rows
            .set(&key, (key, version))
            .version(version)
            .await
            .is_ok()
            .then_some(began)
    } else {
        Invalidation::Below(key, version).acknowledged(space).await
    };
    if let Some(began) = began {
        tell(space, &[(key, version)], began);
    }
}

async fn intended(space: &Arc<Space>) {
    let key = Space::some_key();
    let began = now();
    let Ok(intent) = space.rows.intend(&key, TERM).await else {
        return;
    };
    let left = intent.remaining();
    if left.is_zero() {
        return;
    }
    let until = now() + u64::try_from(left.as_nanos()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..10))).await;
    let Ok(version) = space.source.write(space.name, key, until).await else {
        return;
    };
    // The source says when it was committed, and whether that was in time.
    say(&format!("i {} {key} {version} {began}\n", space.name));
    if rand::random_bool(0.05) {
        // As if the writer had died: the announcement ends by itself.
        return;
    }
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..10))).await;
    let began = now();
    if intent.conclude().await.is_ok() {
        tell(space, &[(key, version)], began);
    }
}

/// Nobody else is told; the writer asks for its own.
async fn own(space: &Arc<Space>) {
    let key = Space::some_key();
    let Ok(version) = space.source.write(space.name, key, 0).await else {
        return;
    };
    if let Some(own) = space.own.get(usize::try_from(key).unwrap_or(0)) {
        own.fetch_max(version, Ordering::SeqCst);
    }
    let mut lines = String::new();
    one(space, key, version, &mut lines).await;
    say(&lines);
}
