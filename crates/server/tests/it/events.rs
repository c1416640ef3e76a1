//! Following one job as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use oxherd::{JobContext, Stop};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::scene::{SOON, Scene};

/// One event as a browser would see it.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// A connection that reads events one at a time.
struct Stream {
    socket: TcpStream,
    unread: String,
}

impl Stream {
    async fn open(scene: &Scene, path: &str, last_event_id: Option<&str>) -> Self {
        let mut socket = TcpStream::connect(scene.client.address()).await.unwrap();
        let resume = last_event_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n{resume}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut stream = Self {
            socket,
            unread: String::new(),
        };
        let head = stream.until("\r\n\r\n").await.unwrap();
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        assert!(
            head.to_lowercase().contains("content-type: text/event-stream"),
            "{head}"
        );
        stream
    }

    async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some((before, after)) = self.unread.split_once(end) {
                let (before, after) = (before.to_owned(), after.to_owned());
                self.unread = after;
                return Some(before);
            }
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(SOON, self.socket.read(&mut buffer))
                .await
                .expect("no event in time");
            match read.unwrap() {
                0 => return None,
                count => self
                    .unread
                    .push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
            }
        }
    }

    /// The next event; `None` when the server closed the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let text = self.until("\n\n").await?;
            let field = |name: &str| {
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_default().to_owned()
            };
            if !field("data").is_empty() {
                return Some(Event {
                    name: field("event"),
                    id: field("id"),
                    data: serde_json::from_str(&field("data")).unwrap(),
                });
            }
        }
    }

    async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn told(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event.name.as_str() {
            "state" => format!("state {}", event.data["state"].as_str().unwrap()),
            "log" => format!("log {}", event.data["row"].as_str().unwrap()),
            "progress" => format!("progress {}", event.data["progress"]),
            other => other.to_owned(),
        })
        .collect()
}

on_every_store! {
    async fn a_job_is_told_from_its_present_state_to_its_end(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post(
                "/api/v1/queues/q/jobs",
                r#"{"name":"a","data":{"token":"geheim"}}"#,
            )
            .await
            .ok(202);
        let mut stream = Stream::open(&scene, "/api/v1/queues/q/jobs/1/events", None).await;
        let first = stream.next().await.unwrap();
        assert_eq!(
            (first.name.as_str(), &first.data["state"], &first.data["name"]),
            ("state", &json!("waiting"), &json!("a"))
        );
        assert_eq!(first.data["data"]["token"], "***");

        let worker = scene
            .worker("q", |worker| {
                worker.handle_any(|_, context: JobContext| async move {
                    context.log("one\ntwo").await?;
                    context.progress(&50).await?;
                    context.log("three").await?;
                    Ok(json!({"sent": true}))
                })
            })
            .await;
        let events = stream.rest().await;
        let told = told(&events);
        assert_eq!(told.first().map(String::as_str), Some("state active"), "{told:?}");
        assert_eq!(
            told.last().map(String::as_str),
            Some("state completed"),
            "{told:?}"
        );
        for expected in ["log one\ntwo", "log three", "progress 50"] {
            assert_eq!(
                told.iter().filter(|text| *text == expected).count(),
                1,
                "{expected}: {told:?}"
            );
        }
        let end = events.last().unwrap();
        assert_eq!(
            (end.id.as_str(), &end.data["returnvalue"]),
            ("end", &json!({"sent": true}))
        );
        worker.stop(SOON).await;
    }
}

on_every_store! {
    async fn a_finished_job_is_told_at_once_and_a_client_that_saw_the_end_is_sent_away(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let worker = scene
            .worker("q", |worker| {
                worker.handle_any(|_, context: JobContext| async move {
                    context.log("row").await?;
                    Err(Stop::fail("no such user"))
                })
            })
            .await;
        let path = "/api/v1/queues/q/jobs/1/events";
        let all = told(&Stream::open(&scene, path, None).await.rest().await);
        assert_eq!(all.last().map(String::as_str), Some("state failed"), "{all:?}");
        let again = Stream::open(&scene, path, None).await.rest().await;
        assert_eq!(told(&again), ["log row", "state failed"]);
        assert_eq!(again[1].data["failedReason"], "no such user");
        worker.stop(SOON).await;

        let headers = [("last-event-id", "end")];
        let answer = scene.client.send(http::Method::GET, path, &headers, "").await;
        assert_eq!(answer.status, 204);
        scene
            .client
            .get("/api/v1/queues/q/jobs/2/events")
            .await
            .problem(404);
    }
}

on_every_store! {
    async fn a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let path = "/api/v1/queues/q/jobs/1/events";
        let mut stream = Stream::open(&scene, path, None).await;
        assert_eq!(stream.next().await.unwrap().data["state"], "waiting");

        let steps = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&steps);
        let worker = scene
            .worker("q", |worker| {
                worker.handle_any(move |_, context: JobContext| {
                    let gate = Arc::clone(&gate);
                    async move {
                        for step in 1..=3 {
                            context.log(format!("row {step}")).await?;
                            context.progress(&step).await?;
                            gate.acquire().await?.forget();
                        }
                        Ok(Value::Null)
                    }
                })
            })
            .await;
        let mut seen = Vec::new();
        while told(&seen).last().map(String::as_str) != Some("progress 1") {
            seen.push(stream.next().await.unwrap());
        }
        let last = seen.last().unwrap().id.clone();
        drop(stream);
        steps.add_permits(3);

        let mut resumed = Stream::open(&scene, path, Some(&last)).await;
        let mut all = told(&seen);
        all.extend(told(&resumed.rest().await));
        all.sort();
        let expected = [
            "log row 1",
            "log row 2",
            "log row 3",
            "progress 1",
            "progress 2",
            "progress 3",
            "state active",
            "state completed",
        ];
        assert_eq!(all, expected);
        worker.stop(SOON).await;
    }
}

on_every_store! {
    async fn a_removed_job_ends_its_stream(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let mut stream = Stream::open(&scene, "/api/v1/queues/q/jobs/1/events", None).await;
        assert_eq!(stream.next().await.unwrap().name, "state");
        scene.client.delete("/api/v1/queues/q/jobs/1").await.ok(200);
        assert_eq!(told(&stream.rest().await), ["removed"]);
    }
}

on_every_store! {
    async fn a_stream_whose_events_were_cut_away_still_comes_to_its_end(store: TestStore) {
        let scene = Scene::start(store).await;
        scene
            .client
            .post("/api/v1/queues/q/jobs", r#"{"name":"a"}"#)
            .await
            .ok(202);
        let mut stream = Stream::open(&scene, "/api/v1/queues/q/jobs/1/events", None).await;
        assert_eq!(stream.next().await.unwrap().name, "state");
        let mut connection = scene.store.connection().await;
        // As a job that was finished while nobody could hear of it: the hash and the set say so, the stream does not.
        let now = "1700000000000";
        redis::pipe()
            .cmd("LREM")
            .arg("bull:q:wait")
            .arg(0)
            .arg("1")
            .cmd("ZADD")
            .arg("bull:q:completed")
            .arg(now)
            .arg("1")
            .cmd("HSET")
            .arg("bull:q:1")
            .arg("returnvalue")
            .arg("7")
            .arg("finishedOn")
            .arg(now)
            .exec_async(&mut connection)
            .await
            .unwrap();
        let events = tokio::time::timeout(Duration::from_secs(15), stream.rest())
            .await
            .unwrap();
        assert_eq!(told(&events), ["state completed"]);
        assert_eq!(events[0].data["returnvalue"], 7);
    }
}

on_every_store! {
    async fn rows_are_told_on_when_the_log_is_full_and_keeps_only_the_latest(store: TestStore) {
        let scene = Scene::start(store).await;
        let body = r#"{"name":"a","opts":{"keepLogs":3}}"#;
        scene.client.post("/api/v1/queues/q/jobs", body).await.ok(202);
        let mut stream = Stream::open(&scene, "/api/v1/queues/q/jobs/1/events", None).await;
        assert_eq!(stream.next().await.unwrap().data["state"], "waiting");
        let gate = Arc::new(Semaphore::new(0));
        let steps = Arc::clone(&gate);
        let worker = scene
            .worker("q", |worker| {
                worker.handle_any(move |_, context: JobContext| {
                    let gate = Arc::clone(&steps);
                    async move {
                        for row in 1..=8 {
                            context.log(row.to_string()).await?;
                            gate.acquire().await?.forget();
                        }
                        Ok(Value::Null)
                    }
                })
            })
            .await;
        let mut rows = Vec::new();
        loop {
            let event = stream.next().await.unwrap();
            if event.name == "log" {
                rows.push(event.data["row"].as_str().unwrap().to_owned());
                gate.add_permits(1);
            } else if event.data["state"] == "completed" {
                break;
            }
        }
        assert_eq!(rows, ["1", "2", "3", "4", "5", "6", "7", "8"]);
        worker.stop(SOON).await;
    }
}
