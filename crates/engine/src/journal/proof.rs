//! Whole engines on a machine whose power fails: what was acknowledged is there, and no unit by half.
//!
//! The journal's thread is driven by hand, so a run follows from its seed alone. Every unit's outcome is kept; after a
//! cut the directory is read again and has to be what the engine held after some unit, no earlier than the last one
//! acknowledged. `OXHERD_POWER_CUTS` says how many cuts (300), `OXHERD_POWER_SEED` with which seed the first begins.

mod backups;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::aside::Aside;
use super::snapshot::{Snapshot, Step};
use super::storage::crash::{Fault, Machine, Sync};
use super::writer::{Request, Writer};
use super::{Fsync, Sequence};
use crate::clock::{Clock, ManualClock};
use crate::effect::tests::step;
use crate::effect::{Contents, contents};
use crate::engine::{Engine, Options};
use crate::testing::Session;

/// An engine from its start to its end.
struct Life {
    session: Session,
    writer: Writer,
    asides: Arc<Mutex<Vec<Aside>>>,
    snapshot: Option<Snapshot>,
    /// What the engine held after each unit that changed something.
    outcomes: Vec<(Sequence, Contents)>,
}

/// One machine, and what runs on it one after the other.
struct World {
    machine: Machine,
    clock: (Clock, ManualClock),
    fsync: Fsync,
    rng: Rng,
    lines: TestRunner,
    log: Vec<String>,
}

impl Life {
    fn begin(world: &World) -> Result<Self, String> {
        let asides = Arc::<Mutex<Vec<Aside>>>::default();
        let given = Arc::clone(&asides);
        let (clock, hands) = world.clock.clone();
        let options = Options::default().clock(clock).seed(7).fsync(world.fsync);
        let helper = Box::new(move |aside| given.lock().unwrap().push(aside));
        let opened = options.open_by_hand(world.machine.storage(), helper);
        let (engine, writer) = opened.map_err(|error| format!("not opened: {error}"))?;
        // Before the first client comes: what is due goes with its first unit.
        let read = {
            let core = engine.shared().lock();
            (core.sequence(), contents(core.databases()))
        };
        let mut life = Self {
            session: Session::on(engine, hands),
            writer,
            asides,
            snapshot: None,
            outcomes: vec![read],
        };
        life.note();
        Ok(life)
    }

    fn engine(&self) -> &Engine {
        self.session.engine()
    }

    /// Keeps what the engine holds, if that is new.
    fn note(&mut self) {
        let core = self.session.engine().shared().lock();
        let sequence = core.sequence();
        // When the journal has failed, the engine holds what it could read again; that is no outcome of a unit.
        if !core.is_in_trouble() && self.outcomes.last().is_none_or(|(last, _)| *last != sequence) {
            self.outcomes.push((sequence, contents(core.databases())));
        }
    }

    fn acknowledged(&self) -> Sequence {
        self.engine().shared().progress().unwrap().durable()
    }

    /// Does something at random.
    fn act(&mut self, world: &mut World) {
        match world.rng.u8(..20) {
            0..=2 => {
                world.log.push("keep".to_owned());
                self.writer.keep();
            }
            3 => {
                world.log.push("image".to_owned());
                let (answer, _) = std::sync::mpsc::sync_channel(1);
                self.writer.serve(Request::Image(answer));
            }
            4..=6 => self.help(world),
            7 => {
                world.log.push("flush".to_owned());
                let (answer, _) = std::sync::mpsc::sync_channel(1);
                self.writer.serve(Request::Flush(answer));
            }
            _ => {
                let line = step().new_tree(&mut world.lines).unwrap().current();
                match line.strip_prefix("advance ") {
                    Some(millis) => self.session.pass(millis.parse().unwrap()),
                    None => drop(self.session.ask(&line)),
                }
                world.log.push(line);
                self.note();
            }
        }
    }

    /// Goes on with an image, or removes what is outdated.
    fn help(&mut self, world: &mut World) {
        for aside in self.asides.lock().unwrap().drain(..) {
            match aside {
                Aside::Image(snapshot) => self.snapshot = Some(snapshot.with_budget(world.rng.usize(1..400))),
                Aside::Remove(outdated) => drop(outdated.remove()),
            }
        }
        let Some(mut snapshot) = self.snapshot.take() else {
            return;
        };
        world.log.push("slice".to_owned());
        let taken = match snapshot.step() {
            Ok(Step::More(_)) => {
                self.snapshot = Some(snapshot);
                return;
            }
            Ok(Step::Over(needs)) => snapshot.finish(needs),
            Ok(Step::Gone) => return,
            Err(error) => Err(error),
        };
        world.log.push("adopt".to_owned());
        self.writer.serve(Request::Taken(taken));
        self.note();
    }
}

impl World {
    fn new(seed: u64, fsync: Fsync) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let lines = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        fastrand::seed(seed);
        Self {
            machine: Machine::new(seed),
            clock: Clock::manual(std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000)),
            fsync,
            rng: Rng::with_seed(seed),
            lines: TestRunner::new_with_rng(Config::default(), lines),
            log: Vec::new(),
        }
    }

    /// Lives, loses power and looks what is left, so many times.
    fn check(&mut self, cuts: usize) -> Result<(), String> {
        let mut before: Option<(Vec<(Sequence, Contents)>, Sequence)> = None;
        for _ in 0..=cuts {
            let mut life = Life::begin(self)?;
            if let Some((outcomes, acknowledged)) = &before {
                let held = &life.outcomes[0].1;
                let found = outcomes.iter().rev().find(|(_, outcome)| outcome == held);
                let Some((found, _)) = found else {
                    return Err(format!("what is there was never there\n{held:?}"));
                };
                // The same may have been there more than once: the latest counts.
                if found < acknowledged {
                    let promised = outcomes.iter().rfind(|(sequence, _)| sequence <= acknowledged);
                    let promised = promised.map(|(_, outcome)| difference(outcome, held));
                    return Err(format!(
                        "{acknowledged:?} was acknowledged, {found:?} is there: {promised:?}"
                    ));
                }
            }
            if self.rng.bool() {
                let call = self.rng.u64(..40);
                let faults = [
                    Fault::PowerCut,
                    Fault::PowerCut,
                    Fault::Io,
                    Fault::NoSpace,
                    Fault::ReadOnly,
                ];
                let fault = faults[self.rng.usize(..faults.len())];
                self.log.push(format!("{fault:?} at call {call}"));
                self.machine.fail(None, call, fault);
            }
            for _ in 0..self.rng.usize(1..40) {
                life.act(self);
            }
            let acknowledged = life.acknowledged();
            let outcomes = std::mem::take(&mut life.outcomes);
            self.log.push("power cut".to_owned());
            self.machine.crash(&mut self.rng);
            // A file system that has become read-only is mounted again.
            self.machine.set_read_only(false);
            drop(life);
            before = Some((outcomes, acknowledged));
        }
        Ok(())
    }
}

/// The keys of which two outcomes think differently.
fn difference<'a>(one: &'a Contents, other: &'a Contents) -> Vec<(&'a (usize, Vec<u8>), String)> {
    let keys = one.keys().chain(other.keys());
    let differ = keys.filter(|key| one.get(*key) != other.get(*key));
    differ
        .map(|key| (key, format!("{:?} and {:?}", one.get(key), other.get(key))))
        .collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Runs until so many cuts were survived; the first failure is told with its seed.
fn check(fsync: Fsync, forget: Option<fn(&Sync<'_>) -> bool>, cuts: u64) -> Result<(), String> {
    const EACH: usize = 5;
    let first = number("OXHERD_POWER_SEED", 1);
    for seed in first..first + cuts.div_ceil(EACH as u64) {
        let mut world = World::new(seed, fsync);
        if let Some(forget) = forget {
            world.machine.forget(forget);
        }
        if let Err(failure) = world.check(EACH) {
            return Err(format!(
                "OXHERD_POWER_SEED={seed} OXHERD_POWER_CUTS=1: {failure}\n{}",
                world.log.join("\n")
            ));
        }
    }
    Ok(())
}

#[test]
fn whatever_was_acknowledged_survives_the_loss_of_power() {
    check(Fsync::Always, None, number("OXHERD_POWER_CUTS", 300)).unwrap();
}

#[test]
fn without_a_sync_for_each_group_whole_units_survive_up_to_the_last_sync() {
    check(Fsync::EverySecond, None, number("OXHERD_POWER_CUTS", 300)).unwrap();
    check(Fsync::Never, None, number("OXHERD_POWER_CUTS", 300)).unwrap_err();
}

#[test]
fn a_sync_that_is_left_out_is_noticed() {
    check(Fsync::Always, Some(|sync| matches!(sync, Sync::File { .. })), 300).unwrap_err();
    check(
        Fsync::Always,
        Some(|sync| matches!(sync, Sync::Directory { .. })),
        300,
    )
    .unwrap_err();
}
