//! What the failure of a child does to its parent, by the flags Node's flows write: nothing, fail, ignore, forget, go on.

use oxherd::{JobState, Retention};

use crate::flow::{child, id, parent, parent_state, run_children, start};
use crate::scene::{PATIENCE, on_every_store, reaches, stop};

on_every_store! {
    async fn a_failed_child_without_flags_keeps_its_parent_waiting(scene: Scene) {
        parent(&scene, "").await;
        child(&scene, "c1", "\"fail\"", "").await;
        child(&scene, "c2", "1", "").await;
        run_children(&scene, &["c1", "c2"]).await;
        assert_eq!(parent_state(&scene).await, JobState::WaitingChildren);
        assert_eq!(
            scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await,
            ["bull:children:c1"]
        );
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
        assert_eq!(
            scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await,
            ["bull:children:c2"]
        );
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
        parent(&scene, "parentKey bull:top:G parent {\"id\":\"G\",\"queueKey\":\"bull:top\",\"fpof\":true}")
            .await;
        scene.tell("HSET bull:top:G name g data {} opts {} timestamp 1 delay 0 priority 0").await;
        scene.tell("ZADD bull:top:waiting-children 1 G").await;
        scene.tell("SADD bull:top:G:dependencies bull:parents:P").await;
        child(&scene, "c1", "\"fail\"", ",\"fpof\":true").await;
        run_children(&scene, &["c1"]).await;
        for (queue, job, reason) in
            [("parents", "P", "child bull:children:c1 failed"), ("top", "G", "child bull:parents:P failed")]
        {
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
        assert_eq!(
            scene.ask::<Vec<String>>(&["SMEMBERS", "bull:parents:P:dependencies"]).await,
            ["bull:children:c2"]
        );

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
