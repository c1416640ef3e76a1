//! Probes. The store is a Redis, which can be frozen, killed and brought back beside the server.

use oxherd_testkit::{TestStore, eventually};

use crate::scene::{SOON, Scene};

const HOOKS: &str = "[[webhooks]]\nqueues = ['hooks']";

#[tokio::test]
async fn liveness_never_asks_the_store() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    scene.store.redis().freeze();
    let started = std::time::Instant::now();
    let answer = scene.client.get("/health/live").await;
    assert!(started.elapsed().as_secs() < 2);
    scene.store.redis().thaw();
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "alive\n"));
    assert_eq!(
        scene.client.get("/health/live?verbose").await.ok(200)["alive"],
        true
    );
}

#[tokio::test]
async fn readiness_turns_with_the_store_and_back() {
    let scene = Scene::with(TestStore::on_redis().await, HOOKS).await;
    let status = async || scene.client.get("/health/ready").await.status.as_u16();
    eventually("the server is ready", SOON, async || status().await == 200).await;
    let verbose = scene.client.get("/health/ready?verbose").await.ok(200);
    let names: Vec<_> = verbose["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| &check["name"])
        .collect();
    assert_eq!(names, ["store", "accepting", "worker hooks"]);

    scene.store.redis().kill();
    let answer = scene.client.get("/health/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.starts_with("not ready: store ("), "{}", answer.text);
    eventually(
        "the worker's blocking read is seen to be broken",
        SOON,
        async || {
            let checks = scene.client.get("/health/ready?verbose").await.ok(503);
            checks["checks"][2]["ok"] == false
        },
    )
    .await;

    scene.store.redis().restart().await;
    eventually("the server is ready again", SOON, async || status().await == 200).await;
}

#[tokio::test]
async fn a_store_that_answers_and_refuses_writes_is_not_ready_and_says_why() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    let client = &scene.client;
    let status = client.get("/api/v1/status").await.ok(200);
    assert_eq!(status["store"]["writesRefused"], serde_json::Value::Null);
    scene.store.redis().break_disk().await;

    let answer = client.get("/health/ready").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text.contains("refuses writes") && answer.text.contains("MISCONF"),
        "{}",
        answer.text
    );
    // A status is good for a moment.
    eventually("the status says it", SOON, async || {
        let status = client.get("/api/v1/status").await.ok(200);
        let reason = status["store"]["writesRefused"].as_str();
        status["store"]["connected"] == true && reason.is_some_and(|reason| reason.contains("MISCONF"))
    })
    .await;
    let metrics = client.get("/metrics").await.text;
    assert!(metrics.contains("\noxherd_store_writes_refused 1\n"), "{metrics}");
    let page = client.get("/").await.text;
    assert!(page.contains("The store refuses writes"), "{page}");
}

#[tokio::test]
async fn a_directory_tells_how_much_of_the_disk_it_has() {
    let scene = Scene::start(TestStore::on_disk()).await;
    let client = &scene.client;
    client
        .post("/api/v1/queues/mail/jobs", r#"{"name":"a"}"#)
        .await
        .ok(202);
    assert_eq!(client.get("/health/ready").await.status, 200);
    let store = client.get("/api/v1/status").await.ok(200)["store"].clone();
    assert_eq!(store["persistence"]["fsync"], "always", "{store}");
    assert!(store["persistence"]["logBytes"].as_u64().unwrap() > 0, "{store}");
    let metrics = client.get("/metrics").await.text;
    for name in [
        "oxherd_store_log_bytes ",
        "oxherd_store_image_bytes ",
        "oxherd_store_writes_refused 0\n",
        "oxherd_store_image_failed 0\n",
        "oxherd_store_sync_seconds{quantile=\"0.99\"} ",
    ] {
        assert!(metrics.contains(&format!("\n{name}")), "{name}: {metrics}");
    }
}
