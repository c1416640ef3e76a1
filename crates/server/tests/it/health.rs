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
