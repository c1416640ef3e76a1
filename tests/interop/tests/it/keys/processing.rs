//! What processing leaves in the keys: jobs in hand, completed ones, their reports.

use serde_json::json;

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_complete() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("standard", json!({"n": 1}), json!({})).await;
        side.add("prioritized", json!(null), json!({"priority": 3})).await;
        side.add("last in", json!("text"), json!({"lifo": true})).await;
        side.work(Handler::Echo, Settings::default(), "completed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_arrive_at_an_idle_named_worker() {
    leaves_the_same_keys(async |side: &mut Side| {
        let settings = Settings {
            name: Some("herd"),
            ..Settings::default()
        };
        let working = side.start(QUEUE, Handler::Echo, settings).await;
        for n in 0..3 {
            side.add("one by one", json!({"n": n}), json!({})).await;
            side.until_idle(QUEUE).await;
            side.compare("one more").await;
        }
        side.stop(working).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_in_hand_and_those_behind_it() {
    leaves_the_same_keys(async |side: &mut Side| {
        let working = side.start(QUEUE, Handler::Hold, Settings::default()).await;
        side.add("held", json!({}), json!({})).await;
        side.until_active(QUEUE, 1).await;
        side.add("behind", json!({}), json!({})).await;
        side.compare("held").await;
        side.release(&working).await;
        side.until_idle(QUEUE).await;
        side.compare("done").await;
        side.stop(working).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_and_logs() {
    leaves_the_same_keys(async |side: &mut Side| {
        side.add("two rows", json!({}), json!({"keepLogs": 2})).await;
        side.add("all rows", json!({}), json!({})).await;
        side.work(Handler::Report, Settings::default(), "reported").await;
    })
    .await;
}
