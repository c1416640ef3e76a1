//! Backups of an engine at work: between any two looks at its files it does something.
//!
//! What a backup holds has to be what the engine held after some unit: no earlier than the last one acknowledged before
//! the backup began, no later than the last one before it ended. Also when a listing of the directory shows some of
//! what happened meanwhile and some not.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use super::{Death, Life, World, number};
use crate::effect::contents;
use crate::engine::Options;
use crate::journal::Fsync;
use crate::journal::backup::{Unpacking, write};
use crate::journal::frozen::Frozen;
use crate::journal::restore::unpack;
use crate::journal::storage::crash::Machine;
use crate::journal::storage::{Readable, Storage, Writable};

thread_local! {
    /// Who works meanwhile.
    static AT_WORK: RefCell<Option<(World, Life)>> = const { RefCell::new(None) };
}

/// Lets the engine do something.
fn meanwhile() {
    AT_WORK.with_borrow_mut(|at_work| {
        if let Some((world, life)) = at_work {
            for _ in 0..world.rng.usize(..4) {
                life.act(world);
            }
        }
    });
}

/// A directory whose owner works between any two calls.
#[derive(Debug)]
struct Busy(Arc<dyn Storage>);

#[derive(Debug)]
struct BusyFile(Box<dyn Readable>);

impl Readable for BusyFile {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        meanwhile();
        // Short reads are allowed, and let more happen in between.
        let room = into.len().min(777);
        self.0.read_at(offset, &mut into[..room])
    }
}

impl Storage for Busy {
    fn names(&self) -> io::Result<Vec<String>> {
        meanwhile();
        let before = self.0.names()?;
        meanwhile();
        let after = self.0.names()?;
        let coin =
            || AT_WORK.with_borrow_mut(|at_work| at_work.as_mut().is_some_and(|(world, _)| world.rng.bool()));
        let mut seen: Vec<String> = before
            .iter()
            .filter(|name| after.contains(name) || coin())
            .cloned()
            .collect();
        seen.extend(after.into_iter().filter(|name| !before.contains(name) && coin()));
        Ok(seen)
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        meanwhile();
        Ok(Box::new(BusyFile(self.0.read(name)?)))
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn Writable>> {
        unreachable!("a backup changes nothing")
    }

    fn append_to(&self, _: &str) -> io::Result<Box<dyn Writable>> {
        unreachable!("a backup changes nothing")
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        unreachable!("a backup changes nothing")
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        unreachable!("a backup changes nothing")
    }

    fn truncate(&self, _: &str, _: u64) -> io::Result<()> {
        unreachable!("a backup changes nothing")
    }

    fn rewrite(&self, _: &str, _: u64) -> io::Result<()> {
        unreachable!("a backup changes nothing")
    }

    fn sync_directory(&self) -> io::Result<()> {
        unreachable!("a backup changes nothing")
    }

    fn free_space(&self) -> io::Result<u64> {
        unreachable!("a backup changes nothing")
    }
}

/// How many backups met another image at their end than at their beginning.
fn check(seed: u64) -> Result<usize, String> {
    let mut world = World::new(seed, Fsync::Always, Death::Power);
    let machine = world.machine.clone();
    let mut life = Life::begin(&world)?;
    let mut images_changed = 0;
    for _ in 0..4 {
        for _ in 0..world.rng.usize(..60) {
            life.act(&mut world);
        }
        let acknowledged = life.acknowledged();
        let image = |machine: &Machine| {
            machine
                .names()
                .into_iter()
                .filter(|name| name.starts_with("image"))
                .max()
        };
        let image_before = image(&machine);
        AT_WORK.set(Some((world, life)));
        let frozen = Frozen::new(&Busy(machine.storage())).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let written = write(&Arc::new(frozen), false, 0, &mut bytes, &mut |_| {});
        (world, life) = AT_WORK.take().unwrap();
        written.map_err(|error| format!("not written: {error}"))?;
        images_changed += usize::from(image(&machine) != image_before);

        let copy = Machine::new(seed);
        let mut from = bytes.as_slice();
        let restored = Unpacking::begin(&mut from)
            .and_then(|mut unpacking| unpack(&mut unpacking, None, copy.storage().as_ref(), 0, &mut |_| {}));
        restored.map_err(|error| format!("not restored: {error}"))?;
        let options = Options::default().clock(world.clock.0.clone()).seed(7);
        let opened = options.open_by_hand(copy.storage(), Box::new(|_| {}));
        let (engine, _writer) = opened.map_err(|error| format!("not opened: {error}"))?;
        let held = contents(engine.shared().lock().databases());
        let found = life.outcomes.iter().rev().find(|(_, outcome)| *outcome == held);
        let Some((found, _)) = found else {
            return Err(format!("what the backup holds was never there\n{held:?}"));
        };
        if *found < acknowledged {
            return Err(format!(
                "{acknowledged:?} was acknowledged, the backup holds {found:?}"
            ));
        }
    }
    Ok(images_changed)
}

/// `OXHERD_BACKUPS` says how many engines are backed up four times each (100), `OXHERD_POWER_SEED` with which seed the
/// first begins.
#[test]
fn a_backup_taken_at_any_moment_is_a_state_that_was_acknowledged() {
    let first = number("OXHERD_POWER_SEED", 1);
    let mut images_changed = 0;
    for seed in first..first + number("OXHERD_BACKUPS", 100) {
        match check(seed) {
            Ok(changed) => images_changed += changed,
            Err(failure) => panic!("OXHERD_POWER_SEED={seed} OXHERD_BACKUPS=1: {failure}"),
        }
    }
    assert!(images_changed > 0, "no image came while a backup was taken");
}
