//! Starting and stopping.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use http::Method;
use oxherd_server::config::{Config, Flags};
use oxherd_server::serve::{Server, StartError};
use oxherd_testkit::{TestStore, eventually, on_every_store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::scene::{SOON, Scene, config};

// A directory is never away.
#[tokio::test]
async fn a_store_that_is_away_is_a_clear_error_within_seconds() {
    let store = TestStore::on_redis().await;
    let settings = config(&store, "");
    store.redis().kill();
    let started = Instant::now();
    let error = Server::start(settings).await.unwrap_err();
    assert!(
        matches!(error, StartError::Store(oxherd::Error::Open { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("is the server running"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(6));
}

on_every_store! {
    async fn a_taken_port_is_named_with_the_remedy(store: TestStore) {
        let scene = Scene::start(store).await;
        let mut settings = config(&scene.store, "");
        settings.listen.value = scene.server.address();
        let error = Server::start(settings).await.unwrap_err().to_string();
        assert!(
            error.contains(&scene.server.address().to_string()) && error.contains("--listen"),
            "{error}"
        );
    }
}

on_every_store! {
    async fn an_open_door_is_refused_however_the_settings_came_about(store: TestStore) {
        let flags = Flags {
            listen: Some("0.0.0.0:0".to_owned()),
            ..Flags::default()
        };
        let error = Config::resolve(&flags, &BTreeMap::new(), None)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--listen: ") && error.contains("set OXHERD_TOKEN"),
            "{error}"
        );
        let mut settings = config(&store, "");
        settings.listen.value = "0.0.0.0:0".parse().unwrap();
        let error = Server::start(settings).await.unwrap_err();
        assert!(matches!(error, StartError::OpenDoor(_)), "{error:?}");
    }
}

on_every_store! {
    async fn stopping_ends_streams_closes_the_door_and_takes_no_longer_than_needed(store: TestStore) {
        let scene = Scene::with(store, "[[webhooks]]\nqueues = ['hooks']").await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let client = scene.client.clone();
        let stream = tokio::spawn(async move {
            client
                .send(Method::GET, "/api/v1/queues/q/jobs/1/events", &[], "")
                .await
        });
        let followers = async || {
            let mut connection = scene.store.connection().await;
            let list: String = redis::cmd("CLIENT")
                .arg("LIST")
                .query_async(&mut connection)
                .await
                .unwrap();
            list.matches("cmd=xread").count()
        };
        eventually("the stream is open", SOON, async || followers().await > 0).await;

        let address = scene.server.address();
        let started = Instant::now();
        let report = scene.server.stop(Duration::from_secs(10)).await;
        assert_eq!((report.given_back, report.unreported), (0, 0));
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{:?}",
            started.elapsed()
        );
        let answer = tokio::time::timeout(SOON, stream).await.unwrap().unwrap();
        assert!(answer.text.contains("event: state"), "{answer:?}");
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}

#[tokio::test]
async fn what_a_directory_was_given_is_there_for_the_next_server() {
    let store = TestStore::on_disk();
    for fsync in ["always", "everysec", "never"] {
        let mut settings = config(&store, "");
        settings.store.value = format!("{}?fsync={fsync}", store.url()).parse().unwrap();
        let server = Server::start(settings.clone()).await.unwrap();
        let path = format!("/api/v1/queues/{fsync}/jobs");
        Client::new(server.address())
            .post(&path, r#"{"name":"a"}"#)
            .await
            .ok(202);
        server.stop(Duration::ZERO).await;

        let server = Server::start(settings).await.unwrap();
        let job = Client::new(server.address()).get(&format!("{path}/1")).await;
        assert_eq!(job.ok(200)["state"], "waiting");
        server.stop(Duration::ZERO).await;
    }
}

on_every_store! {
    async fn while_stopping_it_is_not_ready_but_still_answers(store: TestStore) {
        let scene = Scene::start(store).await;
        let (address, store) = (scene.server.address(), scene.store);
        // A request that is under way keeps the server answering for a moment.
        let mut slow = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = "POST /api/v1/queues/q/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 12\r\nConnection: close\r\n\r\n";
        slow.write_all(head.as_bytes()).await.unwrap();
        let client = Client::new(address);
        client.get("/health/live").await;
        let app = scene.server.app().clone();
        let stopping = tokio::spawn(scene.server.stop(Duration::from_secs(1)));
        eventually("the server drains", SOON, async || app.is_draining()).await;
        slow.write_all(br#"{"name":"a"}"#).await.unwrap();
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        stopping.await.unwrap();
        drop(store);
    }
}
