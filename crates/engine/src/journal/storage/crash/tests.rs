//! The double does what it says: what is synced stays, and what is not may go in every way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use super::*;

fn deaths(write: impl Fn(&dyn Storage)) -> impl Iterator<Item = Machine> {
    (0..400).map(move |seed| {
        let machine = Machine::new(seed);
        write(machine.storage().as_ref());
        machine.crash(&mut fastrand::Rng::with_seed(seed));
        machine
    })
}

#[test]
fn what_is_synced_stays() {
    for machine in deaths(|storage| {
        let mut file = storage.create("file").unwrap();
        file.write(&[1; 2_000]).unwrap();
        file.sync().unwrap();
        storage.sync_directory().unwrap();
        file.write(&[2; 2_000]).unwrap();
    }) {
        let bytes = machine.contents("file").unwrap();
        assert!(bytes.len() >= 2_000 && bytes.starts_with(&[1; 2_000]));
    }
}

#[test]
fn what_is_not_synced_is_there_whole_torn_short_or_not() {
    let mut seen = BTreeSet::new();
    for machine in deaths(|storage| {
        let mut file = storage.create("file").unwrap();
        storage.sync_directory().unwrap();
        file.write(&[1; 1_024]).unwrap();
    }) {
        let bytes = machine.contents("file").unwrap();
        seen.insert(
            match (bytes.len(), bytes.iter().filter(|byte| **byte == 1).count()) {
                (0, _) => "nothing",
                (1_024, 1_024) => "whole",
                (1_024, 0) => "zeros",
                (1_024, 512) => "torn",
                (length, _) if length < 1_024 => "short",
                other => panic!("{other:?}"),
            },
        );
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

#[test]
fn names_that_are_not_synced_may_go_either_way() {
    let mut seen = BTreeSet::new();
    for machine in deaths(|storage| {
        drop(storage.create("old").unwrap());
        storage.sync_directory().unwrap();
        let mut file = storage.create("new.part").unwrap();
        file.write(b"new").unwrap();
        file.sync().unwrap();
        storage.rename("new.part", "new").unwrap();
        storage.remove("old").unwrap();
    }) {
        if let Some(bytes) = machine.contents("new") {
            assert_eq!(bytes, b"new", "its data was synced");
        }
        seen.insert(machine.names());
    }
    let expected: [&[&str]; 6] = [
        &[],
        &["new"],
        &["new", "old"],
        &["new.part"],
        &["new.part", "old"],
        &["old"],
    ];
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_failed_sync_loses_what_no_later_sync_writes() {
    let mut is_lost = false;
    for seed in 0..20 {
        let machine = Machine::new(seed);
        let storage = machine.storage();
        let mut file = storage.create("file").unwrap();
        storage.sync_directory().unwrap();
        machine.fail(Some(Call::Sync), 0, Fault::Io);
        file.write(&[1; 100]).unwrap();
        assert!(file.sync().is_err());
        file.sync().unwrap();
        let was_seen = machine.contents("file").unwrap() == [1; 100];
        machine.crash(&mut fastrand::Rng::with_seed(seed));
        let is_there = machine.contents("file").unwrap() == [1; 100];
        is_lost |= was_seen && !is_there;
        assert!(was_seen || !is_there);
        assert!(file.write(b"x").is_err(), "it was open in another life");
    }
    assert!(is_lost);
}

#[test]
fn a_process_that_is_killed_has_written_what_it_wrote() {
    let machine = Machine::new(1);
    machine.storage().create("file").unwrap().write(b"abc").unwrap();
    machine.kill();
    assert_eq!(machine.contents("file").unwrap(), b"abc");
}

#[test]
fn calls_fail_when_they_are_told_to_and_are_counted() {
    let machine = Machine::new(3);
    let storage = machine.storage();
    let mut file = storage.create("file").unwrap();
    machine.fail(Some(Call::Write), 1, Fault::NoSpace);
    file.write(&[1; 10]).unwrap();
    let full = file.write(&[1; 10]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    file.write(&[1; 10]).unwrap();
    assert_eq!(machine.calls(Some(Call::Write)), 3);
    assert_eq!(machine.calls(None), 4);

    machine.fail(None, 0, Fault::PowerCut);
    assert!(file.sync().is_err());
    assert!(storage.names().is_err());
    machine.kill();
    assert!(machine.storage().names().is_ok());
}

#[test]
fn a_disk_that_is_full_takes_what_fits() {
    let machine = Machine::new(3);
    machine.set_capacity(Some(15));
    let storage = machine.storage();
    let mut file = storage.create("file").unwrap();
    file.write(&[1; 10]).unwrap();
    assert_eq!(storage.free_space().unwrap(), 5);
    assert!(file.write(&[1; 10]).is_err());
    assert_eq!(machine.contents("file").unwrap().len(), 15);
    storage.remove("file").unwrap();
    assert_eq!(storage.free_space().unwrap(), 15);
}
