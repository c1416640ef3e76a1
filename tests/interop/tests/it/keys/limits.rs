//! What the limits of jobs and workers leave in the keys: retention, metrics, rate limits.

use serde_json::json;

use crate::scene::QUEUE;
use crate::side::{Handler, Settings, Side, leaves_the_same_keys};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_jobs_that_are_not_kept() {
    leaves_the_same_keys(async |side: &mut Side| {
        for _ in 0..2 {
            side.add("gone at once", json!({}), json!({"removeOnComplete": true}))
                .await;
        }
        side.add(
            "gone at once, too",
            json!({}),
            json!({"removeOnComplete": {"count": 0}}),
        )
        .await;
        side.work(Handler::Report, Settings::default(), "removed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_completed_jobs_are_kept() {
    leaves_the_same_keys(async |side: &mut Side| {
        for _ in 0..5 {
            side.add("kept by number", json!({}), json!({"removeOnComplete": 2}))
                .await;
        }
        side.work(Handler::Echo, Settings::default(), "two of five").await;
        side.add(
            "kept by age",
            json!({}),
            json!({"removeOnComplete": {"age": 3600, "count": 5}}),
        )
        .await;
        side.add("kept", json!({}), json!({"removeOnComplete": false}))
            .await;
        side.work(Handler::Echo, Settings::default(), "by age, and all")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_jobs_beyond_their_age_are_forgotten() {
    leaves_the_same_keys(async |side: &mut Side| {
        let unlimited = json!({"removeOnComplete": {"age": 3600}});
        let limited = json!({"removeOnComplete": {"age": 3600, "count": 3, "limit": 2}});
        for _ in 0..6 {
            side.add("old", json!({}), unlimited.clone()).await;
        }
        side.work(Handler::Report, Settings::default(), "six completed")
            .await;
        for (age, id) in ["1", "2", "3", "4", "5"].iter().enumerate() {
            let long_ago = (1_700_000_000_000_u64 + age as u64).to_string();
            side.scene
                .ask::<u8>(&["ZADD", "bull:mail:completed", &long_ago, id])
                .await;
        }
        side.add("new", json!({}), limited).await;
        side.work(
            Handler::Echo,
            Settings::default(),
            "two forgotten for their age, then all beyond the number",
        )
        .await;
        side.add("new", json!({}), unlimited).await;
        side.work(Handler::Echo, Settings::default(), "the old ones are forgotten")
            .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_keeps_what_jobs_do_not_decide() {
    leaves_the_same_keys(async |side: &mut Side| {
        for _ in 0..3 {
            side.add("undecided", json!({}), json!({})).await;
        }
        side.add("kept", json!({}), json!({"removeOnComplete": false}))
            .await;
        let settings = Settings {
            keep_completed: Some(1),
            ..Settings::default()
        };
        side.work(Handler::Echo, settings, "kept").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_ended() {
    leaves_the_same_keys(async |side: &mut Side| {
        let settings = Settings {
            metrics_points: 10,
            ..Settings::default()
        };
        for _ in 0..2 {
            side.add("counted", json!({}), json!({"removeOnComplete": true}))
                .await;
        }
        side.work(Handler::Echo, settings, "completed").await;
        side.add("counted", json!({}), json!({})).await;
        side.work(Handler::FailForGood, settings, "failed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_counts_starts_and_stops_at_its_number() {
    leaves_the_same_keys(async |side: &mut Side| {
        for _ in 0..3 {
            side.add("limited", json!({}), json!({})).await;
        }
        let settings = Settings {
            limit: Some(2),
            ..Settings::default()
        };
        let working = side.start(QUEUE, Handler::Echo, settings).await;
        side.scene.node_counts("completed", 2).await;
        side.until_active(QUEUE, 0).await;
        side.compare("two started").await;
        side.stop(working).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_asks_for_a_rest() {
    leaves_the_same_keys(async |side: &mut Side| {
        let settings = Settings {
            limit: Some(5),
            ..Settings::default()
        };
        let working = side.start(QUEUE, Handler::RateLimit, settings).await;
        side.add("limited", json!({}), json!({"attempts": 2})).await;
        side.until_put_back(QUEUE).await;
        side.compare("put back").await;
        side.stop(working).await;
    })
    .await;
}
