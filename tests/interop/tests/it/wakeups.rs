//! How idle workers of both programs wake each other: the marker.

use std::time::Duration;

use oxherd::Worker;
use oxherd_testkit::{eventually, on_every_store};
use serde_json::json;

use crate::scene::{PATIENCE, Scene, echo, stop};

on_every_store! {
    async fn a_stopped_worker_leaves_the_marker_to_others(store: TestStore) {
        let scene = Scene::new(store).await;
        let worker = Worker::on(&scene.queue()).handle_any(echo).start().await.unwrap();
        scene.until_listening(1).await;
        stop(worker).await;
        scene.node_adds("for somebody else", json!({}), json!({})).await;
        scene.until_listening(0).await;
        eventually("the marker is there for others", PATIENCE, async || {
            scene
                .ask::<Option<u64>>(&["ZSCORE", "bull:mail:marker", "0"])
                .await
                == Some(0)
        })
        .await;
    }
}

on_every_store! {
    async fn a_stopping_worker_gives_back_when_the_next_job_is_due(store: TestStore) {
        let scene = Scene::new(store).await;
        scene
            .node_adds("later", json!({}), json!({"delay": 60_000}))
            .await;
        let due = scene
            .ask::<Option<u64>>(&["ZSCORE", "bull:mail:marker", "1"])
            .await;
        assert!(due.is_some());
        let worker = Worker::on(&scene.queue()).handle_any(echo).start().await.unwrap();
        eventually("the worker pops the marker", PATIENCE, async || {
            scene.ask::<u8>(&["EXISTS", "bull:mail:marker"]).await == 0
        })
        .await;
        stop(worker).await;
        eventually("the marker is there for others", PATIENCE, async || {
            scene
                .ask::<Option<u64>>(&["ZSCORE", "bull:mail:marker", "1"])
                .await
                == due
        })
        .await;
    }
}

on_every_store! {
    async fn an_idle_worker_of_the_other_program_wakes_at_once(store: TestStore) {
        // Longer than the test waits: only the marker can wake them.
        let drain_delay = Duration::from_secs(300);
        let scene = Scene::new(store).await;
        let worker = Worker::on(&scene.queue())
            .drain_delay(drain_delay)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.until_listening(1).await;
        let id = scene.node_adds("for oxherd", json!({}), json!({})).await;
        scene.node_sees(&id, "completed").await;
        stop(worker).await;

        scene.until_listening(0).await;
        scene
            .node_works(
                json!({"kind": "echo"}),
                json!({"drainDelay": drain_delay.as_secs()}),
            )
            .await;
        scene.until_listening(1).await;
        let added = scene.queue().add("for node", json!({})).await.unwrap();
        scene.node_sees(added.id.as_str(), "completed").await;
        let delayed = scene
            .queue()
            .add("for node", json!({}))
            .delay(Duration::from_millis(300))
            .await
            .unwrap();
        scene.node_sees(delayed.id.as_str(), "completed").await;
    }
}

on_every_store! {
    async fn each_taken_job_wakes_one_more_idle_worker(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let (_release, released) = tokio::sync::watch::channel(false);
        let hold = move |_, _| {
            let mut released = released.clone();
            async move {
                released.wait_for(|is_released| *is_released).await?;
                Ok(json!(null))
            }
        };
        let drain_delay = Duration::from_secs(300);
        let _ours = Worker::on(&queue)
            .drain_delay(drain_delay)
            .handle_any(hold)
            .start()
            .await
            .unwrap();
        scene
            .node_works(
                json!({"kind": "hold"}),
                json!({"drainDelay": drain_delay.as_secs()}),
            )
            .await;
        // Two jobs in one go set one marker; the worker that takes the first job wakes the other.
        scene.until_listening(2).await;
        let jobs = json!([{"name": "one", "data": {}}, {"name": "two", "data": {}}]);
        scene.node("queue.addBulk", json!({"jobs": jobs})).await;
        scene.node_counts("active", 2).await;
    }
}
