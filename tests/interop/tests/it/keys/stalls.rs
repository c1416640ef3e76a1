//! What jobs leave in the keys when the process that ran them was killed.
//!
//! Both programs run in processes that are really killed. The lock's expiry is brought forward by deleting it.

use std::time::Duration;

use serde_json::json;

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

const INTERVAL: Duration = Duration::from_millis(200);

/// Lets a process take the only job and kills it.
async fn take_and_die(side: &Side, id: &str) {
    let doomed = side.start_doomed(QUEUE, INTERVAL).await;
    side.until_started(id).await;
    doomed.kill().await;
    side.scene
        .ask::<u8>(&["DEL", &format!("bull:{QUEUE}:{id}:lock")])
        .await;
}

/// The mutex of the check comes and goes with the interval, which is no part of the comparison.
async fn forget_the_check(side: &Side) {
    side.scene
        .ask::<u8>(&["DEL", &format!("bull:{QUEUE}:stalled-check")])
        .await;
}

fn settings() -> Settings {
    Settings {
        stalled_interval: Some(INTERVAL),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_stalled_once_completes() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = side.add("stalls", json!({"n": 1}), json!({"attempts": 3})).await;
        take_and_die(side, &id).await;
        let working = side.start(QUEUE, Handler::Echo, settings()).await;
        side.scene.node_sees(&id, "completed").await;
        side.until_idle(QUEUE).await;
        side.stop(working).await;
        forget_the_check(side).await;
        side.compare("recovered").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_stalled_twice_fails() {
    for opts in [json!({}), json!({"attempts": 3, "backoff": 60_000})] {
        leaves_the_same_keys(async |side: &mut Side| {
            let id = side.add("stalls", json!({}), opts.clone()).await;
            take_and_die(side, &id).await;
            take_and_die(side, &id).await;
            let working = side.start(QUEUE, Handler::Echo, settings()).await;
            side.scene.node_sees(&id, "failed").await;
            side.until_idle(QUEUE).await;
            side.stop(working).await;
            forget_the_check(side).await;
            side.compare("failed").await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_job_goes_to_the_front_of_the_line() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = side.add("stalls", json!({}), json!({})).await;
        take_and_die(side, &id).await;
        side.pause().await;
        side.add("standard", json!({}), json!({})).await;
        side.add("prioritized", json!({}), json!({"priority": 1})).await;
        let working = side.start(QUEUE, Handler::Echo, settings()).await;
        side.until_stalled(&id, 1).await;
        side.stop(working).await;
        forget_the_check(side).await;
        side.compare("in line again").await;
    })
    .await;
}
