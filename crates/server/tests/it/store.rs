//! A store that holds what it should not, or is away.

use http::Method;
use oxherd_testkit::{TestStore, eventually, on_every_store};
use serde_json::json;

use crate::scene::{SOON, Scene};

on_every_store! {
    async fn the_queues_own_keys_are_no_jobs(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a","opts":{"keepLogs":5}}"#)
            .await
            .ok(202);
        let mut connection = scene.store.connection().await;
        redis::cmd("RPUSH")
            .arg("bull:q:1:logs")
            .arg("row")
            .exec_async(&mut connection)
            .await
            .unwrap();
        for id in ["meta", "wait", "id", "events", "marker", "1:logs"] {
            let path = format!("/api/v1/queues/q/jobs/{id}");
            scene.client.get(&path).await.problem(404);
            scene.client.delete(&path).await.problem(404);
            scene
                .client
                .send(Method::POST, &format!("{path}/retry"), &[], "")
                .await
                .problem(404);
        }
        let left: i64 = redis::cmd("EXISTS")
            .arg(&[
                "bull:q:meta",
                "bull:q:wait",
                "bull:q:id",
                "bull:q:events",
                "bull:q:1:logs",
            ])
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(left, 5);
    }
}

on_every_store! {
    async fn garbage_in_a_jobs_hash_is_named_and_the_rest_is_shown(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        scene.set_field("bull:q:1", "data", "{broken").await;
        scene.set_field("bull:q:1", "atm", "many").await;
        let job = scene.client.get("/api/v1/queues/q/jobs/1").await.ok(200);
        assert_eq!((&job["name"], &job["data"]), (&json!("a"), &json!("{broken")));
        let problems = job["problems"].to_string();
        assert!(
            problems.contains("\"data\"") && problems.contains("\"atm\""),
            "{problems}"
        );
    }
}

on_every_store! {
    async fn a_key_of_another_program_is_named(store: TestStore) {
        let scene = Scene::start(store).await;
        let mut connection = scene.store.connection().await;
        redis::cmd("SET")
            .arg("bull:q:wait")
            .arg("mine")
            .exec_async(&mut connection)
            .await
            .unwrap();
        let problem = scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .problem(500);
        assert!(
            problem["detail"].as_str().unwrap().contains("bull:q:wait"),
            "{problem}"
        );
    }
}

// On Redis, as the next one: it can be killed, or fall silent, beside the server.
#[tokio::test]
async fn a_store_that_is_away_is_a_503_with_a_time_to_come_back() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    scene
        .client
        .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
        .await
        .ok(202);
    scene.store.redis().kill();
    let answer = scene.client.get("/api/v1/queues/q/jobs/1").await;
    answer.problem(503);
    assert!(!answer.header("retry-after").is_empty());
    let status = scene.client.get("/api/v1/status").await.ok(200);
    assert_eq!(status["store"]["connected"], false);
    assert_eq!(status["queues"][0]["name"], "q");
    assert!(
        status["queues"][0]["problem"]
            .as_str()
            .unwrap()
            .contains("does not answer"),
        "{status}"
    );
    let with_id = scene
        .client
        .post("/api/v1/queues/q/jobs", r#"{"name":"a","opts":{"jobId":"x"}}"#)
        .await;
    with_id.problem(503);

    scene.store.redis().restart().await;
    eventually("jobs are taken again", SOON, async || {
        let answer = scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a","opts":{"jobId":"x"}}"#)
            .await;
        answer.status == 202 || answer.status == 200
    })
    .await;
}

#[tokio::test]
async fn an_unanswered_add_without_an_id_is_an_unknown_outcome() {
    let scene = Scene::start(TestStore::on_redis().await).await;
    scene
        .client
        .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
        .await
        .ok(202);
    scene.store.redis().freeze();
    let answer = scene
        .client
        .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
        .await;
    scene.store.redis().thaw();
    let problem = answer.problem(504);
    assert_eq!(problem["type"], "urn:oxherd:problem:outcome-unknown");
    assert!(
        problem["detail"].as_str().unwrap().contains("give jobs an id"),
        "{problem}"
    );
}

on_every_store! {
    async fn a_store_that_takes_no_changes_is_told_from_one_that_is_away(store: TestStore) {
        let scene = Scene::start(store).await;
        let mut connection = scene.store.connection().await;
        let refusals = [
            (
                &["CONFIG", "SET", "maxmemory", "1"][..],
                &["CONFIG", "SET", "maxmemory", "0"][..],
                "maxmemory",
            ),
            (
                &["REPLICAOF", "127.0.0.1", "1"],
                &["REPLICAOF", "NO", "ONE"],
                "replica",
            ),
        ];
        // A directory is nobody's replica.
        let possible = if scene.store.directory().is_some() { 1 } else { 2 };
        for (change, undo, remedy) in refusals.into_iter().take(possible) {
            redis::cmd(change[0])
                .arg(&change[1..])
                .exec_async(&mut connection)
                .await
                .unwrap();
            let answer = scene
                .client
                .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
                .await;
            let problem = answer.problem(503);
            assert_eq!(
                problem["type"], "urn:oxherd:problem:store-refuses-writes",
                "{problem}"
            );
            assert_eq!(problem["title"], "store refuses writes");
            assert!(problem["detail"].as_str().unwrap().contains(remedy), "{problem}");
            assert!(!answer.header("retry-after").is_empty());
            redis::cmd(undo[0])
                .arg(&undo[1..])
                .exec_async(&mut connection)
                .await
                .unwrap();
            scene
                .client
                .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
                .await
                .ok(202);
        }
    }
}
