//! Threads that read, change and evict at once: once the call that tells of a change has returned, no look-up that
//! begins later finds the older truth valid.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{Held, Local, Meta, NamespaceNumber, Validity};
use crate::clock::Timestamp;

const NAMESPACE: NamespaceNumber = NamespaceNumber(1);
const KEYS: usize = 4;
const CHANGES: u64 = 20_000;

/// How a writer tells of what it changed.
#[derive(Clone, Copy, Debug)]
enum Way {
    Key,
    Tag,
    Tenant,
    Namespace,
    Matching,
    Floor,
}

/// The source of truth for one key: counts up. `told` is what every look-up that begins from now on must know.
#[derive(Default)]
struct Truth {
    value: AtomicU64,
    told: AtomicU64,
}

struct Scene {
    local: Arc<Local>,
    truths: [Truth; KEYS],
    is_over: AtomicBool,
    valid: AtomicU64,
    refused: AtomicU64,
}

impl Scene {
    fn new(capacity: u64) -> Self {
        Self {
            local: Arc::new(Local::new(capacity, None)),
            truths: Default::default(),
            is_over: AtomicBool::new(false),
            valid: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    fn write(&self, index: usize, way: Way) {
        let truth = &self.truths[index];
        // A sweep looks at every entry.
        let first = if matches!(way, Way::Matching) {
            CHANGES - CHANGES / 20
        } else {
            1
        };
        for value in first..=CHANGES {
            truth.value.store(value, Ordering::Relaxed);
            match way {
                Way::Key => self.local.changed(NAMESPACE, key(index).as_bytes()),
                Way::Tag => self.local.tag_changed(NAMESPACE, "t", tag(index)),
                Way::Tenant => self.local.tag_changed(NAMESPACE, "t", ""),
                Way::Namespace => self.local.namespace_changed(NAMESPACE),
                Way::Matching => {
                    self.local
                        .remove_matching(NAMESPACE, |text| text == key(index).as_bytes());
                }
                Way::Floor => self.local.raise_floor(),
            }
            // Relaxed stores of the truth, released only here and by the tier itself.
            truth.told.store(value, Ordering::Release);
            if value % 16 == 0 {
                // On a busy machine readers would otherwise come when all is over.
                thread::yield_now();
            }
        }
    }

    fn read(&self, index: usize) {
        let (text, truth) = (key(index), &self.truths[index]);
        let pending = self.local.pending(NAMESPACE, text.as_bytes());
        let as_of = self.local.moment();
        let value = truth.value.load(Ordering::Relaxed);
        if value % 3 == 0 {
            // Lets others in at the worst moment, on machines with few cores too.
            thread::yield_now();
        }
        // The cells are asked for after the read, as with tags that are learnt from a value.
        let cells = self.local.cells(NAMESPACE, "t", [tag(index)]);
        let held = Held::new(Some(Arc::new(value)), 50, meta(), cells, as_of, 0);
        if !pending.fill(&Arc::new(held)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        drop(pending);
        self.look(index);
    }

    fn look(&self, index: usize) {
        let told = self.truths[index].told.load(Ordering::Acquire);
        let Some(held) = self.local.get(NAMESPACE, key(index).as_bytes()) else {
            return;
        };
        if self.local.validity(&held) == Validity::Valid {
            let found = *held.value_ref::<u64>().unwrap();
            assert!(
                found >= told,
                "key {index}: found {found} after {told} had been told"
            );
            self.valid.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Crowds entries out, and makes the table of cells forget.
    fn crowd(&self) {
        for number in 0_u64.. {
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let text = format!("t:crowd/{}", number % 5_000);
            let pending = self.local.pending(NAMESPACE, text.as_bytes());
            let as_of = self.local.moment();
            let cells = self.local.cells(NAMESPACE, "t", [text.as_str()]);
            pending.fill(&Arc::new(Held::new(None, 50, meta(), cells, as_of, 0)));
        }
    }
}

fn key(index: usize) -> &'static str {
    ["t:a", "t:b", "t:c", "t:d"][index]
}

fn tag(index: usize) -> &'static str {
    ["red", "green", "blue", "grey"][index]
}

fn meta() -> Meta {
    let created = Timestamp::from_millis(1);
    Meta {
        fresh_until: created,
        refresh_from: created,
        ends: created,
        lasts: Duration::ZERO,
        id: [0; 16],
        version: 0,
        created,
        ttl: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        load_micros: 0,
        tags: Box::default(),
        is_sliding: false,
    }
}

/// A run in which readers came too late for anything proves nothing, and is repeated.
fn run(capacity: u64, ways: [Way; KEYS]) {
    let found_anything = (0..20).any(|_| run_once(capacity, ways));
    assert!(found_anything, "nothing was ever found");
}

fn run_once(capacity: u64, ways: [Way; KEYS]) -> bool {
    let scene = Scene::new(capacity);
    thread::scope(|threads| {
        let writers: Vec<_> = ways
            .into_iter()
            .enumerate()
            .map(|(index, way)| {
                let scene = &scene;
                threads.spawn(move || scene.write(index, way))
            })
            .collect();
        for reader in 0..3 {
            let scene = &scene;
            threads.spawn(move || {
                for turn in reader.. {
                    if scene.is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    scene.read(turn % KEYS);
                    scene.look((turn + 1) % KEYS);
                }
            });
        }
        threads.spawn(|| scene.crowd());
        for writer in writers {
            writer.join().unwrap();
        }
        scene.is_over.store(true, Ordering::Relaxed);
    });
    // When everything has come to rest, a read is kept and is the last truth.
    for index in 0..KEYS {
        scene.read(index);
        let held = scene.local.get(NAMESPACE, key(index).as_bytes()).unwrap();
        assert_eq!(scene.local.validity(&held), Validity::Valid);
        assert_eq!(*held.value_ref::<u64>().unwrap(), CHANGES);
    }
    assert_eq!(scene.local.marks.len(), 0);
    scene.valid.load(Ordering::Relaxed) > KEYS as u64
}

#[test]
fn nothing_older_is_found_after_its_key_was_told() {
    run(64 << 20, [Way::Key, Way::Key, Way::Key, Way::Key]);
}

#[test]
fn nothing_older_is_found_after_its_tag_was_told() {
    run(64 << 20, [Way::Tag, Way::Tag, Way::Tag, Way::Tag]);
}

#[test]
fn nothing_older_is_found_whatever_was_told() {
    run(64 << 20, [Way::Key, Way::Tag, Way::Tenant, Way::Namespace]);
    run(64 << 20, [Way::Key, Way::Matching, Way::Tag, Way::Floor]);
}

#[test]
fn nothing_older_is_found_while_entries_and_cells_come_and_go() {
    run(256 << 10, [Way::Key, Way::Tag, Way::Tag, Way::Key]);
}
