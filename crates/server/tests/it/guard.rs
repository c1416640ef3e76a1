//! Who may come in: names, origins and tokens, over real sockets.

use http::Method;
use oxherd_testkit::on_every_store;

use crate::scene::Scene;

const JOBS: &str = "/api/v1/queues/q/jobs";
const JSON: (&str, &str) = ("content-type", "application/json");
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

on_every_store! {
    async fn a_page_of_another_site_can_neither_change_nor_read_anything(store: TestStore) {
        let scene = Scene::start(store).await;
        let job = r#"{"name":"a"}"#;
        let foreign = [JSON, ("origin", "https://evil.example")];
        scene
            .client
            .send(Method::POST, JOBS, &foreign, job)
            .await
            .problem(403);
        let own_origin = format!("http://{}", scene.client.address());
        scene
            .client
            .send(Method::POST, JOBS, &[JSON, ("origin", &own_origin)], job)
            .await
            .ok(202);

        // A name of the other site that was made to point here.
        let rebound = [
            JSON,
            ("host", "evil.example:7070"),
            ("origin", "http://evil.example:7070"),
        ];
        scene
            .client
            .send(Method::POST, JOBS, &rebound, job)
            .await
            .problem(403);
        let problem = scene
            .client
            .send(Method::GET, "/api/v1/status", &rebound, "")
            .await
            .problem(403);
        assert!(
            problem["detail"].as_str().unwrap().contains("localhost"),
            "{problem}"
        );
        let local = [("host", "localhost:1234")];
        scene
            .client
            .send(Method::GET, "/api/v1/status", &local, "")
            .await
            .ok(200);
    }
}

on_every_store! {
    async fn with_a_token_every_route_but_liveness_asks_for_it(store: TestStore) {
        let scene = Scene::with(store, &format!("token = '{TOKEN}'")).await;
        for path in [
            "/api/v1/status",
            "/api/v1/queues",
            JOBS,
            "/metrics",
            "/health/ready",
            "/nothing",
        ] {
            let answer = scene.client.get(path).await;
            let problem = answer.problem(401);
            assert!(
                answer.header("www-authenticate").starts_with("Bearer"),
                "{answer:?}"
            );
            assert!(
                problem["detail"].as_str().unwrap().contains("OXHERD_TOKEN"),
                "{problem}"
            );
        }
        scene.client.post(JOBS, r#"{"name":"a"}"#).await.problem(401);
        assert_eq!(scene.client.get("/health/live").await.status, 200);

        let right = format!("Bearer {TOKEN}");
        let with = |value| [("authorization", value), ("host", "jobs.example")];
        scene
            .client
            .send(Method::GET, "/api/v1/status", &with(&right), "")
            .await
            .ok(200);
        scene
            .client
            .send(Method::GET, "/api/v1/status", &with("Bearer wrong"), "")
            .await
            .problem(401);
    }
}
