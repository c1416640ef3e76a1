//! Parents and children as Node's flows write them: what the end of a child does to its parent.

use oxherd::{JobId, JobState, Queue, Retention, Stop, Worker};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

/// A parent `P` in queue `parents` that waits for its children.
async fn parent(scene: &Scene, extra: &str) {
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
async fn child(scene: &Scene, id: &str, data: &str, flags: &str) {
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

fn id(id: &str) -> JobId {
    JobId::existing(id)
}

/// A worker whose jobs return their data, or fail if that is "fail".
async fn start(queue: &Queue) -> Worker {
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
async fn run_children(scene: &Scene, ids: &[&str]) {
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

async fn parent_state(scene: &Scene) -> JobState {
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
        assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await, ["bull:children:c2"]);
        gate.open();
        reaches(&queue, &id("c2"), JobState::Completed).await;
        stop(worker).await;

        assert!(!scene.exists("bull:parents:P:dependencies").await);
        assert!(!scene.exists("bull:parents:waiting-children").await);
        let processed = scene.hash("bull:parents:P:processed").await;
        assert_eq!((&*processed["bull:children:c1"], &*processed["bull:children:c2"]), ("\"one\"", "{\"a\":2}"));
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
    async fn a_failed_child_without_flags_keeps_its_parent_waiting(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", "").await;
        child(&scene, "c2", "1", "").await;
        run_children(&scene, &["c1", "c2"]).await;
        assert_eq!(parent_state(&scene).await, JobState::WaitingChildren);
        assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await, ["bull:children:c1"]);
        // A second life of the child ends well.
        let children = scene.queue("children");
        scene.tell("HSET bull:children:c1 data 2").await;
        children.retry(&id("c1"), false).await.unwrap();
        run_children(&scene, &["c1"]).await;
        reaches(&children, &id("c1"), JobState::Completed).await;
        assert_eq!(parent_state(&scene).await, JobState::Waiting);
    }
}

on_every_store! {
    async fn a_child_may_fail_its_parent(scene: Scene) {
        parent(&scene, "delay 0").await;
        child(&scene, "c1", "\"fail\"", ",\"fpof\":true").await;
        child(&scene, "c2", "1", "").await;
        scene.queue("children").pause().await.unwrap();
        scene.tell("LREM bull:children:wait 1 c2").await;
        scene.queue("children").resume().await.unwrap();
        run_children(&scene, &["c1"]).await;
        let now = scene.now().as_millis();
        assert_eq!(scene.scores("bull:parents:P:unsuccessful").await, [("bull:children:c1".to_owned(), now)]);
        assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await, ["bull:children:c2"]);
        assert_eq!(scene.hash("bull:parents:P").await["defa"], "child bull:children:c1 failed");
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        assert_eq!(scene.events("parents").await, ["waiting jobId P prev waiting-children"]);

        let parents = scene.queue("parents");
        let worker = start(&parents).await;
        let record = reaches(&parents, &id("P"), JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.failed_reason.as_deref(), Some("child bull:children:c1 failed"));
        assert_eq!(record.attempts_made, 1, "attempts left do not help");
    }
}

on_every_store! {
    async fn a_parent_that_failed_fails_its_own_parent(scene: Scene) {
        parent(&scene, "parentKey bull:top:G parent {\"id\":\"G\",\"queueKey\":\"bull:top\",\"fpof\":true}").await;
        scene.tell("HSET bull:top:G name g data {} opts {} timestamp 1 delay 0 priority 0").await;
        scene.tell("ZADD bull:top:waiting-children 1 G").await;
        scene.tell("SADD bull:top:G:dependencies bull:parents:P").await;
        child(&scene, "c1", "\"fail\"", ",\"fpof\":true").await;
        run_children(&scene, &["c1"]).await;
        for (queue, job, reason) in [
            ("parents", "P", "child bull:children:c1 failed"),
            ("top", "G", "child bull:parents:P failed"),
        ] {
            let queue = scene.queue(queue);
            let worker = start(&queue).await;
            let record = reaches(&queue, &id(job), JobState::Failed).await;
            assert_eq!(record.failed_reason.as_deref(), Some(reason));
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn a_parent_that_is_elsewhere_is_only_marked(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", ",\"fpof\":true").await;
        scene.tell("ZREM bull:parents:waiting-children P").await;
        scene.tell("LPUSH bull:parents:active P").await;
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.hash("bull:parents:P").await["defa"], "child bull:children:c1 failed");
        assert_eq!(scene.scores("bull:parents:P:unsuccessful").await.len(), 1);
        assert!(!scene.exists("bull:parents:wait").await);
    }
}

on_every_store! {
    async fn a_delayed_parent_that_fails_is_brought_forward(scene: Scene) {
        parent(&scene, "delay 60000").await;
        child(&scene, "c1", "\"fail\"", ",\"fpof\":true").await;
        scene.tell("ZREM bull:parents:waiting-children P").await;
        scene.tell("ZADD bull:parents:delayed 7353249381470208 P").await;
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        assert!(!scene.exists("bull:parents:delayed").await);
        let hash = scene.hash("bull:parents:P").await;
        assert_eq!((&*hash["delay"], &*hash["defa"]), ("0", "child bull:children:c1 failed"));
    }
}

on_every_store! {
    async fn a_failed_child_may_be_ignored(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", ",\"idof\":true").await;
        child(&scene, "c2", "\"fail\"", ",\"idof\":true").await;
        run_children(&scene, &["c1", "c2"]).await;
        let ignored = scene.hash("bull:parents:P:failed").await;
        assert_eq!((&*ignored["bull:children:c1"], &*ignored["bull:children:c2"]), ("boom", "boom"));
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        let parents = scene.queue("parents");
        let worker = start(&parents).await;
        reaches(&parents, &id("P"), JobState::Completed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_failed_child_may_be_forgotten(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", ",\"rdof\":true").await;
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        for key in ["dependencies", "failed", "unsuccessful", "processed"] {
            assert!(!scene.exists(&format!("bull:parents:P:{key}")).await, "{key}");
        }
    }
}

on_every_store! {
    async fn a_failed_child_may_let_its_parent_go_on_at_once(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", ",\"cpof\":true").await;
        child(&scene, "c2", "1", "").await;
        scene.tell("LREM bull:children:wait 1 c2").await;
        run_children(&scene, &["c1"]).await;
        assert_eq!(scene.hash("bull:parents:P:failed").await["bull:children:c1"], "boom");
        assert_eq!(scene.list("bull:parents:wait").await, ["P"]);
        assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await, ["bull:children:c2"]);

        // It may run, but not complete while a child is pending.
        let parents = scene.queue("parents");
        scene.tell("HSET bull:parents:P stacktrace [\"before\"]").await;
        let worker = start(&parents).await;
        let record = reaches(&parents, &id("P"), JobState::Failed).await;
        assert!(record.failed_reason.unwrap().contains("children that have not finished"));
        assert_eq!(record.stack_trace[0], "before");
        // The worker has its place back.
        let next = parents.add("n", ()).await.unwrap().id;
        reaches(&parents, &next, JobState::Completed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_parent_with_a_failed_child_cannot_complete(scene: Scene) {
        let parents = scene.queue("parents");
        parents.add("n", ()).id("P").await.unwrap();
        scene.tell("ZADD bull:parents:P:unsuccessful 1 bull:children:c1").await;
        let worker = start(&parents).await;
        let record = reaches(&parents, &id("P"), JobState::Failed).await;
        stop(worker).await;
        assert!(record.failed_reason.unwrap().contains("child of the job failed"));
    }
}

on_every_store! {
    async fn a_job_that_cannot_complete_is_kept_as_its_options_say(scene: Scene) {
        let parents = scene.queue("parents");
        parents.add("n", ()).id("P").remove_on_fail(Retention::Remove).await.unwrap();
        scene.tell("SADD bull:parents:P:dependencies bull:children:c1").await;
        let worker = start(&parents).await;
        oxherd_testkit::eventually("the job is gone", PATIENCE, async || {
            scene.event_names("parents").await.contains(&"failed".to_owned())
        })
        .await;
        stop(worker).await;
        assert!(!scene.exists("bull:parents:P").await);
        assert!(!scene.exists("bull:parents:failed").await);
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
            "P", "P:dependencies", "P:processed", "P:failed", "P:unsuccessful", "wait", "waiting-children", "events",
            "meta", "marker", "delayed", "failed",
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
