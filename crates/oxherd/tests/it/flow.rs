//! Parents and children as Node's flows write them: what the end of a child does to its parent.

use oxherd::{JobId, JobState, Queue, Stop, Worker};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

/// A parent `P` in queue `parents` that waits for its children.
pub(crate) async fn parent(scene: &Scene, extra: &str) {
    let now = scene.now().as_millis();
    let hash = format!(
        "HSET bull:parents:P name p data {{}} opts {{\"attempts\":3}} timestamp {now} delay 0 priority 0"
    );
    scene.tell(&format!("{hash} {extra}")).await;
    scene
        .tell(&format!("ZADD bull:parents:waiting-children {now} P"))
        .await;
}

/// A child in queue `children`; `flags` follow its parent's id and queue, as in `,"fpof":true`.
pub(crate) async fn child(scene: &Scene, id: &str, data: &str, flags: &str) {
    let parent = format!("{{\"id\":\"P\",\"queueKey\":\"bull:parents\"{flags}}}");
    let now = scene.now().as_millis();
    scene
        .tell(&format!(
            "HSET bull:children:{id} name c data {data} opts {{\"attempts\":1}} timestamp {now} delay 0 priority 0 \
             parentKey bull:parents:P parent {parent}"
        ))
        .await;
    scene.tell(&format!("LPUSH bull:children:wait {id}")).await;
    scene
        .tell(&format!("SADD bull:parents:P:dependencies bull:children:{id}"))
        .await;
}

pub(crate) fn id(id: &str) -> JobId {
    JobId::existing(id)
}

/// A worker whose jobs return their data, or fail if that is "fail".
pub(crate) async fn start(queue: &Queue) -> Worker {
    Worker::on(queue)
        .handle_any(async |data, _| {
            if data == json!("fail") {
                Err(Stop::fail("boom"))
            } else {
                Ok(data)
            }
        })
        .start()
        .await
        .unwrap()
}

/// Runs the children until all have finished.
pub(crate) async fn run_children(scene: &Scene, ids: &[&str]) {
    let queue = scene.queue("children");
    let worker = start(&queue).await;
    for child in ids {
        oxherd_testkit::eventually(&format!("{child} is finished"), PATIENCE, async || {
            queue
                .job(&id(child))
                .await
                .unwrap()
                .is_none_or(|job| job.state.is_finished())
        })
        .await;
    }
    stop(worker).await;
}

pub(crate) async fn parent_state(scene: &Scene) -> JobState {
    scene.queue("parents").job(&id("P")).await.unwrap().unwrap().state
}

on_every_store! {
    async fn the_last_child_to_complete_releases_its_parent(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"one\"", "").await;
        child(&scene, "c2", "{\"a\":2}", "").await;
        // In front of this one.
        scene.queue("parents").add("n", ()).await.unwrap();
        let queue = scene.queue("children");
        let gate = Gate::closed();
        let worker = Worker::on(&queue).handle_any({
            let gate = gate.clone();
            move |data: Value, context| {
                let gate = gate.clone();
                async move {
                    gate.pass(&context).await;
                    Ok(data)
                }
            }
        });
        let worker = worker.start().await.unwrap();
        gate.let_go(1);
        reaches(&queue, &id("c1"), JobState::Completed).await;
        assert_eq!(parent_state(&scene).await, JobState::WaitingChildren);
        assert_eq!(
            scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await,
            ["bull:children:c2"]
        );
        gate.open();
        reaches(&queue, &id("c2"), JobState::Completed).await;
        stop(worker).await;

        assert!(!scene.exists("bull:parents:P:dependencies").await);
        assert!(!scene.exists("bull:parents:waiting-children").await);
        let processed = scene.hash("bull:parents:P:processed").await;
        assert_eq!(
            (&*processed["bull:children:c1"], &*processed["bull:children:c2"]),
            ("\"one\"", "{\"a\":2}")
        );
        assert_eq!(scene.list("bull:parents:wait").await, ["1", "P"]);
        assert_eq!(scene.scores("bull:parents:marker").await, [("0".to_owned(), 0)]);
        assert_eq!(scene.events("parents").await[2..], ["waiting jobId P prev waiting-children"]);

        let parents = scene.queue("parents");
        let worker = start(&parents).await;
        reaches(&parents, &id("P"), JobState::Completed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_released_parent_keeps_its_priority_and_delay(scene: Scene) {
        parent(&scene, "priority 5").await;
        child(&scene, "c1", "1", "").await;
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.scores("bull:parents:prioritized").await, [("P".to_owned(), (5 << 32) + 1)]);

        scene.tell("FLUSHALL").await;
        parent(&scene, "delay 60000 priority 5").await;
        child(&scene, "c1", "1", "").await;
        run_children(&scene, &["c1"]).await;
        let due = scene.now().as_millis() + 60_000;
        assert_eq!(scene.scores("bull:parents:delayed").await, [("P".to_owned(), due * 4096)]);
        assert_eq!(scene.scores("bull:parents:marker").await, [("1".to_owned(), due)]);
        assert_eq!(scene.events("parents").await, [format!("delayed jobId P delay {due}")]);
    }
}

on_every_store! {
    async fn a_paused_parent_queue_wakes_nobody(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "1", "").await;
        scene.queue("parents").pause().await.unwrap();
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        assert!(!scene.exists("bull:parents:marker").await);
    }
}

on_every_store! {
    async fn a_released_parent_wakes_an_idle_worker(scene: Scene) {
        let parents = scene.queue("parents");
        let worker = Worker::on(&parents).drain_delay(PATIENCE * 10).handle_any(async |data, _| Ok(data));
        let worker = worker.start().await.unwrap();
        scene.listeners(1).await;
        parent(&scene, "").await;
        child(&scene, "c1", "1", "").await;
        run_children(&scene, &["c1"]).await;
        reaches(&parents, &id("P"), JobState::Completed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_child_that_is_not_kept_counts_all_the_same(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "1", "").await;
        scene.tell("HSET bull:children:c1 opts {\"removeOnComplete\":true}").await;
        run_children(&scene, &["c1"]).await;
        assert!(!scene.exists("bull:children:c1").await);
        assert_eq!(scene.hash("bull:parents:P:processed").await["bull:children:c1"], "1");
        assert_eq!(parent_state(&scene).await, JobState::Waiting);
    }
}

on_every_store! {
    async fn a_parent_that_makes_no_sense_does_not_lose_the_child(scene: Scene) {
        let queue = scene.queue("children");
        for (field, value) in [
            ("parent", "{"),
            ("parent", "7"),
            ("parent", "[]"),
            ("parent", r#"{"id":{"a":1},"queueKey":"bull:parents"}"#),
            ("parent", r#"{"id":"P","queueKey":true}"#),
            ("parent", r#"{"id":7,"queueKey":8}"#),
            ("parent", r#"{"id":"nobody","queueKey":"bull:nowhere","fpof":true}"#),
            ("parentKey", "text"),
            ("parentKey", ":"),
            ("parentKey", "bull:nowhere:nobody"),
        ] {
            for data in ["\"fine\"", "\"fail\""] {
                scene.tell("FLUSHALL").await;
                let job = queue.add("n", ()).await.unwrap().id;
                scene.tell(&format!("HSET bull:children:{job} data {data} {field} {value}")).await;
                let last = queue.add("n", ()).await.unwrap().id;
                let worker = start(&queue).await;
                for job in [&job, &last] {
                    oxherd_testkit::eventually(&format!("{field} {value} {data}"), PATIENCE, async || {
                        queue.job(job).await.unwrap().unwrap().state.is_finished()
                    })
                    .await;
                }
                stop(worker).await;
            }
        }
    }
}

on_every_store! {
    async fn foreign_keys_in_the_parents_queue_do_not_lose_the_child(scene: Scene) {
        let queue = scene.queue("children");
        for key in [
            "P",
            "P:dependencies",
            "P:processed",
            "P:failed",
            "P:unsuccessful",
            "wait",
            "waiting-children",
            "events",
            "meta",
            "marker",
            "delayed",
            "failed",
        ] {
            for (data, flags) in [("1", ""), ("\"fail\"", ",\"fpof\":true"), ("\"fail\"", ",\"idof\":true")] {
                scene.tell("FLUSHALL").await;
                parent(&scene, "").await;
                child(&scene, "c1", data, flags).await;
                scene.tell(&format!("DEL bull:parents:{key}")).await;
                scene.tell(&format!("SET bull:parents:{key} x")).await;
                let last = queue.add("n", ()).await.unwrap().id;
                let worker = start(&queue).await;
                // The child ends, or waits for the key to be mended; it is never in no list.
                reaches(&queue, &last, JobState::Completed).await;
                oxherd_testkit::eventually(&format!("{key} {data} {flags}"), PATIENCE, async || {
                    queue.job(&id("c1")).await.unwrap().unwrap().state != JobState::Unknown
                })
                .await;
                stop(worker).await;
                let state = queue.job(&id("c1")).await.unwrap().unwrap().state;
                assert_ne!(state, JobState::Unknown, "{key} {data} {flags}");
            }
        }
    }
}
