//! A Redis that closes idle connections (`timeout`) costs no client of the server an answer.

use oxherd::Oxherd;
use oxherd::cache::Namespace;
use oxherd_testkit::{TestStore, eventually};
use serde_json::json;

use crate::scene::{SOON, Scene};

const PRODUCTS: &str = "/api/v1/cache/products@1";

#[tokio::test]
async fn the_first_request_after_the_connection_was_closed_is_answered() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    let store = oxherd::Store::open(&scene.store.url()).await.unwrap();
    let cache = Oxherd::on(store).cache();
    let products: Namespace<str, i32> = cache.namespace("products").open().unwrap();
    eventually("the program reports", SOON, async || {
        scene.client.get("/api/v1/cache").await.ok(200)["processes"] == 1
    })
    .await;
    products.set("x1", 1).await.unwrap();
    let close = async || scene.store.redis().close_connections().await;

    for _ in 0..3 {
        close().await;
        let ready = scene.client.get("/health/ready").await;
        assert_eq!((ready.status.as_u16(), ready.text.as_str()), (200, "ready\n"));
    }
    close().await;
    let entry = format!("{PRODUCTS}/entries/x1");
    assert_eq!(scene.client.get(&entry).await.ok(200)["state"], "fresh");
    close().await;
    let wish = json!({"key": "x1"}).to_string();
    let done = scene
        .client
        .post(&format!("{PRODUCTS}/invalidate"), &wish)
        .await
        .ok(200);
    assert_eq!(done["by"], "key");
    close().await;
    scene.client.get(&entry).await.problem(404);
    close().await;
    let jobs = "/api/v1/queues/q/jobs";
    scene.client.post(jobs, r#"{"name":"a"}"#).await.ok(202);
    close().await;
    assert_eq!(
        scene.client.get("/api/v1/queues/q/jobs/1").await.ok(200)["name"],
        "a"
    );
}
