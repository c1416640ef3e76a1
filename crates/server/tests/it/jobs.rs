//! Listing, showing, retrying and removing jobs over HTTP.

use std::time::Duration;

use http::Method;
use oxherd::Stop;
use oxherd_testkit::{eventually, on_every_store};
use serde_json::{Value, json};

use crate::scene::{SOON, Scene};

on_every_store! {
    async fn routes_and_methods_that_are_not_there_are_problems_too(store: TestStore) {
        let scene = Scene::start(store).await;
        scene.client.get("/api/v1/nothing").await.problem(404);
        scene
            .client
            .get("/api/v1/queues/q/jobs/1/nothing")
            .await
            .problem(404);
        let answer = scene.client.delete("/api/v1/queues").await;
        let problem = answer.problem(405);
        assert_eq!(answer.header("allow"), "GET,HEAD", "{answer:?}");
        assert_eq!(
            problem["detail"],
            "DELETE is not possible here; possible: GET, HEAD"
        );
        let problem = scene
            .client
            .send(Method::PUT, "/api/v1/queues/q/jobs", &[], "")
            .await
            .problem(405);
        assert!(problem["detail"].as_str().unwrap().contains("POST"), "{problem}");
        let problem = scene
            .client
            .get("/api/v1/queues/q/jobs?sate=failed")
            .await
            .problem(400);
        assert_eq!(problem["field"], "sate");
        let problem = scene
            .client
            .get("/api/v1/queues/q/jobs?state=done")
            .await
            .problem(400);
        assert!(
            problem["detail"].as_str().unwrap().contains("waiting-children"),
            "{problem}"
        );
        for query in ["limit=0", "limit=1001", "limit=x", "offset=-1"] {
            scene
                .client
                .get(&format!("/api/v1/queues/q/jobs?{query}"))
                .await
                .problem(400);
        }
    }
}

on_every_store! {
    async fn jobs_are_listed_by_state_a_page_at_a_time(store: TestStore) {
        let scene = Scene::start(store).await;
        for n in 0..5 {
            let body = format!(r#"{{"name":"a","data":{{"n":{n},"token":"geheim"}}}}"#);
            scene.client.post("/api/v1/queues/q/jobs", &body).await.ok(202);
        }
        let long = json!({"name": "long", "data": {"text": "ä".repeat(5000)}, "opts": {"delay": 60_000}});
        scene
            .client
            .post("/api/v1/queues/q/jobs", &long.to_string())
            .await
            .ok(202);

        let answer = scene
            .client
            .get("/api/v1/queues/q/jobs?state=waiting&offset=1&limit=2")
            .await;
        let page = answer.ok(200);
        assert_eq!(
            (&page["total"], &page["offset"], &page["limit"]),
            (&json!(5), &json!(1), &json!(2))
        );
        let ids: Vec<&Value> = page["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|job| &job["id"])
            .collect();
        assert_eq!(ids, ["2", "3"]);
        assert_eq!(page["jobs"][0]["data"], json!({"n": 1, "token": "***"}));
        assert!(!answer.text.contains("geheim"));

        let delayed = scene
            .client
            .get("/api/v1/queues/q/jobs?state=delayed")
            .await
            .ok(200);
        let job = &delayed["jobs"][0];
        assert_eq!(job["truncated"], json!(["data"]));
        assert!(job["data"].as_str().unwrap().len() <= 2048);
        assert_eq!(job["dataBytes"], 10_011);
        let whole = scene.client.get("/api/v1/queues/q/jobs/6").await.ok(200);
        assert_eq!(whole["data"]["text"].as_str().unwrap().chars().count(), 5000);
    }
}

on_every_store! {
    async fn a_failed_job_shows_why_and_can_run_again(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a","data":{}}"#)
            .await
            .ok(202);
        let worker = scene
            .worker("q", |worker| {
                worker.handle_json("a", |_, context: oxherd::JobContext| async move {
                    context.log("row 1").await?;
                    context.log("row 2").await?;
                    Err(Stop::fail(std::io::Error::other("disk on fire")))
                })
            })
            .await;
        let path = "/api/v1/queues/q/jobs/1";
        eventually("the job fails", SOON, async || {
            scene.client.get(path).await.ok(200)["state"] == "failed"
        })
        .await;
        worker.stop(SOON).await;

        let job = scene.client.get(path).await.ok(200);
        assert_eq!(job["failedReason"], "disk on fire");
        assert!(
            job["stacktrace"][0].as_str().unwrap().contains("disk on fire"),
            "{job}"
        );
        assert_eq!(job["attemptsMade"], 1);
        let logs = scene.client.get(&format!("{path}/logs?offset=1")).await.ok(200);
        assert_eq!(
            logs,
            json!({"total": 2, "offset": 1, "limit": 50, "rows": ["row 2"]})
        );

        let retried = scene
            .client
            .send(
                Method::POST,
                &format!("{path}/retry?reset_attempts=true"),
                &[],
                "",
            )
            .await;
        assert_eq!(retried.ok(200)["status_url"], path);
        let job = scene.client.get(path).await.ok(200);
        assert_eq!(
            (&job["state"], &job["attemptsMade"]),
            (&json!("waiting"), &json!(0))
        );
        let again = scene
            .client
            .send(Method::POST, &format!("{path}/retry"), &[], "")
            .await;
        assert!(
            again.problem(409)["detail"]
                .as_str()
                .unwrap()
                .contains("job is waiting")
        );
    }
}

on_every_store! {
    async fn a_removed_job_is_gone(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let removed = scene.client.delete("/api/v1/queues/q/jobs/1").await.ok(200);
        assert_eq!(
            removed,
            json!({"id": "1", "queue": "q", "removed": true, "state": "waiting"})
        );
        scene.client.get("/api/v1/queues/q/jobs/1").await.problem(404);
        scene.client.delete("/api/v1/queues/q/jobs/1").await.problem(404);
        scene
            .client
            .get("/api/v1/queues/q/jobs/1/logs")
            .await
            .problem(404);
        let retry = scene
            .client
            .send(Method::POST, "/api/v1/queues/q/jobs/1/retry", &[], "")
            .await;
        retry.problem(404);
    }
}

on_every_store! {
    async fn a_running_job_cannot_be_removed(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let worker = scene
            .worker("q", |worker| {
                worker.handle_any(|_, context: oxherd::JobContext| async move {
                    context.cancelled().await;
                    Ok(Value::Null)
                })
            })
            .await;
        let path = "/api/v1/queues/q/jobs/1";
        eventually("the job runs", SOON, async || {
            scene.client.get(path).await.ok(200)["state"] == "active"
        })
        .await;
        let problem = scene.client.delete(path).await.problem(409);
        assert!(
            problem["detail"].as_str().unwrap().contains("being processed"),
            "{problem}"
        );
        worker.stop(Duration::ZERO).await;
    }
}
