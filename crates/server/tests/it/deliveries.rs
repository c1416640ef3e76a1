//! Webhook jobs through the whole server: checked on the way in, delivered, tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use oxherd_testkit::{eventually, on_every_store};
use serde_json::json;
use tokio::net::TcpListener;

use crate::scene::{SOON, Scene};

/// Answers 500 until it has failed as often as it should, then 200.
#[derive(Clone, Default)]
struct Receiver {
    failures_left: Arc<AtomicU16>,
    taken: Arc<AtomicUsize>,
}

async fn receive(State(receiver): State<Receiver>, body: String) -> Response {
    let left = receiver
        .failures_left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if left.is_ok() {
        return (StatusCode::INTERNAL_SERVER_ERROR, "out of cheese").into_response();
    }
    receiver.taken.fetch_add(1, Ordering::SeqCst);
    format!("took {body}").into_response()
}

impl Receiver {
    async fn start(failures: u16) -> (Self, u16) {
        let receiver = Self::default();
        receiver.failures_left.store(failures, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let routes = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (receiver, port)
    }
}

fn table(port: u16) -> String {
    format!(
        "[[webhooks]]\nqueues = ['hooks']\nallow_networks = ['127.0.0.0/8']\nallow_ports = [{port}]\nattempts = 3\n\
         backoff = ['10ms']\n"
    )
}

on_every_store! {
    async fn a_delivery_that_fails_is_tried_again_and_its_log_tells(store: TestStore) {
        let (receiver, port) = Receiver::start(2).await;
        let scene = Scene::with(store, &table(port)).await;
        let job = json!({"name": "anything", "data": {"url": format!("http://127.0.0.1:{port}/hook"), "body": {"b": 1}}});
        let added = scene
            .client
            .post("/api/v1/queues/hooks/jobs", &job.to_string())
            .await
            .ok(202);
        let path = added["status_url"].as_str().unwrap();
        let state = async || scene.client.get(path).await.ok(200)["state"].clone();
        eventually("the delivery succeeds", SOON, async || {
            state().await == "completed"
        })
        .await;

        let job = scene.client.get(path).await.ok(200);
        assert_eq!(
            (&job["attemptsMade"], &job["attemptsAllowed"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(job["returnvalue"]["status"], 200);
        assert_eq!(job["returnvalue"]["body"], r#"took {"b":1}"#);
        assert_eq!(job["processedBy"], "webhook");
        let rows = scene.client.get(&format!("{path}/logs")).await.ok(200)["rows"].clone();
        assert_eq!(rows[0], "attempt 1: the receiver answered 500");
        assert_eq!(rows[2], "attempt 3: delivered, the receiver answered 200");
        assert_eq!(receiver.taken.load(Ordering::SeqCst), 1);
    }
}

on_every_store! {
    async fn a_delivery_that_cannot_be_is_refused_when_it_is_added(store: TestStore) {
        let (_, port) = Receiver::start(0).await;
        let scene = Scene::with(store, &table(port)).await;
        for (data, field) in [
            (json!({"body": 1}), "data.url"),
            (json!({"url": "ftp://example.com", "body": 1}), "data.url"),
            (json!({"url": "http://10.0.0.1:80/", "body": 1}), "data.url"),
            (
                json!({"url": "https://example.com", "body": 1, "retries": 3}),
                "data.retries",
            ),
            (json!([]), "data"),
        ] {
            let job = json!({"name": "x", "data": data});
            let problem = scene
                .client
                .post("/api/v1/queues/hooks/jobs", &job.to_string())
                .await
                .problem(400);
            assert_eq!(problem["field"], field, "{problem}");
            let bulk = json!([job]).to_string();
            let problem = scene
                .client
                .post("/api/v1/queues/hooks/jobs/bulk", &bulk)
                .await
                .problem(400);
            assert_eq!(problem["errors"][0]["field"], field, "{problem}");
        }
    }
}
