//! What changing a queue and its jobs by hand leaves in the keys: pausing, promoting, removing, retrying.

use serde_json::json;

use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pausing_adding_and_resuming() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("before", json!({}), json!({})).await;
        side.pause().await;
        side.compare("paused").await;
        side.add("standard", json!({}), json!({})).await;
        side.add("prioritized", json!({}), json!({"priority": 3})).await;
        side.compare("added while paused").await;
        side.add("delayed", json!({}), json!({"delay": 60_000})).await;
        side.pause().await;
        side.compare("paused again").await;
        side.resume().await;
        side.compare("resumed").await;
        side.resume().await;
        side.compare("resumed again").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resuming_with_nothing_but_a_delayed_job() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.pause().await;
        side.resume().await;
        side.compare("an empty queue").await;
        side.pause().await;
        side.add("delayed", json!({}), json!({"delay": 60_000})).await;
        side.resume().await;
        side.compare("one delayed job").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoting_removing_and_retrying_by_hand() {
    leaves_the_same_keys(async |side: &mut Side| {
        let standard = side.add("standard", json!({}), json!({})).await;
        let prioritized = side.add("prioritized", json!({}), json!({"priority": 3})).await;
        let delayed = side.add("delayed", json!({}), json!({"delay": 60_000})).await;
        let urgent = side
            .add("urgent", json!({}), json!({"delay": 60_000, "priority": 4}))
            .await;
        let last = side
            .add("last in", json!({}), json!({"delay": 60_000, "lifo": true}))
            .await;
        for id in [&delayed, &urgent, &last] {
            side.promote(id).await;
        }
        side.compare("promoted").await;
        for id in [&standard, &prioritized, &delayed] {
            side.remove(id).await;
        }
        side.compare("removed").await;
        side.work(Handler::Fail { times: 1 }, Settings::default(), "failed")
            .await;
        side.retry(&urgent, "failed", false).await;
        side.retry(&last, "failed", true).await;
        side.compare("retried").await;
        side.work(Handler::Echo, Settings::default(), "completed").await;
        side.retry(&urgent, "completed", false).await;
        side.compare("a completed one retried").await;
        side.remove(&last).await;
        side.compare("a completed one removed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promoting_and_retrying_while_paused_wakes_nobody() {
    leaves_the_same_keys(async |side: &mut Side| {
        let failed = side.add("failed", json!({}), json!({})).await;
        side.work(Handler::FailForGood, Settings::default(), "failed")
            .await;
        let delayed = side.add("delayed", json!({}), json!({"delay": 60_000})).await;
        side.pause().await;
        side.promote(&delayed).await;
        side.retry(&failed, "failed", false).await;
        side.compare("paused").await;
    })
    .await;
}
