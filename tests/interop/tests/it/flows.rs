//! Flows that Node adds and both programs work on, read back by Node.

use oxherd::{Stop, Worker};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};

use crate::scene::{QUEUE, Scene, echo, stop};

/// A parent in one queue and three children in another; the second one carries the flag.
fn family(flag: &str) -> Value {
    let child = |id: &str| {
        let mut opts = json!({"jobId": id});
        if id == "c2" && !flag.is_empty() {
            opts[flag] = json!(true);
        }
        json!({"name": id, "queueName": "children", "data": {"of": id}, "opts": opts})
    };
    json!({
        "name": "parent", "queueName": QUEUE, "data": {}, "opts": {"jobId": "parent"},
        "children": [child("c1"), child("c2"), child("c3")],
    })
}

on_every_store! {
    async fn a_parent_at_node_reads_what_its_children_returned_at_oxherd(store: TestStore) {
        let scene = Scene::new(store).await;
        scene.peer.call("flow.add", json!({"flow": family("")})).await;
        let waiting = scene.node_job("parent").await;
        assert_eq!(waiting["state"], "waiting-children");
        let children = scene.oxherd.queue("children").unwrap();
        let worker = Worker::on(&children)
            .concurrency(3)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.node_sees("parent", "waiting").await;
        stop(worker).await;
        scene
            .node_works(json!({"kind": "childrenValues"}), json!({}))
            .await;
        let parent = scene.node_sees("parent", "completed").await;
        let values = json!({
            "bull:children:c1": {"of": "c1"}, "bull:children:c2": {"of": "c2"}, "bull:children:c3": {"of": "c3"},
        });
        assert_eq!(parent["returnvalue"], values);
        assert_eq!(
            scene.node("job.childrenValues", json!({"job": "parent"})).await,
            values
        );
        let tree = scene.node("flow.get", json!({"job": "parent"})).await;
        assert_eq!(tree["children"].as_array().unwrap().len(), 3, "{tree}");
    }
}

on_every_store! {
    async fn a_parent_at_oxherd_runs_or_fails_as_the_flag_of_its_failed_child_says(store: TestStore) {
        for (flag, state) in [
            ("", "waiting-children"),
            ("failParentOnFailure", "failed"),
            ("continueParentOnFailure", "completed"),
            ("ignoreDependencyOnFailure", "completed"),
            ("removeDependencyOnFailure", "completed"),
        ] {
            let scene = Scene::new(store.another().await).await;
            scene.peer.call("flow.add", json!({"flow": family(flag)})).await;
            let children = scene.oxherd.queue("children").unwrap();
            let worker = Worker::on(&children)
                .handle_json("c1", echo)
                .handle_json("c2", async |_, _| Err(Stop::fail("broken")))
                .handle_json("c3", echo)
                .start()
                .await
                .unwrap();
            for (id, state) in [("c1", "completed"), ("c2", "failed"), ("c3", "completed")] {
                let ended = json!({"queue": "children", "job": id});
                oxherd_testkit::eventually("the children end", crate::scene::PATIENCE, async || {
                    scene.node("job.state", ended.clone()).await == state
                })
                .await;
            }
            stop(worker).await;
            // A parent that is released too early would fail here for its pending children.
            let worker = Worker::on(&scene.queue()).handle_any(echo).start().await.unwrap();
            let parent = scene.node_sees("parent", state).await;
            stop(worker).await;
            let dependencies = scene.node("job.dependencies", json!({"job": "parent"})).await;
            let processed = dependencies["processed"]
                .as_object()
                .map_or(0, serde_json::Map::len);
            assert_eq!(processed, 2, "{flag}: {dependencies}");
            match flag {
                "failParentOnFailure" => {
                    assert_eq!(parent["failedReason"], "child bull:children:c2 failed");
                }
                "" => assert_eq!(dependencies["unprocessed"], json!(["bull:children:c2"])),
                _ => assert_eq!(parent["failedReason"], Value::Null, "{flag}"),
            }
        }
    }
}
