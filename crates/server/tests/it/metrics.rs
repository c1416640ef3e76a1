//! What Prometheus sees.

use std::collections::BTreeMap;

use oxherd_testkit::{TestStore, eventually, on_every_store};
use serde_json::Value;

use crate::scene::{SOON, Scene};

/// Series and values, as a scraper reads them; panics on a line that is none.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut series = BTreeMap::new();
    for line in lines {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let old = series.insert(
            name.to_owned(),
            value.parse().unwrap_or_else(|_| panic!("{line}")),
        );
        assert!(old.is_none(), "twice: {line}");
    }
    series
}

on_every_store! {
    async fn counts_ages_and_the_store_are_read_when_asked(store: TestStore) {
        let scene = Scene::with(store, "[[webhooks]]\nqueues = ['hooks']\nconcurrency = 7").await;
        for body in [
            r#"{"name":"a"}"#,
            r#"{"name":"a"}"#,
            r#"{"name":"a","opts":{"delay":60000}}"#,
        ] {
            scene.client.post("/api/v1/queues/mail/jobs", body).await.ok(202);
        }
        let answer = scene.client.get("/metrics").await;
        assert!(
            answer
                .header("content-type")
                .starts_with("application/openmetrics-text")
        );
        let series = parse(&answer.text);
        for (name, value) in [
            (r#"oxherd_queue_jobs{queue="mail",state="waiting"}"#, 2.0),
            (r#"oxherd_queue_jobs{queue="mail",state="delayed"}"#, 1.0),
            (r#"oxherd_queue_jobs{queue="mail",state="failed"}"#, 0.0),
            (r#"oxherd_queue_jobs{queue="hooks",state="waiting"}"#, 0.0),
            (r#"oxherd_queue_paused{queue="mail"}"#, 0.0),
            (r#"oxherd_jobs_added_total{queue="mail"}"#, 3.0),
            (r#"oxherd_worker_concurrency{queue="hooks"}"#, 7.0),
            (r#"oxherd_worker_busy{queue="hooks"}"#, 0.0),
            ("oxherd_store_up", 1.0),
        ] {
            assert_eq!(series.get(name), Some(&value), "{name}\n{}", answer.text);
        }
        assert!(series[r#"oxherd_queue_oldest_waiting_age_seconds{queue="mail"}"#] >= 0.0);
        assert!(series["oxherd_store_roundtrip_seconds"] > 0.0);
    }
}

// On Redis, which can be killed beside the server.
#[tokio::test]
async fn of_a_store_that_is_away_no_old_numbers_are_told() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    let body = r#"{"name":"a"}"#;
    scene.client.post("/api/v1/queues/mail/jobs", body).await.ok(202);
    let series = parse(&scene.client.get("/metrics").await.text);
    assert_eq!(series[r#"oxherd_queue_jobs{queue="mail",state="waiting"}"#], 1.0);

    scene.store.redis().kill();
    let series = parse(&scene.client.get("/metrics").await.text);
    assert_eq!(series["oxherd_store_up"], 0.0);
    assert!(!series.keys().any(|name| name.starts_with("oxherd_queue_jobs")));
    assert_eq!(series[r#"oxherd_jobs_added_total{queue="mail"}"#], 1.0);
}

on_every_store! {
    async fn what_the_servers_own_workers_do_is_counted(store: TestStore) {
        let scene = Scene::with(store, "[[webhooks]]\nqueues = ['hooks']").await;
        // An address that is refused fails for good without any network.
        let queue = scene.queue("hooks").await;
        let refused = serde_json::json!({"url": "http://127.0.0.1:9/", "body": 1});
        queue.add("x", refused).await.unwrap();
        eventually("the failure is counted", SOON, async || {
            let text = scene.client.get("/metrics").await.text;
            parse(&text).get(r#"oxherd_jobs_failed_total{queue="hooks"}"#) == Some(&1.0)
        })
        .await;
        let series = parse(&scene.client.get("/metrics").await.text);
        assert_eq!(series[r#"oxherd_job_run_seconds_count{queue="hooks"}"#], 1.0);
        assert_eq!(series[r#"oxherd_job_wait_seconds_count{queue="hooks"}"#], 1.0);
        let _: Value = scene.client.get("/api/v1/queues/hooks").await.ok(200);
    }
}
