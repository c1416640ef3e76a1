//! Many jobs in one request.

use oxherd_testkit::on_every_store;
use serde_json::json;

use crate::scene::Scene;

const PATH: &str = "/api/v1/queues/q/jobs/bulk";

on_every_store! {
    async fn each_job_has_its_own_result_in_order(store: TestStore) {
        let scene = Scene::start(store).await;
        let body = r#"[{"name":"a"},{"name":"b","opts":{"jobId":"x"}},{"name":"c","opts":{"jobId":"x"}}]"#;
        let answer = scene.client.post(PATH, body).await.ok(202);
        assert_eq!(
            answer,
            json!({"added": 2, "refused": 0, "results": [
                {"id": "1", "queue": "q", "status_url": "/api/v1/queues/q/jobs/1"},
                {"id": "x", "queue": "q", "status_url": "/api/v1/queues/q/jobs/x"},
                {"id": "x", "queue": "q", "status_url": "/api/v1/queues/q/jobs/x", "duplicate": true},
            ]})
        );
        assert_eq!(
            scene.client.get("/api/v1/queues/q/jobs/x").await.ok(200)["name"],
            "b"
        );
        assert_eq!(scene.client.post(PATH, "[]").await.ok(202)["results"], json!([]));
    }
}

on_every_store! {
    async fn one_bad_job_keeps_all_out_and_is_named_by_index_and_field(store: TestStore) {
        let scene = Scene::start(store).await;
        let body = r#"[{"name":"a"},{"name":"b","opts":{"attempts":-1}},{"nam":"c"}]"#;
        let problem = scene.client.post(PATH, body).await.problem(400);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("job 1: `opts.attempts`") && detail.contains("1 more"),
            "{problem}"
        );
        assert_eq!(problem["errors"][0]["index"], 1);
        assert_eq!(problem["errors"][0]["field"], "opts.attempts");
        assert_eq!(problem["errors"][1]["index"], 2);
        assert_eq!(problem["errors"][1]["field"], "nam");
        scene.client.get("/api/v1/queues/q").await.problem(404);
        scene.client.post(PATH, r#"{"name":"a"}"#).await.problem(400);
    }
}

on_every_store! {
    async fn a_queue_that_fills_up_takes_what_fits(store: TestStore) {
        let scene = Scene::with(store, "[queues.q]\nmax_waiting = 2").await;
        let answer = scene
            .client
            .post(PATH, r#"[{"name":"a"},{"name":"b"},{"name":"c"}]"#)
            .await
            .ok(207);
        assert_eq!((&answer["added"], &answer["refused"]), (&json!(2), &json!(1)));
        assert_eq!(answer["results"][2]["error"]["status"], 429);
        let refused = scene.client.post(PATH, r#"[{"name":"d"}]"#).await;
        refused.problem(429);
        assert_eq!(refused.header("retry-after"), "1");
    }
}
