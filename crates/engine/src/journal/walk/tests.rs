//! An image taken among random work, and the effects since it was begun, give what the engine holds.
//!
//! Next: `tests/cases.rs` (what may happen in between, one by one).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod cases;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::Walk;
use crate::core::Core;
use crate::effect::replica::{Replica, contents, without};
use crate::effect::tests::{run, step};
use crate::effect::{Effect, kept};
use crate::engine::Options;
use crate::testing::Session;

type Batch = Vec<Effect<'static>>;

/// An engine, its log, and the images taken of it.
struct Trial {
    session: Session,
    log: Arc<Mutex<Vec<Batch>>>,
    present: Option<Image>,
    images: Vec<Image>,
    /// Whether the engine's notes of what was carried elsewhere are kept from the walk.
    loses_strays: bool,
}

struct Image {
    walk: Walk,
    /// Where the log that belongs to it begins.
    from: usize,
    effects: Batch,
    slices: usize,
}

impl Trial {
    fn new() -> Self {
        Self::with_volatile(&[])
    }

    fn with_volatile(prefixes: &[&str]) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let options = Options::default().volatile(prefixes.iter().copied());
        let session = Session::with(options.on_change(move |batch| {
            writer.lock().unwrap().push(kept::batch(batch));
        }));
        Self {
            session,
            log,
            present: None,
            images: Vec::new(),
            loses_strays: false,
        }
    }

    fn ask(&self, line: &str) {
        drop(self.session.ask(line));
    }

    fn with_core<T>(&self, work: impl FnOnce(&mut Core) -> T) -> T {
        work(&mut self.session.engine().shared().lock())
    }

    fn begin(&mut self) {
        let image = self.with_core(|core| Image {
            walk: Walk::begin(core),
            from: self.log.lock().unwrap().len(),
            effects: Batch::new(),
            slices: 0,
        });
        self.present = Some(image);
    }

    /// Takes a slice of the present image, or of a new one; whether the image is complete with it.
    fn slice(&mut self, budget: usize) -> bool {
        let volatile = self.with_core(|core| core.volatile().clone());
        self.slice_without(budget, &|name| volatile.covers(name))
    }

    fn slice_without(&mut self, budget: usize, skip: &dyn Fn(&[u8]) -> bool) -> bool {
        if self.present.is_none() {
            self.begin();
        }
        let mut image = self.present.take().unwrap();
        image.slices += 1;
        let is_done = self.with_core(|core| {
            if self.loses_strays {
                core.strays.take();
            }
            let effects = &mut image.effects;
            let emit = &mut |batch: &[Effect<'_>]| effects.extend(kept::batch(batch));
            !image.walk.slice(core, budget, skip, emit)
        });
        if is_done {
            self.images.push(image);
        } else {
            self.present = Some(image);
        }
        is_done
    }

    fn finish(&mut self, budget: usize) {
        while !self.slice(budget) {}
    }

    fn hold(&self, is_held: bool) {
        self.with_core(|core| {
            core.effects.is_held = is_held;
            core.commit();
        });
    }

    /// Whether the image with all that came to the log since, that so many times over, is what the engine holds.
    fn check(&self, image: &Image, times: usize) -> Result<(), String> {
        let held = self.with_core(|core| {
            let is_held = std::mem::take(&mut core.effects.is_held);
            core.commit();
            core.effects.is_held = is_held;
            without(core.volatile(), contents(core.databases()))
        });
        let mut replica = Replica::fuzzy(16);
        replica.apply(&image.effects);
        let log = self.log.lock().unwrap();
        for _ in 0..times {
            log[image.from..].iter().for_each(|batch| replica.apply(batch));
        }
        let told = replica.complete()?;
        if told == held {
            return Ok(());
        }
        let differs = |key: &&_| told.get(*key) != held.get(*key);
        let keys: HashSet<_> = told.keys().chain(held.keys()).filter(differs).collect();
        Err(format!("{keys:?} differ: held {held:?}\ntold {told:?}"))
    }

    fn check_all(&self) -> Result<(), String> {
        for image in &self.images {
            self.check(image, 1)?;
            self.check(image, 2)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Act {
    Line(String),
    Slice(usize),
    Hold(bool),
}

/// Work that makes large collections, carries them about and replaces them.
fn heavy() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    let other = prop::sample::select(vec!["a", "b", "c", "d", "e"]);
    (0..23u8, key, other, 0..6u32, 130..700u32).prop_map(|(kind, key, other, small, many)| {
        let id = format!("1700000000000-{}", small * 7 + many % 7);
        let each = |call: &str| format!("EVAL \"for i=1,{many} do redis.call({call}) end\" 1 {key}");
        match kind {
            0 => each("'HSET',KEYS[1],'f'..i,i"),
            1 => each("'SADD',KEYS[1],'s'..i"),
            2 => each("'ZADD',KEYS[1],i%5,'m'..i"),
            3 => each("'RPUSH',KEYS[1],'i'..(i%40)"),
            4 => each("'LPUSH',KEYS[1],'i'..(i%40)"),
            5 => each("'XADD',KEYS[1],'*','name',i%9"),
            6 => each("'HDEL',KEYS[1],'f'..(2*i)"),
            7 => format!(
                "XREADGROUP GROUP g{small} c{} COUNT {many} STREAMS {key} >",
                many % 3
            ),
            8 => format!("XGROUP DELCONSUMER {key} g{small} c{}", many % 3),
            9 => format!("XCLAIM {key} g{small} c{} 0 {id}", many % 3),
            10 => format!("XACK {key} g{small} {id}"),
            11 => format!("XDEL {key} {id}"),
            12 => format!("XSETID {key} {id}"),
            13 => format!("XTRIM {key} MAXLEN 0"),
            14 => format!("ZINCRBY {key} {small} m{many}"),
            15 => format!("XGROUP CREATE {key} g{small} 0"),
            16 => each(&format!("'XGROUP','CREATECONSUMER',KEYS[1],'g{small}','c'..i")),
            17 => format!("SET {key} {}", "text".repeat(many as usize * 10)),
            18 => format!("APPEND {key} {}", "more".repeat(many as usize * 3)),
            19 => format!("SETRANGE {key} {} middle", many * 40),
            20 => format!("MOVE {key} {}", small % 3),
            _ => format!("RENAME {key} {other}"),
        }
    })
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => step().prop_map(Act::Line),
        8 => heavy().prop_map(Act::Line),
        10 => prop_oneof![3 => 1..1500usize, 1 => 1..20_000usize].prop_map(Act::Slice),
        1 => any::<bool>().prop_map(Act::Hold),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn an_image_and_the_log_since_its_beginning_hold_the_same(
        volatile in prop::option::of(prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..4)),
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut trial = Trial::with_volatile(&volatile.unwrap_or_default());
        for act in acts {
            match act {
                Act::Line(line) => run(&trial.session, &line),
                Act::Hold(is_held) => trial.hold(is_held),
                Act::Slice(budget) => {
                    if trial.slice(budget) {
                        let image = trial.images.last().unwrap();
                        prop_assert_eq!(trial.check(image, 1), Ok(()));
                        trial.begin();
                    }
                }
            }
        }
        trial.finish(300);
        prop_assert_eq!(trial.check_all(), Ok(()));
    }
}
