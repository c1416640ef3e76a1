//! Several programs on one directory, and a store whose disk failed.

use oxherd_testkit::{RedisServer, eventually};

use crate::scene::{DEADLINE, Scene, Serving};

#[tokio::test]
async fn a_store_that_refuses_writes_is_a_failure_with_its_reason() {
    let server = RedisServer::start().await;
    server.break_disk().await;
    let scene = Scene::without_store();
    let ended = scene.run(&["status", "--store", &server.url()]).await;
    assert_eq!(ended.code(), 1);
    let (shown, told) = (ended.out, ended.err);
    assert!(shown.contains("writes      refused"), "{shown}");
    assert!(
        told.contains("refuses writes") && told.contains("MISCONF"),
        "{told}"
    );
}

async fn until_ready(serving: &Serving) {
    eventually("the server is ready", DEADLINE, async || {
        serving.get("/health/ready").await.starts_with("HTTP/1.1 200")
    })
    .await;
}

#[tokio::test]
async fn a_server_for_redis_clients_that_was_killed_gets_its_directory_back() {
    let scene = Scene::without_store();
    let url = format!("embedded:{}", scene.directory.path().join("data").display());
    let for_clients = ["--store", &url, "--resp", "127.0.0.1:0", "--max-memory", "1GiB"];
    let first = scene.serve(&for_clients).await;
    let second = scene.serve(&["--store", &url]).await;
    scene
        .run(&["job", "add", "mail", "welcome", "--store", &url])
        .await
        .done();
    first.signal("-KILL").await;
    first.end().await;
    until_ready(&second).await;

    let back = scene.serve(&for_clients).await;
    for serving in [&back, &second] {
        until_ready(serving).await;
        let answer = serving.get("/api/v1/queues/mail/jobs/1").await;
        assert!(answer.contains("\"name\":\"welcome\""), "{answer}");
    }
    // While it lives nobody else gets it.
    let refused = scene
        .run(&[&["serve"], &for_clients[..]].concat())
        .await
        .failed(2);
    assert!(
        refused.contains("another process has the store's directory"),
        "{refused}"
    );

    back.signal("-TERM").await;
    let (code, log) = back.end().await;
    assert_eq!(code, Some(0), "{log}");
    until_ready(&second).await;
    second.signal("-TERM").await;
    let log = second.end().await.1;
    assert_eq!(log.matches("this one has taken it over").count(), 2, "{log}");
    assert_eq!(
        log.matches("handing the store's directory on").count(),
        1,
        "{log}"
    );
}
