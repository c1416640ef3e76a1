//! What failed attempts and waits leave in the keys: retries, back-off, jobs that become due.

use serde_json::json;

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_fail_for_good() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("no attempts given", json!({}), json!({})).await;
        side.add("one attempt", json!({}), json!({"attempts": 1})).await;
        side.add("not kept", json!({}), json!({"removeOnFail": true}))
            .await;
        side.work(Handler::Fail { times: 9 }, Settings::default(), "failed")
            .await;
        side.add(
            "attempts left",
            json!({}),
            json!({"attempts": 5, "backoff": 1000}),
        )
        .await;
        side.add(
            "kept by number",
            json!({}),
            json!({"attempts": 5, "removeOnFail": 2}),
        )
        .await;
        side.work(
            Handler::FailForGood,
            Settings::default(),
            "failed with attempts left",
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_follow_at_once() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("standard", json!({}), json!({"attempts": 3})).await;
        side.add("prioritized", json!({}), json!({"attempts": 3, "priority": 3}))
            .await;
        side.add(
            "prioritized later",
            json!({}),
            json!({"attempts": 3, "priority": 4}),
        )
        .await;
        side.add("last in", json!({}), json!({"attempts": 3, "lifo": true}))
            .await;
        side.work(
            Handler::Fail { times: 1 },
            Settings::default(),
            "completed at the second",
        )
        .await;
        side.add(
            "short memory",
            json!({}),
            json!({"attempts": 3, "stackTraceLimit": 1}),
        )
        .await;
        side.add(
            "no memory",
            json!({}),
            json!({"attempts": 2, "stackTraceLimit": 0}),
        )
        .await;
        side.work(
            Handler::Fail { times: 9 },
            Settings::default(),
            "attempts exhausted",
        )
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_wait_for_their_back_off() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("fixed", json!({}), json!({"attempts": 3, "backoff": 60_000}))
            .await;
        let exponential = json!({"type": "exponential", "delay": 120_000});
        side.add(
            "exponential",
            json!({}),
            json!({"attempts": 3, "backoff": exponential, "priority": 2}),
        )
        .await;
        side.work(Handler::Fail { times: 9 }, Settings::default(), "delayed")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_job_that_becomes_due() {
    leaves_the_same_keys(async |side: &mut Side| {
        let working = side
            .start(QUEUE, Handler::Fail { times: 1 }, Settings::default())
            .await;
        side.add(
            "soon",
            json!({}),
            json!({"delay": 200, "attempts": 2, "backoff": 100}),
        )
        .await;
        side.scene.node_sees("1", "completed").await;
        side.add(
            "soon, by priority",
            json!({}),
            json!({"delay": 200, "priority": 5}),
        )
        .await;
        side.scene.node_sees("2", "failed").await;
        side.until_idle(QUEUE).await;
        side.compare("done").await;
        side.stop(working).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_due_before_any_worker_came() {
    leaves_the_same_keys(async |side: &mut Side| {
        let past = 1_700_000_000_000_u64;
        for opts in [json!({}), json!({"priority": 5}), json!({"lifo": true})] {
            let mut opts = opts;
            opts["timestamp"] = json!(past);
            opts["delay"] = json!(1000);
            side.add("overdue", json!({}), opts).await;
        }
        side.work(Handler::Echo, Settings::default(), "done").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_asks_to_run_later() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("not now", json!({}), json!({"attempts": 2})).await;
        side.work(Handler::Delay, Settings::default(), "delayed").await;
    })
    .await;
}
