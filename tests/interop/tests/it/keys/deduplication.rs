//! What processing deduplicated jobs leaves in the keys: who frees a deduplication id, and when.
//!
//! Node adds on both sides.

use serde_json::{Value, json};

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

async fn node_adds(side: &Side, data: Value, deduplication: &Value, opts: Value) -> String {
    let mut opts = opts;
    opts["deduplication"] = deduplication.clone();
    side.scene.node_adds("unique", data, opts).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_simple_id_is_free_once_its_job_ended() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = json!({"id": "d"});
        for opts in [
            json!({}),
            json!({"removeOnComplete": true}),
            json!({"attempts": 2}),
        ] {
            assert_eq!(
                node_adds(side, json!(1), &id, opts.clone()).await,
                node_adds(side, json!(2), &id, opts).await
            );
            side.work(Handler::Fail { times: 1 }, Settings::default(), "ended")
                .await;
        }
        node_adds(side, json!(3), &id, json!({"attempts": 2, "backoff": 60_000})).await;
        side.work(
            Handler::Fail { times: 1 },
            Settings::default(),
            "waits for its back-off and keeps the id",
        )
        .await;
        node_adds(side, json!(4), &id, json!({})).await;
        side.compare("refused").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_with_a_time_to_live_outlives_its_job() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = json!({"id": "d", "ttl": 60_000});
        node_adds(side, json!(1), &id, json!({})).await;
        side.work(Handler::Echo, Settings::default(), "completed").await;
        node_adds(side, json!(2), &id, json!({})).await;
        node_adds(
            side,
            json!(3),
            &json!({"id": "other", "ttl": 60_000, "extend": true}),
            json!({}),
        )
        .await;
        node_adds(
            side,
            json!(4),
            &json!({"id": "other", "ttl": 60_000, "extend": true}),
            json!({}),
        )
        .await;
        side.work(Handler::FailForGood, Settings::default(), "failed")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_delayed_job_is_the_one_that_runs() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = json!({"id": "d", "ttl": 60_000, "extend": true, "replace": true});
        node_adds(side, json!(1), &id, json!({"delay": 60_000})).await;
        let latest = node_adds(side, json!(2), &id, json!({"delay": 60_000})).await;
        side.promote(&latest).await;
        side.work(Handler::Echo, Settings::default(), "completed").await;
    })
    .await;
}

async fn the_last_one_follows(opts: Value) {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = json!({"id": "d", "keepLastIfActive": true});
        let working = side.start(QUEUE, Handler::Hold, Settings::default()).await;
        node_adds(side, json!(1), &id, json!({})).await;
        side.until_active(QUEUE, 1).await;
        node_adds(side, json!(2), &id, opts.clone()).await;
        node_adds(side, json!(3), &id, opts.clone()).await;
        side.compare("while the first one runs").await;
        side.release(&working).await;
        side.until_idle(QUEUE).await;
        side.compare("the last one followed").await;
        side.stop(working).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_last_if_active_runs_the_last_one_afterwards() {
    the_last_one_follows(json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_last_if_active_runs_the_last_one_as_its_own_options_say() {
    the_last_one_follows(json!({"priority": 4, "attempts": 3, "backoff": 1000})).await;
    the_last_one_follows(json!({"delay": 60_000})).await;
    the_last_one_follows(json!({"lifo": true, "removeOnComplete": true})).await;
    the_last_one_follows(json!({"jobId": "own"})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keep_last_if_active_runs_the_last_one_after_a_failure_too() {
    leaves_the_same_keys(async |side: &mut Side| {
        let id = json!({"id": "d", "keepLastIfActive": true});
        node_adds(side, json!(1), &id, json!({})).await;
        node_adds(side, json!(2), &id, json!({})).await;
        side.compare("while the first one waits").await;
        side.work(Handler::FailForGood, Settings::default(), "failed")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_owner_frees_its_id() {
    leaves_the_same_keys(async |side: &mut Side| {
        for id in [json!({"id": "d"}), json!({"id": "d", "ttl": 60_000})] {
            let owner = node_adds(side, json!(1), &id, json!({})).await;
            side.remove(&owner).await;
            side.compare("removed").await;
        }
    })
    .await;
}
