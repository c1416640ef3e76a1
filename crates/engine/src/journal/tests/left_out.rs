//! The properties notice each sync that is left out: without it, some death loses something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::power::TOUR;
use super::scene::{Scene, Step, steps};
use crate::journal::storage::crash::Sync;

/// How many of many random runs break a promise when the syncs are left out for which `forgets` says true.
fn broken_runs(forgets: impl Fn(&Sync<'_>, &AtomicBool) -> bool + Clone + Send + 'static) -> usize {
    let mut runner = TestRunner::deterministic();
    let run = |seed| {
        let forgets = forgets.clone();
        let mut scene = Scene::new(seed);
        let is_rotating = Arc::clone(&scene.is_rotating);
        scene.machine.forget(move |sync| forgets(sync, &is_rotating));
        let mut steps = steps().new_tree(&mut runner).unwrap().current();
        if seed % 4 == 0 {
            let after = seed / 4 % 100;
            steps = [&[Step::DieSoon { after }], TOUR].concat();
        }
        scene.run(&steps).is_err()
    };
    (0..2_000).map(run).filter(|is_broken| *is_broken).count()
}

#[test]
fn with_every_sync_no_promise_is_broken() {
    assert_eq!(broken_runs(|_, _| false), 0);
}

#[test]
fn a_log_that_is_not_synced_is_noticed() {
    let forgets = |sync: &Sync<'_>, is_rotating: &AtomicBool| match sync {
        Sync::File(name) => {
            name.starts_with("log-") && !name.ends_with(".part") && !is_rotating.load(Ordering::Relaxed)
        }
        _ => false,
    };
    assert!(broken_runs(forgets) > 100);
}

#[test]
fn a_segment_that_is_not_synced_before_the_next_begins_is_noticed() {
    let forgets = |sync: &Sync<'_>, is_rotating: &AtomicBool| match sync {
        Sync::File(name) => !name.ends_with(".part") && is_rotating.load(Ordering::Relaxed),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn a_segments_header_that_is_not_synced_is_noticed() {
    let forgets = |sync: &Sync<'_>, _: &AtomicBool| match sync {
        Sync::File(name) => name.starts_with("log-") && name.ends_with(".part"),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn an_image_that_is_not_synced_is_noticed() {
    let forgets = |sync: &Sync<'_>, _: &AtomicBool| match sync {
        Sync::File(name) => name.starts_with("image-"),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn a_segments_name_that_is_not_synced_is_noticed() {
    let forgets = |sync: &Sync<'_>, _: &AtomicBool| match sync {
        Sync::Directory(pending) => pending.iter().any(|name| is_whole(name, "log-")),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn an_images_name_that_is_not_synced_is_noticed() {
    let forgets = |sync: &Sync<'_>, _: &AtomicBool| match sync {
        Sync::Directory(pending) => pending.iter().any(|name| is_whole(name, "image-")),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn a_tail_that_is_not_written_again_at_the_start_is_noticed() {
    let forgets =
        |sync: &Sync<'_>, _: &AtomicBool| matches!(sync, Sync::Rewrite(name) if is_whole(name, "log-"));
    assert!(broken_runs(forgets) > 10);
}

#[test]
fn a_torn_tail_that_is_not_cut_off_for_good_is_noticed() {
    // The same call that writes the tail again would make the cut durable.
    let forgets = |sync: &Sync<'_>, _: &AtomicBool| match sync {
        Sync::Truncate(name) | Sync::Rewrite(name) => is_whole(name, "log-"),
        _ => false,
    };
    assert!(broken_runs(forgets) > 10);
}

fn is_whole(name: &str, kind: &str) -> bool {
    name.starts_with(kind) && !name.ends_with(".part")
}
