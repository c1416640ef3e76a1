//! Adding a job over HTTP, and every way to be refused.

use http::Method;
use oxherd_testkit::on_every_store;
use serde_json::json;

use crate::scene::Scene;

on_every_store! {
    async fn an_added_job_can_be_found_where_the_answer_says(store: TestStore) {
        let scene = Scene::start(store).await;
        let body = r#"{"name":"welcome","data":{"n":12345678901234567890123,"b":[1, 2]},"opts":{"attempts":3,"keepLogs":5}}"#;
        let answer = scene.client.post("/api/v1/queues/mail/jobs", body).await;
        let added = answer.ok(202);
        assert_eq!(
            added,
            json!({"id": "1", "queue": "mail", "status_url": "/api/v1/queues/mail/jobs/1"})
        );
        assert_eq!(answer.header("location"), "/api/v1/queues/mail/jobs/1");

        let answer = scene.client.get("/api/v1/queues/mail/jobs/1").await;
        let job = answer.ok(200);
        assert_eq!(job["state"], "waiting");
        assert_eq!(job["name"], "welcome");
        assert_eq!(job["attemptsAllowed"], 3);
        assert_eq!(job["opts"]["keepLogs"], 5);
        assert_eq!(job["problems"], json!([]));
        assert!(
            answer
                .text
                .contains(r#""data":{"n":12345678901234567890123,"b":[1, 2]}"#),
            "{}",
            answer.text
        );
    }
}

on_every_store! {
    async fn adding_an_id_again_changes_nothing_and_says_so(store: TestStore) {
        let scene = Scene::start(store).await;
        let body = |x: u8| format!(r#"{{"name":"a","data":{{"x":{x}}},"opts":{{"jobId":"order/7 ü"}}}}"#);
        let first = scene.client.post("/api/v1/queues/q/jobs", &body(1)).await;
        let added = first.ok(202);
        assert_eq!(added.get("duplicate"), None);
        let path = added["status_url"].as_str().unwrap().to_owned();
        let second = scene.client.post("/api/v1/queues/q/jobs", &body(2)).await;
        assert_eq!(second.ok(200)["duplicate"], true);
        assert_eq!(second.header("location"), path);
        let job = scene.client.get(&path).await.ok(200);
        assert_eq!(
            (job["id"].as_str(), &job["data"]["x"]),
            (Some("order/7 ü"), &json!(1))
        );
    }
}

on_every_store! {
    async fn data_may_be_left_out(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        assert_eq!(
            scene.client.get("/api/v1/queues/q/jobs/1").await.ok(200)["data"],
            json!({})
        );
    }
}

on_every_store! {
    async fn bad_jobs_are_refused_with_the_field_and_the_remedy(store: TestStore) {
        let scene = Scene::start(store).await;
        for (body, status, field, words) in [
            (r#"{"data":{}}"#, 400, "name", "missing"),
            (r#"{"name":"a","delay":5}"#, 400, "delay", "name, data and opts"),
            (
                r#"{"name":"a","opts":{"retries":3}}"#,
                400,
                "opts.retries",
                "known are jobId",
            ),
            (
                r#"{"name":"a","opts":{"attempts":"3"}}"#,
                400,
                "opts.attempts",
                "whole number",
            ),
            (
                r#"{"name":"a","opts":{"delay":-1}}"#,
                400,
                "opts.delay",
                "whole number",
            ),
            (
                r#"{"name":"a","opts":{"jobId":"17"}}"#,
                400,
                "opts.jobId",
                "letter in front",
            ),
            (
                r#"{"name":"a","data":[1,2,3],"opts":{"sizeLimit":2}}"#,
                413,
                "data",
                "limit of 2",
            ),
        ] {
            let answer = scene.client.post("/api/v1/queues/q/jobs", body).await;
            let problem = answer.problem(status);
            assert_eq!(problem["field"], field, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        }
        for (body, words) in [
            ("{\"name\":\n \"a\",}", "line 2 column"),
            ("", "empty"),
            ("[1]", "must be an object"),
            (r#"{"name":"a"} {}"#, "trailing characters"),
        ] {
            let problem = scene
                .client
                .post("/api/v1/queues/q/jobs", body)
                .await
                .problem(400);
            assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        }
        scene.client.get("/api/v1/queues/q").await.problem(404);
    }
}

on_every_store! {
    async fn nothing_but_json_is_taken(store: TestStore) {
        let scene = Scene::start(store).await;
        for headers in [&[("content-type", "text/plain")][..], &[]] {
            let answer = scene
                .client
                .send(Method::POST, "/api/v1/queues/q/jobs", headers, r#"{"name":"a"}"#)
                .await;
            let problem = answer.problem(415);
            assert!(
                problem["detail"].as_str().unwrap().contains("application/json"),
                "{problem}"
            );
        }
        let headers = [("content-type", "application/json; charset=utf-8")];
        scene
            .client
            .send(Method::POST, "/api/v1/queues/q/jobs", &headers, r#"{"name":"a"}"#)
            .await
            .ok(202);
    }
}

on_every_store! {
    async fn bodies_have_a_limit(store: TestStore) {
        let scene = Scene::with(store, "max_body = '2KiB'").await;
        let body = |size: usize| format!(r#"{{"name":"a","data":"{}"}}"#, "x".repeat(size));
        scene
            .client
            .post("/api/v1/queues/q/jobs", &body(2000))
            .await
            .ok(202);
        for size in [2048, 100_000] {
            let problem = scene
                .client
                .post("/api/v1/queues/q/jobs", &body(size))
                .await
                .problem(413);
            assert!(
                problem["detail"].as_str().unwrap().contains("2048 bytes"),
                "{problem}"
            );
        }
    }
}

on_every_store! {
    async fn a_full_queue_says_when_to_come_back(store: TestStore) {
        let scene = Scene::with(store, "[queues.mail]\nmax_waiting = 2").await;
        for _ in 0..2 {
            scene
                .client
                .post("/api/v1/queues/mail/jobs", r#"{"name":"a"}"#)
                .await
                .ok(202);
        }
        let answer = scene
            .client
            .post("/api/v1/queues/mail/jobs", r#"{"name":"a"}"#)
            .await;
        assert!(
            answer.problem(429)["detail"]
                .as_str()
                .unwrap()
                .contains("2 jobs wait")
        );
        assert_eq!(answer.header("retry-after"), "1");
        scene
            .client
            .post("/api/v1/queues/other/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
    }
}

on_every_store! {
    async fn impossible_queue_names_are_refused(store: TestStore) {
        let scene = Scene::start(store).await;
        let problem = scene
            .client
            .post("/api/v1/queues/a%3Ab/jobs", r#"{"name":"a"}"#)
            .await
            .problem(400);
        assert_eq!(problem["field"], "queue");
        scene.client.get("/api/v1/queues/a%FFb").await.problem(400);
    }
}
