//! The cache against every order of things: readers, writers and invalidators in several processes on one store.
//!
//! The code is the real one, and so are the scripts and the engine. Between them is a network that loses, delays and cuts;
//! tasks are overtaken, keys are evicted, processes die, clocks move; and a seed decides the order of everything, so that
//! a seed which shows a mistake shows it again. What was promised is kept in a ledger, and each answer is held against it.
//!
//! `OXHERD_CACHE_SEED` says with which seed a campaign begins, `OXHERD_CACHE_SCHEDULES` how many there are.
//! Next: `plan.rs` (what a schedule is about), `world.rs` (how it runs), `ledger.rs` (what is promised).

mod calls;
mod chance;
mod counting;
mod ledger;
mod many;
mod plan;
mod regressions;
mod stage;
mod teeth;
mod world;

use std::io::Error;
use std::time::Duration;

use stage::Answers;
use world::Theatre;

use super::{Cache, Level, Loaded, Namespace};
use crate::store::Store;

/// How many schedules each run of the tests plays, from [`FIRST`] on.
const SCHEDULES: u64 = 3_000;
const FIRST: u64 = 1;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |value| value.parse().expect("a number"))
}

/// Plays schedules until one goes wrong; which, and how.
fn campaign(theatre: &mut Theatre, seeds: std::ops::Range<u64>) -> Result<(usize, Answers), (u64, String)> {
    let (mut moves, mut answers) = (0, Answers::default());
    for seed in seeds {
        let outcome = theatre.play(seed, false);
        moves += outcome.moves;
        answers.add(&outcome.answers);
        if let Some(wrong) = outcome.wrong {
            return Err((seed, wrong));
        }
    }
    Ok((moves, answers))
}

/// Everything that happened in a schedule.
fn story(theatre: &mut Theatre, seed: u64) -> String {
    theatre.play(seed, true).trace.join("\n")
}

#[test]
fn no_answer_is_older_than_what_was_promised() {
    let first = number("OXHERD_CACHE_SEED", FIRST);
    let count = number("OXHERD_CACHE_SCHEDULES", SCHEDULES);
    let mut theatre = Theatre::new();
    if count == 1 {
        println!("{}", story(&mut theatre, first));
    }
    let began = std::time::Instant::now();
    match campaign(&mut theatre, first..first + count) {
        Ok((moves, answers)) => {
            println!(
                "{count} schedules from seed {first}: {moves} moves, {answers:?}, {:?}",
                began.elapsed()
            );
        }
        Err((seed, wrong)) => {
            panic!(
                "OXHERD_CACHE_SEED={seed} OXHERD_CACHE_SCHEDULES=1: {wrong}\n{}",
                story(&mut theatre, seed)
            )
        }
    }
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    // Tokens are drawn anew.
    let moves = |story: &str| -> Vec<String> {
        let without_words = |line: &str| {
            line.split(" asks ")
                .next()
                .and_then(|line| line.split(" hears ").next())
                .map(str::to_owned)
        };
        story.lines().filter_map(without_words).collect()
    };
    let (mut one, mut other) = (Theatre::new(), Theatre::new());
    // One has been played in before.
    campaign(&mut other, 500..600).unwrap();
    for seed in 1..300 {
        let (left, right) = (story(&mut one, seed), story(&mut other, seed));
        if let Some(at) = moves(&left)
            .iter()
            .zip(moves(&right))
            .position(|(left, right)| *left != right)
        {
            let until = |story: &str| {
                story
                    .lines()
                    .take(at + 1)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            panic!("seed {seed}, line {at}\n{}\n\n{}", until(&left), until(&right));
        }
    }
}

#[tokio::test]
async fn a_load_below_the_fence_answers_nobody() {
    // The replica was behind: the removal was acknowledged before the read began.
    let rows = fenced("fence").await;
    rows.remove(&1).version(2).await.unwrap();
    let error = rows
        .get_or_load(&1, || async { Ok::<_, Error>(Loaded::new(10).version(1)) })
        .await
        .unwrap_err();
    assert!(matches!(error, crate::Error::BehindVersion { .. }), "{error}");
    let loaded = rows
        .get_or_load(&1, || async { Ok::<_, Error>(Loaded::new(20).version(2)) })
        .await
        .unwrap();
    assert_eq!(*loaded, 20);
}

#[tokio::test]
async fn a_load_below_the_fence_answers_nobody_who_went_without_the_lease_either() {
    let rows = fenced("fence-without-lease").await;
    rows.remove(&1).version(2).await.unwrap();
    let lease = rows.site.space.keys.lease(rows.key(&1).unwrap().as_bytes());
    let mut store = rows.site.shared.store.shared();
    redis::cmd("SET")
        .arg(lease)
        .arg("somebody else...")
        .arg("PX")
        .arg(60_000)
        .exec_async(&mut store)
        .await
        .unwrap();
    rows.get_or_load(&1, || async { Ok::<_, Error>(Loaded::new(10).version(1)) })
        .await
        .unwrap_err();
    let loaded = rows
        .get_or_load(&1, || async { Ok::<_, Error>(Loaded::new(20).version(2)) })
        .await
        .unwrap();
    assert_eq!(*loaded, 20);
}

#[tokio::test]
async fn a_load_below_the_fence_answers_nobody_whatever_else_refuses_it() {
    let rows = fenced("fence-and-clearing").await;
    rows.remove(&1).version(2).await.unwrap();
    let incarnation = rows.site.space.keys.incarnation();
    let mut store = rows.site.shared.store.shared();
    // While it loads the incarnation is evicted, which clears the namespace.
    let load = || async move {
        redis::cmd("DEL")
            .arg(incarnation)
            .exec_async(&mut store)
            .await
            .unwrap();
        Ok::<_, Error>(Loaded::new(10).version(1))
    };
    let error = rows.get_or_load(&1, load).await.unwrap_err();
    assert!(matches!(error, crate::Error::BehindVersion { .. }), "{error}");
}

async fn fenced(name: &str) -> Namespace<u64, u64> {
    let store = Store::open("memory:").await.unwrap();
    let rows = Cache::builder(&store)
        .open()
        .unwrap()
        .namespace(name)
        .level(Level::Fenced);
    rows.lock_wait(Duration::from_millis(1)).open().unwrap()
}
