//! What operators see of a store's disk: its room, and that it failed.

use std::collections::BTreeMap;

use oxherd_server::config::{Config, Flags};
use oxherd_server::serve::{Running, Server};
use oxherd_testkit::{RedisServer, eventually};

use crate::client::Client;
use crate::scene::SOON;

async fn start(store: String) -> Running {
    let flags = Flags {
        store: Some(store),
        listen: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    };
    let settings = Config::resolve(&flags, &BTreeMap::new(), None).unwrap();
    Server::start(settings).await.unwrap()
}

#[tokio::test]
async fn a_store_that_answers_and_refuses_writes_is_not_ready_and_says_why() {
    let redis = RedisServer::start().await;
    let server = start(redis.url()).await;
    let client = Client::new(server.address());
    let status = client.get("/api/v1/status").await.ok(200);
    assert_eq!(status["store"]["writesRefused"], serde_json::Value::Null);
    redis.break_disk().await;

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
    let directory = tempfile::tempdir().unwrap();
    let server = start(format!("embedded:{}", directory.path().display())).await;
    let client = Client::new(server.address());
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
