//! Calls that fail: each failure is told once, nothing is tried again, and what is there afterwards is right.

use super::super::directory::Directory;
use super::super::error::JournalError;
use super::super::storage::crash::{Call, Fault, Machine};
use super::power::TOUR;
use super::scene::{Scene, Step, Trouble, draft};

/// Does the tour as a program would that goes on without an image but not without a log.
fn tour(scene: &mut Scene) -> bool {
    for step in TOUR {
        match scene.work(*step) {
            Ok(()) => {}
            Err(JournalError::HasFailed) => panic!("it was told before"),
            Err(_) if scene.log_has_failed() => {
                for step in [
                    Step::Append { units: 1, length: 1 },
                    Step::Sync,
                    Step::Mark,
                    Step::BeginImage,
                ] {
                    let refused = scene.work(step);
                    assert!(
                        matches!(refused, Err(JournalError::HasFailed)),
                        "{step:?}: {refused:?}"
                    );
                }
                return false;
            }
            Err(_) => scene.give_image_up(),
        }
    }
    true
}

fn calls_of_the_tour() -> u64 {
    let mut scene = Scene::new(0);
    scene.open().unwrap();
    assert!(tour(&mut scene));
    scene.machine.calls(None)
}

#[test]
fn every_call_may_fail() {
    let calls = calls_of_the_tour();
    for fault in [Fault::Io, Fault::NoSpace, Fault::ReadOnly] {
        for n in 0..calls {
            for seed in 0..12 {
                let mut scene = Scene::new(seed);
                scene.machine.fail(None, n, fault);
                fail_and_come_back(&mut scene, seed).unwrap_or_else(|broken| {
                    panic!("{fault:?} at call {n}, seed {seed}: {broken}");
                });
            }
        }
    }
}

fn fail_and_come_back(scene: &mut Scene, seed: u64) -> Result<(), String> {
    match scene.open() {
        Ok(_) => {
            tour(scene);
        }
        Err(Trouble::Failed(JournalError::Storage { .. })) => {}
        Err(other) => return Err(format!("{other:?}")),
    }
    scene.machine.set_read_only(false);
    // The process ends, another finds what the system holds; then power is lost.
    let between: &[Step] = match seed % 3 {
        0 => &[],
        1 => &[Step::Kill],
        _ => &[
            Step::Kill,
            Step::Append {
                units: 1,
                length: 600,
            },
            Step::Sync,
        ],
    };
    between.iter().try_for_each(|step| scene.step(*step))?;
    scene.step(Step::Crash)?;
    scene.step(Step::Append {
        units: 1,
        length: 600,
    })?;
    scene.step(Step::Sync)?;
    scene.step(Step::Crash)
}

#[test]
fn a_full_disk_is_told_and_takes_nothing_more() {
    for capacity in 0..6_000 {
        let mut scene = Scene::new(capacity);
        scene.machine.set_capacity(Some(capacity));
        let is_open = scene.open().is_ok();
        let is_done = is_open && tour(&mut scene);
        assert!(!is_done || capacity > 3_000, "{capacity}");
        scene.machine.set_capacity(None);
        scene.step(Step::Crash).unwrap();
    }
}

#[test]
fn what_was_refused_does_not_come_back_once_it_is_discarded() {
    for (call, fault) in [
        (Call::Sync, Fault::Io),
        (Call::Write, Fault::NoSpace),
        (Call::Write, Fault::Io),
    ] {
        for seed in 0..20 {
            let machine = Machine::new(seed);
            let open = || Directory::open(machine.storage()).unwrap().finish().unwrap();
            let mut directory = open().0;
            directory.log().append(1, &mut draft(b"kept")).unwrap();
            directory.log().sync().unwrap();
            machine.fail(Some(call), 0, fault);
            let written = directory.log().append(2, &mut draft(&[7; 2_000]));
            let refused = written.and_then(|()| directory.log().sync()).unwrap_err();
            assert!(matches!(refused, JournalError::Storage { .. }), "{refused}");
            directory.log().discard_unsynced().unwrap();
            assert!(directory.log().has_failed());
            machine.kill();
            let (mut directory, recovered) = open();
            assert_eq!((recovered.last, recovered.cut), (1, None));
            directory.log().append(2, &mut draft(b"another")).unwrap();
            directory.log().sync().unwrap();
        }
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_and_left_as_it_is() {
    let machine = Machine::new(1);
    machine.set_read_only(true);
    let refused = Directory::open(machine.storage()).unwrap().finish().unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("cannot begin log-0000000000000000: "),
        "{refused}"
    );
    let JournalError::Storage { source, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    assert!(machine.names().is_empty());
}

#[test]
fn groups_keep_their_order() {
    let machine = Machine::new(1);
    let (mut directory, recovered) = Directory::open(machine.storage()).unwrap().finish().unwrap();
    assert!(recovered.is_new);
    directory.log().append(5, &mut draft(b"five")).unwrap();
    let refused = directory.log().append(5, &mut draft(b"again")).unwrap_err();
    assert!(matches!(refused, JournalError::OutOfOrder { last: 5, given: 5 }));
    let image = directory.begin_image().unwrap();
    assert_eq!(image.number(), 1);
    let refused = directory.adopt(image.finish(6).unwrap()).unwrap_err();
    assert!(matches!(refused, JournalError::OutOfOrder { last: 5, given: 6 }));
    // The image that was not adopted is gone, and the log goes on.
    assert_eq!(machine.names(), ["log-0000000000000000", "log-0000000000000001"]);
    directory.log().append(6, &mut draft(b"six")).unwrap();
    assert_eq!((directory.log().last(), directory.log().synced()), (6, 5));
    machine.set_capacity(Some(1_000));
    assert_eq!(directory.free_space().unwrap(), 1_000 - directory.log_bytes());
    assert_eq!(
        (directory.image_bytes(), directory.log_bytes()),
        (0, 48 + 36 + 48 + 35)
    );
}
