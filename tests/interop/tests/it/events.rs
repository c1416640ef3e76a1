//! The event stream, read by the one program while the other writes it.

use std::time::Duration;

use oxherd::{JobContext, QueueEvents, Stop, Worker};
use oxherd_interop::{Holder, Notifications};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::scene::{PATIENCE, QUEUE, Scene, echo, stop};

/// Has Node follow the queue's events from now on.
async fn node_listens(scene: &Scene) -> Notifications {
    let notifications = scene.peer.notifications();
    scene.node("queueEvents.start", json!({"reader": "reader"})).await;
    notifications
}

/// Kind and fields of Node's events up to and including the first of this kind.
async fn node_hears(notifications: &mut Notifications, last: &str) -> Vec<(String, Value)> {
    let heard = notifications
        .until(&format!("node hears {last}"), PATIENCE, |event| {
            event["kind"] == last
        })
        .await;
    let heard = heard
        .into_iter()
        .map(|mut event| (event["kind"].as_str().unwrap().to_owned(), event["fields"].take()));
    heard.collect()
}

fn expected<const N: usize>(events: [(&str, Value); N]) -> Vec<(String, Value)> {
    events
        .into_iter()
        .map(|(kind, fields)| (kind.to_owned(), fields))
        .collect()
}

/// Two reports of progress, then the data.
async fn report(data: Value, context: JobContext) -> oxherd::Outcome<Value> {
    context.progress(&50).await?;
    context.progress(&json!({"step": 2})).await?;
    Ok(data)
}

on_every_store! {
    async fn node_hears_how_a_job_of_oxherd_succeeds(store: TestStore) {
        let scene = Scene::new(store).await;
        let mut node = node_listens(&scene).await;
        scene
            .queue()
            .add("welcome", json!({"a": [1, "ü"]}))
            .await
            .unwrap();
        let worker = Worker::on(&scene.queue())
            .handle_any(report)
            .start()
            .await
            .unwrap();
        assert_eq!(
            node_hears(&mut node, "drained").await,
            expected([
                ("added", json!({"jobId": "1", "name": "welcome"})),
                ("waiting", json!({"jobId": "1"})),
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                ("progress", json!({"jobId": "1", "data": 50})),
                ("progress", json!({"jobId": "1", "data": {"step": 2}})),
                (
                    "completed",
                    json!({"jobId": "1", "returnvalue": {"a": [1, "ü"]}, "prev": "active"})
                ),
                ("drained", json!({})),
            ])
        );
        stop(worker).await;
    }
}

on_every_store! {
    async fn node_hears_how_a_job_of_oxherd_is_tried_again_and_fails(store: TestStore) {
        let scene = Scene::new(store).await;
        let mut node = node_listens(&scene).await;
        let worker = Worker::on(&scene.queue())
            .handle_json("at once", async |_, _| Err(Stop::retry("no")))
            .handle_json("after a while", async |_, context: JobContext| {
                if context.attempt() == 1 {
                    return Err(Stop::retry_after(Duration::from_millis(50), "not yet"));
                }
                Ok(json!("late"))
            })
            .start()
            .await
            .unwrap();
        scene.queue().add("at once", json!({})).attempts(2).await.unwrap();
        assert_eq!(
            node_hears(&mut node, "drained").await,
            expected([
                ("added", json!({"jobId": "1", "name": "at once"})),
                ("waiting", json!({"jobId": "1"})),
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                ("waiting", json!({"jobId": "1", "prev": "active"})),
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                (
                    "failed",
                    json!({"jobId": "1", "failedReason": "no", "prev": "active"})
                ),
                ("retries-exhausted", json!({"jobId": "1", "attemptsMade": "2"})),
                ("drained", json!({})),
            ])
        );
        scene
            .queue()
            .add("after a while", json!({}))
            .attempts(2)
            .await
            .unwrap();
        let mut heard = node_hears(&mut node, "drained").await;
        let due = heard[3].1["delay"].take();
        let job = scene.node_job("2").await;
        assert!(
            due.as_u64().unwrap() >= job["timestamp"].as_u64().unwrap() + 50,
            "{due}"
        );
        assert_eq!(
            heard,
            expected([
                ("added", json!({"jobId": "2", "name": "after a while"})),
                ("waiting", json!({"jobId": "2"})),
                ("active", json!({"jobId": "2", "prev": "waiting"})),
                ("delayed", json!({"jobId": "2", "delay": null})),
                ("waiting", json!({"jobId": "2", "prev": "delayed"})),
                ("active", json!({"jobId": "2", "prev": "waiting"})),
                (
                    "completed",
                    json!({"jobId": "2", "returnvalue": "late", "prev": "active"})
                ),
                ("drained", json!({})),
            ])
        );
        stop(worker).await;
    }
}

on_every_store! {
    async fn node_hears_what_oxherd_changes_by_hand(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let mut node = node_listens(&scene).await;
        let delayed = queue
            .add("later", json!({}))
            .delay(Duration::from_secs(60))
            .await
            .unwrap();
        queue.add("own", json!({})).id("own").priority(3).await.unwrap();
        queue.add("own", json!({})).id("own").await.unwrap();
        queue.pause().await.unwrap();
        queue.promote(&delayed.id).await.unwrap();
        queue.remove(&delayed.id).await.unwrap();
        queue.remove(&"own".parse().unwrap()).await.unwrap();
        queue.resume().await.unwrap();
        let mut heard = node_hears(&mut node, "resumed").await;
        assert!(heard[1].1["delay"].take().is_u64());
        assert_eq!(
            heard,
            expected([
                ("added", json!({"jobId": "1", "name": "later"})),
                ("delayed", json!({"jobId": "1", "delay": null})),
                ("added", json!({"jobId": "own", "name": "own"})),
                ("waiting", json!({"jobId": "own"})),
                ("duplicated", json!({"jobId": "own"})),
                ("paused", json!({})),
                ("waiting", json!({"jobId": "1", "prev": "delayed"})),
                ("removed", json!({"jobId": "1", "prev": "wait"})),
                ("removed", json!({"jobId": "own", "prev": "prioritized"})),
                ("resumed", json!({})),
            ])
        );
    }
}

on_every_store! {
    async fn node_hears_that_a_job_of_oxherd_stalled(store: TestStore) {
        let scene = Scene::new(store).await;
        let interval = Duration::from_millis(200);
        let program = env!("CARGO_BIN_EXE_holder");
        let lock = Duration::from_secs(1);
        let mut holder = Holder::start(program, &scene.store.url(), QUEUE, 1, lock, interval);
        let mut node = node_listens(&scene).await;
        scene.queue().add("stalls", json!({})).await.unwrap();
        holder.held(1).await;
        holder.kill().await;
        let worker = Worker::on(&scene.queue())
            .stalled_interval(interval)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        assert_eq!(
            node_hears(&mut node, "drained").await[2..],
            expected([
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                ("waiting", json!({"jobId": "1", "prev": "active"})),
                ("stalled", json!({"jobId": "1"})),
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                (
                    "completed",
                    json!({"jobId": "1", "returnvalue": {}, "prev": "active"})
                ),
                ("drained", json!({})),
            ])
        );
        stop(worker).await;
    }
}

/// Event, job and other fields of what Oxherd hears, up to and including the first event of this kind.
async fn oxherd_hears(events: &mut QueueEvents, last: &str) -> Vec<(String, Value)> {
    let mut heard = Vec::new();
    loop {
        let event = timeout(PATIENCE, events.next())
            .await
            .unwrap_or_else(|_| panic!("no {last} after {heard:?}"));
        let event = event.expect("the reader goes on");
        let mut fields = json!(event.fields);
        if let Some(id) = event.job_id {
            fields["jobId"] = json!(id);
        }
        heard.push((event.event.clone(), fields));
        if event.event == last {
            return heard;
        }
    }
}

on_every_store! {
    async fn oxherd_hears_what_node_does(store: TestStore) {
        let scene = Scene::new(store).await;
        let mut events = scene.queue().events(None).await.unwrap();
        scene.node_adds("welcome", json!({"a": 1}), json!({})).await;
        scene
            .node_works(json!({"kind": "progress", "progress": [50]}), json!({}))
            .await;
        assert_eq!(
            oxherd_hears(&mut events, "drained").await,
            expected([
                ("added", json!({"jobId": "1", "name": "welcome"})),
                ("waiting", json!({"jobId": "1"})),
                ("active", json!({"jobId": "1", "prev": "waiting"})),
                ("progress", json!({"jobId": "1", "data": "50"})),
                (
                    "completed",
                    json!({"jobId": "1", "returnvalue": r#"{"a":1}"#, "prev": "active"})
                ),
                ("drained", json!({})),
            ])
        );
        scene.node("worker.stop", json!({"worker": "node"})).await;

        scene
            .node_works(
                json!({"kind": "failTimes", "times": 9, "message": "no"}),
                json!({}),
            )
            .await;
        scene
            .node_adds("hopeless", json!({}), json!({"attempts": 2}))
            .await;
        assert_eq!(
            oxherd_hears(&mut events, "drained").await,
            expected([
                ("added", json!({"jobId": "2", "name": "hopeless"})),
                ("waiting", json!({"jobId": "2"})),
                ("active", json!({"jobId": "2", "prev": "waiting"})),
                ("waiting", json!({"jobId": "2", "prev": "active"})),
                ("active", json!({"jobId": "2", "prev": "waiting"})),
                (
                    "failed",
                    json!({"jobId": "2", "failedReason": "no", "prev": "active"})
                ),
                ("retries-exhausted", json!({"jobId": "2", "attemptsMade": "2"})),
                ("drained", json!({})),
            ])
        );
        scene.node("queue.pause", json!({})).await;
        scene.node("job.remove", json!({"job": "2"})).await;
        scene.node("queue.resume", json!({})).await;
        assert_eq!(
            oxherd_hears(&mut events, "resumed").await,
            expected([
                ("paused", json!({})),
                ("removed", json!({"jobId": "2", "prev": "failed"})),
                ("resumed", json!({})),
            ])
        );
    }
}
