//! Whole engines on a machine whose power fails: what was acknowledged is there, and no unit by half.
//!
//! The journal's thread is driven by hand, so a run follows from its seed alone. Every unit's outcome is kept; after a
//! cut the directory is read again and has to be what the engine held after some unit, no earlier than the last one
//! acknowledged. Each engine has volatile keys of its own, which nobody may find on the disk. `OXHERD_POWER_CUTS` says how many cuts (300), `OXHERD_POWER_SEED` with which seed the first begins.

mod backups;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::aside::Aside;
use super::snapshot::{Snapshot, Step};
use super::storage::crash::{Call, Fault, Machine, Sync};
use super::writer::{Request, Writer};
use super::{Fsync, Sequence};
use crate::clock::{Clock, ManualClock};
use crate::effect::replica::without;
use crate::effect::tests::step;
use crate::effect::{Contents, Volatile, contents};
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
    has_fallen_back: bool,
}

/// One machine, and what runs on it one after the other.
struct World {
    machine: Machine,
    clock: (Clock, ManualClock),
    fsync: Fsync,
    death: Death,
    rng: Rng,
    lines: TestRunner,
    /// Which keys are volatile in the present life.
    volatile: Vec<String>,
    leaves_out: Option<Omission>,
    log: Vec<String>,
}

/// What may be left out, so that it is seen to be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Omission {
    /// A key that was kept and is volatile at the next start is not told to be gone.
    Drops,
    /// A value that becomes volatile is not told to be gone.
    Departures,
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// Power is lost: what was acknowledged as durable must be there.
    Power,
    /// The process is killed, after a write may have failed: what was written must be there.
    Kill,
}

impl Life {
    fn begin(world: &World) -> Result<Self, String> {
        let asides = Arc::<Mutex<Vec<Aside>>>::default();
        let given = Arc::clone(&asides);
        let (clock, hands) = world.clock.clone();
        let mut options = Options::default().clock(clock).seed(7).fsync(world.fsync);
        options = options.volatile(world.volatile.iter().cloned());
        options.forgets_drops = world.leaves_out == Some(Omission::Drops);
        let helper = Box::new(move |aside| given.lock().unwrap().push(aside));
        let opened = options.open_by_hand(world.machine.storage(), helper);
        let (engine, writer) = opened.map_err(|error| format!("not opened: {error}"))?;
        // Before the first client comes: what is due goes with its first unit.
        let read = {
            let mut core = engine.shared().lock();
            core.effects.forgets_departures = world.leaves_out == Some(Omission::Departures);
            (core.sequence(), contents(core.databases()))
        };
        let mut life = Self {
            session: Session::on(engine, hands),
            writer,
            asides,
            snapshot: None,
            outcomes: vec![read],
            has_fallen_back: false,
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
            let kept = without(core.volatile(), contents(core.databases()));
            self.outcomes.push((sequence, kept));
        }
    }

    fn volatile(&self) -> Volatile {
        self.engine().shared().lock().volatile().clone()
    }

    fn acknowledged(&self) -> Sequence {
        self.engine().shared().progress().unwrap().durable()
    }

    /// What the engine holds after a failure of the journal must be what it held before, no earlier than `promised`.
    fn check_fallback(&self, promised: Sequence) -> Result<(), String> {
        let core = self.engine().shared().lock();
        let held = contents(core.databases());
        let found = self.outcomes.iter().rev().find(|(_, outcome)| *outcome == held);
        match found {
            Some((found, _)) if *found >= promised => Ok(()),
            found => {
                let found = found.map(|(found, _)| found);
                Err(format!(
                    "{promised:?} was promised, {found:?} is served after the failure"
                ))
            }
        }
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
    fn new(seed: u64, fsync: Fsync, death: Death) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let lines = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        fastrand::seed(seed);
        Self {
            machine: Machine::new(seed),
            clock: Clock::manual(std::time::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000)),
            fsync,
            death,
            rng: Rng::with_seed(seed),
            lines: TestRunner::new_with_rng(Config::default(), lines),
            volatile: Vec::new(),
            leaves_out: None,
            log: Vec::new(),
        }
    }

    /// Other keys are volatile from here on, or none.
    fn choose_volatile(&mut self) {
        let keys = ["a", "b", "c", "d", "e"].map(str::to_owned);
        self.volatile.clear();
        if self.rng.u8(..4) > 0 {
            let some = keys.into_iter().filter(|_| self.rng.u8(..3) == 0);
            self.volatile.extend(some);
        }
        self.log.push(format!("volatile: {:?}", self.volatile));
    }

    /// Lets a call fail some time.
    fn arm(&mut self) {
        let faults = match self.death {
            Death::Power => &[
                Fault::PowerCut,
                Fault::PowerCut,
                Fault::Io,
                Fault::NoSpace,
                Fault::ReadOnly,
            ][..],
            Death::Kill => &[Fault::Io, Fault::NoSpace],
        };
        let fault = faults[self.rng.usize(..faults.len())];
        let (kind, call) = match self.death {
            Death::Power => (None, self.rng.u64(..40)),
            Death::Kill => (Some(Call::Write), self.rng.u64(..8)),
        };
        self.log.push(format!("{fault:?} at call {call}"));
        self.machine.fail(kind, call, fault);
    }

    /// Lives, loses power and looks what is left, so many times.
    fn check(&mut self, cuts: usize) -> Result<(), String> {
        let mut before: Option<(Vec<(Sequence, Contents)>, Sequence)> = None;
        for _ in 0..=cuts {
            self.choose_volatile();
            let mut life = Life::begin(self)?;
            if let Some((outcomes, acknowledged)) = &before {
                let held = &life.outcomes[0].1;
                let volatile = life.volatile();
                let is_held = |outcome: &Contents| without(&volatile, outcome.clone()) == *held;
                let found = outcomes.iter().rev().find(|(_, outcome)| is_held(outcome));
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
                self.arm();
            }
            for _ in 0..self.rng.usize(1..40) {
                life.act(self);
                // At once, before more expires.
                if !life.has_fallen_back && life.engine().shared().lock().has_fallen_back() {
                    life.has_fallen_back = true;
                    life.check_fallback(match self.death {
                        Death::Power => life.acknowledged(),
                        Death::Kill => life.writer.written(),
                    })?;
                }
            }
            let acknowledged = match self.death {
                Death::Power => life.acknowledged(),
                Death::Kill => life.writer.written(),
            };
            let outcomes = std::mem::take(&mut life.outcomes);
            self.log.push(format!("{:?}", self.death));
            match self.death {
                Death::Power => self.machine.crash(&mut self.rng),
                Death::Kill => self.machine.kill(),
            }
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
    run(fsync, Death::Power, forget, cuts)
}

fn run(fsync: Fsync, death: Death, forget: Option<fn(&Sync<'_>) -> bool>, cuts: u64) -> Result<(), String> {
    const EACH: usize = 5;
    let first = number("OXHERD_POWER_SEED", 1);
    for seed in first..first + cuts.div_ceil(EACH as u64) {
        let mut world = World::new(seed, fsync, death);
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
fn a_key_that_becomes_volatile_and_is_not_told_to_be_gone_is_noticed() {
    for omission in [Omission::Drops, Omission::Departures] {
        let is_noticed = |seed| {
            let mut world = World::new(seed, Fsync::Always, Death::Power);
            world.leaves_out = Some(omission);
            world.check(5).is_err()
        };
        let noticed = (1..600).filter(|seed| is_noticed(*seed)).count();
        assert!(noticed > 5, "{omission:?} was noticed {noticed} times");
    }
}

#[test]
fn whatever_was_written_survives_the_end_of_the_process_and_a_write_that_fails() {
    let kills = number("OXHERD_POWER_CUTS", 300);
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        run(fsync, Death::Kill, None, kills).unwrap();
    }
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
