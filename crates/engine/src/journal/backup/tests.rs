//! Backups and what becomes of them, on a machine whose power fails.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::target::Target;
use super::{Unpacking, Written, write};
use crate::clock::Clock;
use crate::effect::{Contents, contents};
use crate::engine::Options;
use crate::journal::error::JournalError;
use crate::journal::frozen::Frozen;
use crate::journal::restore::{RestoreReport, unpack};
use crate::journal::storage::crash::{Fault, Machine};
use crate::journal::survey::Survey;
use crate::testing::Session;

const IMAGE: &str = "image-0000000000000001";
const OLDER: &str = "log-0000000000000001";

/// What a machine's directory holds, to an engine that starts there.
fn held(machine: &Machine) -> Result<Contents, JournalError> {
    let (clock, _) = clock();
    let options = Options::default().clock(clock).seed(7);
    let (engine, _writer) = options.open_by_hand(machine.storage(), Box::new(|_| {}))?;
    let held = contents(engine.shared().lock().databases());
    Ok(held)
}

fn clock() -> (Clock, crate::clock::ManualClock) {
    Clock::manual(UNIX_EPOCH + Duration::from_millis(1_700_000_000_000))
}

/// Lets an engine do something, and takes an image at the end, if asked.
fn work(machine: &Machine, commands: &[&str], then_image: bool) {
    let (clock, hands) = clock();
    let engine = Options::default().clock(clock).seed(7);
    let engine = engine.open_on(machine.storage()).unwrap();
    let session = Session::on(engine, hands);
    for command in commands {
        drop(session.ask(command));
        session.engine().flush().unwrap();
    }
    if then_image {
        session.engine().compact().unwrap();
    }
}

/// An image, and a log behind it.
fn filled() -> Machine {
    let machine = Machine::new(1);
    work(
        &machine,
        &["SET a 1", "RPUSH list x y z", "SELECT 3", "HSET h f v"],
        true,
    );
    work(
        &machine,
        &["ZADD z 1.5 m", "XADD s 1-1 f v", "PEXPIRE list 100000"],
        false,
    );
    work(&machine, &["SET b 2", "SET c 3"], false);
    machine
}

fn back_up_with(machine: &Machine, may_salvage: bool) -> Result<(Vec<u8>, Written), JournalError> {
    let frozen = Arc::new(Frozen::new(machine.storage().as_ref())?);
    let mut bytes = Vec::new();
    let written = write(&frozen, may_salvage, 5, &mut bytes, &mut |_| {})?;
    assert_eq!(written.bytes, bytes.len() as u64);
    Ok((bytes, written))
}

fn back_up(machine: &Machine) -> Vec<u8> {
    back_up_with(machine, false).unwrap().0
}

fn restore(mut bytes: &[u8], machine: &Machine) -> Result<RestoreReport, JournalError> {
    let mut unpacking = Unpacking::begin(&mut bytes)?;
    unpack(&mut unpacking, None, machine.storage().as_ref(), 0, &mut |_| {})
}

fn is_new(machine: &Machine) -> bool {
    Survey::list(machine.names()).is_new()
}

#[test]
fn a_backup_is_restored_byte_for_byte() {
    let machine = filled();
    let bytes = back_up(&machine);
    let copy = Machine::new(2);
    let report = restore(&bytes, &copy).unwrap();
    assert_eq!(
        (report.files, report.keys, report.taken_at, report.is_salvaged),
        (2, 7, 5, false)
    );
    for name in Survey::list(machine.names()).state() {
        assert_eq!(copy.contents(&name), machine.contents(&name), "{name}");
    }
    assert_eq!(held(&copy).unwrap(), held(&machine).unwrap());
}

#[test]
fn large_records_go_through_in_pieces() {
    let machine = Machine::new(1);
    let large = format!("SET large {}", "x".repeat(3_500_000));
    work(&machine, &["SET small 1", &large, "SET other 2"], false);
    let bytes = back_up(&machine);
    let copy = Machine::new(2);
    assert_eq!(restore(&bytes, &copy).unwrap().keys, 3);
    assert_eq!(held(&copy).unwrap(), held(&machine).unwrap());
}

#[test]
fn every_bit_of_a_backup_counts() {
    let machine = filled();
    let whole = back_up(&machine);
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let copy = Machine::new(2);
        let refused = restore(&bytes, &copy);
        assert!(
            matches!(refused, Err(JournalError::Backup { .. })),
            "bit {bit}: {refused:?}"
        );
        assert_eq!(copy.names(), [""; 0], "bit {bit}");
    }
}

#[test]
fn a_backup_that_was_cut_off_or_goes_on_is_refused() {
    let machine = filled();
    let mut whole = back_up(&machine);
    for length in 0..whole.len() {
        let refused = restore(&whole[..length], &Machine::new(2)).unwrap_err();
        assert!(
            refused.to_string().contains("it was cut off"),
            "{length}: {refused}"
        );
    }
    whole.push(0);
    let refused = restore(&whole, &Machine::new(2)).unwrap_err().to_string();
    let end = whole.len() - 1;
    assert_eq!(
        refused,
        format!("the backup is damaged at byte {end}: something follows its end")
    );
    let refused = restore(b"no backup at all", &Machine::new(2)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the backup is damaged at byte 0: it is no backup of a store"
    );
}

#[test]
fn a_newer_backup_says_so() {
    let mut bytes = back_up(&filled());
    bytes[8] = 2;
    bytes[12..16].fill(0);
    let check = crc32c::crc32c(&bytes[..48]);
    bytes[12..16].copy_from_slice(&check.to_le_bytes());
    let refused = restore(&bytes, &Machine::new(2)).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the backup has format version 2, and this program knows version 1 alone"
    );
}

/// Ends a restore at every call it makes; what is there then is nothing, or refused, or everything.
fn end_restores(fault: Fault, is_power_lost: bool) {
    for machine in [filled(), three_segments()] {
        end_restores_of(&machine, fault, is_power_lost);
    }
}

fn end_restores_of(machine: &Machine, fault: Fault, is_power_lost: bool) {
    let bytes = back_up(machine);
    let whole = held(machine).unwrap();
    let mut ends = [0; 3];
    for seed in 0..20 {
        for call in 0.. {
            let copy = Machine::new(seed);
            copy.fail(None, call, fault);
            let outcome = restore(&bytes, &copy);
            if is_power_lost {
                copy.crash(&mut fastrand::Rng::with_seed(seed * 1000 + call));
            } else {
                copy.kill();
            }
            copy.set_read_only(false);
            let is_whole = match held(&copy) {
                Err(JournalError::Damaged(damage)) => {
                    assert!(damage.what.contains("missing"), "call {call}: {damage}");
                    ends[0] += 1;
                    false
                }
                Ok(held) if held.is_empty() => {
                    ends[1] += 1;
                    false
                }
                held => {
                    assert_eq!(held.unwrap(), whole, "call {call}");
                    ends[2] += 1;
                    true
                }
            };
            assert!(outcome.is_err() || is_whole, "call {call}: told, and not kept");
            if outcome.is_ok() {
                break;
            }
        }
    }
    assert!(ends.iter().all(|end| *end > 0), "{ends:?}");
}

#[test]
fn a_restore_that_loses_power_leaves_nothing_or_everything() {
    end_restores(Fault::PowerCut, true);
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_or_everything() {
    end_restores(Fault::PowerCut, false);
}

#[test]
fn a_restore_that_fails_leaves_nothing_or_everything() {
    end_restores(Fault::Io, false);
    end_restores(Fault::NoSpace, false);
}

/// Ends a backup at every call its file takes.
fn end_backups(fault: Fault, is_power_lost: bool, before: Option<&[u8]>) {
    let machine = filled();
    let frozen = Arc::new(Frozen::new(machine.storage().as_ref()).unwrap());
    let whole = back_up(&machine);
    let mut was_whole = false;
    for seed in 0..20 {
        for call in 0.. {
            let target = Machine::new(seed);
            if let Some(before) = before {
                target.put("backup", before);
            }
            target.fail(None, call, fault);
            let storage = target.storage();
            let outcome = Target::begin(storage, "backup", before.is_some(), None).and_then(|mut file| {
                write(&frozen, false, 5, &mut file, &mut |_| {})?;
                file.publish()
            });
            if is_power_lost {
                target.crash(&mut fastrand::Rng::with_seed(seed * 1000 + call));
            } else {
                target.kill();
            }
            let there = target.contents("backup");
            was_whole |= there.as_ref() == Some(&whole);
            let is_before = there.as_deref() == before;
            assert!(is_before || there.as_ref() == Some(&whole), "call {call}");
            assert!(outcome.is_err() || there.as_ref() == Some(&whole), "call {call}");
            if outcome.is_ok() {
                break;
            }
        }
    }
    assert!(was_whole);
}

#[test]
fn a_backup_that_ends_early_leaves_nothing_or_everything_under_its_name() {
    end_backups(Fault::PowerCut, true, None);
    end_backups(Fault::PowerCut, false, None);
    end_backups(Fault::Io, false, None);
    end_backups(Fault::PowerCut, true, Some(b"the backup of yesterday"));
}

#[test]
fn a_file_is_replaced_only_when_that_is_asked_for() {
    let target = Machine::new(1);
    target.put("backup", b"the backup of yesterday");
    let refused = Target::begin(target.storage(), "backup", false, None).unwrap_err();
    assert_eq!(refused.to_string(), "backup is there already");
    assert_eq!(target.names(), ["backup"]);
    // What a killed process had left is written over.
    target.put("backup.part", b"half a backup, longer than the new one");
    let mut file = Target::begin(target.storage(), "backup", true, None).unwrap();
    std::io::Write::write_all(&mut file, b"new").unwrap();
    file.publish().unwrap();
    assert_eq!(target.contents("backup").unwrap(), b"new");
    assert_eq!(target.names(), ["backup"]);
}

#[test]
fn what_a_start_would_cut_off_is_not_in_a_backup() {
    let machine = filled();
    let whole = held(&machine).unwrap();
    let mut torn = machine.contents(OLDER).unwrap();
    torn.extend_from_slice(&[7; 5]);
    machine.put(OLDER, &torn);
    let copy = Machine::new(2);
    restore(&back_up(&machine), &copy).unwrap();
    assert_eq!(held(&copy).unwrap(), whole);
}

/// A log of three segments; in each, two keys were set.
fn three_segments() -> Machine {
    let machine = Machine::new(1);
    for (one, other) in [("a", "b"), ("c", "d"), ("e", "f")] {
        work(
            &machine,
            &[&format!("SET {one} 1"), &format!("SET {other} 1")],
            false,
        );
        // An image that is given up leaves a segment that begins with it.
        if one != "e" {
            let opening = crate::journal::directory::Directory::open(machine.storage()).unwrap();
            let (mut directory, _) = opening.finish().unwrap();
            drop(directory.begin_image().unwrap());
            directory.close().unwrap();
        }
    }
    machine
}

#[test]
fn a_damaged_state_is_refused_unless_what_is_whole_is_enough() {
    let segment = |number: u64| format!("log-{number:016x}");
    for (damage, keys, message) in [
        (Some((2, 60)), 4, "log-0000000000000002 is damaged at byte 48"),
        (Some((1, 60)), 2, "log-0000000000000001 is damaged at byte 48"),
        (
            Some((1, 9)),
            2,
            "log-0000000000000001 is damaged at byte 0: its header",
        ),
        (None, 2, "log-0000000000000001 is missing"),
    ] {
        let machine = three_segments();
        match damage {
            Some((number, byte)) => machine.flip(&segment(number), byte * 8),
            None => machine.storage().remove(&segment(1)).unwrap(),
        }
        let refused = back_up_with(&machine, false).unwrap_err().to_string();
        assert!(refused.starts_with(message), "{refused}");
        let (bytes, written) = back_up_with(&machine, true).unwrap();
        let missing = written.missing.unwrap().to_string();
        assert!(missing.starts_with(message), "{missing}");
        let copy = Machine::new(2);
        let report = restore(&bytes, &copy).unwrap();
        assert_eq!((report.keys, report.is_salvaged), (keys, true), "{message}");
        assert_eq!(held(&copy).unwrap().len() as u64, keys);
        assert!(held(&machine).is_err(), "nothing was mended");
    }
}

#[test]
fn of_a_damaged_image_nothing_is_salvaged() {
    let machine = filled();
    machine.flip(IMAGE, 60 * 8);
    let refused = back_up_with(&machine, true).unwrap_err().to_string();
    assert!(
        refused.starts_with("image-0000000000000001 is damaged at byte 48"),
        "{refused}"
    );
}

#[test]
fn an_image_is_enough_if_nothing_happened_while_it_was_taken() {
    for spoil in [
        |machine: &Machine| machine.storage().remove(OLDER).unwrap(),
        |machine: &Machine| machine.put(OLDER, b""),
        |machine: &Machine| machine.flip(OLDER, 60 * 8),
    ] {
        let machine = filled();
        spoil(&machine);
        assert!(back_up_with(&machine, false).is_err());
        let (bytes, written) = back_up_with(&machine, true).unwrap();
        assert!(written.missing.is_some());
        let copy = Machine::new(2);
        assert_eq!(restore(&bytes, &copy).unwrap().keys, 3);
        work(&copy, &["SET new 1"], false);
        assert_eq!(held(&copy).unwrap().len(), 4);
    }

    let machine = Machine::new(1);
    let mut directory = crate::journal::directory::Directory::open(machine.storage())
        .unwrap()
        .finish()
        .unwrap()
        .0;
    let image = directory.begin_image().unwrap();
    let mut draft = crate::journal::frame::Draft::new();
    directory.log().append(5, &mut draft).unwrap();
    drop(directory.adopt(image.finish(5).unwrap()).unwrap());
    drop(directory);
    machine.storage().remove(OLDER).unwrap();
    let refused = back_up_with(&machine, true).unwrap_err().to_string();
    assert!(refused.contains("its image needs it up to 5"), "{refused}");
}

#[test]
fn a_restore_goes_over_what_one_before_had_left() {
    let machine = filled();
    let copy = Machine::new(2);
    copy.put(
        "image-0000000000000001.part",
        b"half an image, and then some more of it that must not stay",
    );
    restore(&back_up(&machine), &copy).unwrap();
    assert_eq!(held(&copy).unwrap(), held(&machine).unwrap());
    assert!(!is_new(&copy));
}
