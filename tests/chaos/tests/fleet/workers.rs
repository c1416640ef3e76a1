//! Three worker processes and a producer on one directory; the first one holds it, the others use its socket, and one of
//! them takes it over when it ends.

use std::time::Duration;

use oxherd_testkit::eventually;

use crate::scene::{Fleet, PATIENCE, Role, setting};

const QUEUE: &str = "fleet";
const JOBS: u64 = 10_000;

async fn until_completed(fleet: &Fleet, jobs: u64) {
    eventually("every job completes", PATIENCE, async || {
        fleet.count(QUEUE, "completed").await >= jobs
            && fleet.count(QUEUE, "wait").await + fleet.count(QUEUE, "active").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_jobs_of_a_fleet_run_once_each() {
    let mut fleet = Fleet::new();
    let lock = Duration::from_secs(30);
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(fleet.start(Role::Work { queue: QUEUE, lock }).await);
    }
    assert_eq!(fleet.holder().await, members[0]);
    let count = JOBS;
    let producer = fleet.start(Role::Add { queue: QUEUE, count }).await;
    fleet.until_done().await;
    fleet.end(producer).await;
    until_completed(&fleet, JOBS).await;
    assert_eq!(fleet.all_completed(QUEUE).await.len() as u64, JOBS);
    // The holder first: the next one takes the directory over, and so on.
    for (ended, member) in members.iter().enumerate() {
        fleet.end(*member).await;
        if let Some(rest) = members.get(ended + 1..).filter(|rest| !rest.is_empty()) {
            assert!(rest.contains(&fleet.holder().await));
        }
    }
    assert_eq!(fleet.all_completed(QUEUE).await.len() as u64, JOBS);
    let book = fleet.book();
    assert_eq!((book.added.len() as u64, book.runs.len() as u64), (JOBS, JOBS));
    let repeated: Vec<_> = book.runs.iter().filter(|(_, runs)| **runs != 1).collect();
    assert!(repeated.is_empty(), "run more than once: {repeated:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fleet_was_acknowledged_outlives_whoever_holds_the_directory() {
    let kills = setting("OXHERD_CHAOS_KILLS", 3);
    let mut fleet = Fleet::new();
    let lock = Duration::from_secs(1);
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(fleet.start(Role::Work { queue: QUEUE, lock }).await);
    }
    let count = u64::MAX;
    let producer = fleet.start(Role::Add { queue: QUEUE, count }).await;
    for _ in 0..kills {
        let progress = || {
            let book = fleet.book();
            (book.added.len(), book.runs.len())
        };
        let (added, ran) = progress();
        eventually("the fleet is at work", PATIENCE, async || {
            let now = progress();
            now.0 > added + 500 && now.1 > ran + 500
        })
        .await;
        let holder = fleet.holder().await;
        fleet.kill(holder).await;
        let heir = fleet.holder().await;
        assert_ne!(heir, holder, "another process takes the directory over");
        fleet.assert_whole(QUEUE).await;
        fleet.restart(holder).await;
    }
    fleet.end(producer).await;
    let added = fleet.book().added.len() as u64;
    until_completed(&fleet, added).await;
    let completed = fleet.all_completed(QUEUE).await;
    members.sort_unstable();
    let book = fleet.book();
    let lost: Vec<_> = book.added.iter().filter(|id| !completed.contains(*id)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let never: Vec<_> = completed
        .iter()
        .filter(|id| !book.runs.contains_key(*id))
        .collect();
    assert!(never.is_empty(), "completed without a run: {never:?}");
    let again = book.runs.values().filter(|runs| **runs > 1).count();
    println!(
        "{kills} kills, {added} jobs acknowledged, {} completed, {again} of them after more than one run",
        completed.len()
    );
}
