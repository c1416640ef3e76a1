//! How the programs find each other's queues and workers: settings, connection names, prefixes.

use oxherd::{Oxherd, Worker};
use oxherd_testkit::{eventually, eventually_some, on_every_store};
use serde_json::json;

use crate::scene::{PATIENCE, Scene, echo, stop};

on_every_store! {
    async fn node_lists_oxherds_workers_and_reads_their_metrics(store: TestStore) {
        let scene = Scene::new(store).await;
        let named = Worker::on(&scene.queue())
            .name("herd")
            .metrics(60)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        let nameless = Worker::on(&scene.queue())
            .metrics(60)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        for n in 0..3 {
            scene.queue().add("counted", json!({"n": n})).await.unwrap();
        }
        scene.node_counts("completed", 3).await;
        let metrics = scene.node("queue.metrics", json!({"state": "completed"})).await;
        assert_eq!(metrics["meta"]["count"], 3, "{metrics}");
        let names = eventually_some("both workers listen", PATIENCE, async || {
            let workers = scene.node("queue.workers", json!({})).await;
            let mut names: Vec<String> = workers
                .as_array()
                .unwrap()
                .iter()
                .map(|worker| worker["rawname"].to_string())
                .collect();
            names.sort();
            (names.len() == 2).then_some(names)
        })
        .await;
        assert_eq!(names, [r#""bull:bWFpbA==""#, r#""bull:bWFpbA==:w:herd""#]);
        stop(named).await;
        stop(nameless).await;
    }
}

on_every_store! {
    async fn a_queue_made_by_oxherd_names_the_same_layout_as_one_made_by_node(store: TestStore) {
        let scene = Scene::new(store).await;
        scene.queue().add("ours", json!({})).await.unwrap();
        scene.node("queue.open", json!({"queue": "theirs"})).await;
        for field in ["version", "opts.maxLenEvents"] {
            let ours: Option<String> = scene.ask(&["HGET", "bull:mail:meta", field]).await;
            let theirs: Option<String> = scene.ask(&["HGET", "bull:theirs:meta", field]).await;
            assert!(
                ours.is_some() && ours == theirs,
                "{field}: {ours:?}, node {theirs:?}"
            );
        }
    }
}

on_every_store! {
    async fn both_programs_meet_under_any_prefix_and_queue_name(store: TestStore) {
        let scene = Scene::new(store).await;
        let (prefix, name) = ("{herd}", "Öffentliche Post/2");
        let url = format!("{}?prefix=%7Bherd%7D", scene.store.url());
        let queue = Oxherd::connect(&url).await.unwrap().queue(name).unwrap();
        let ours = queue.add("ours", json!({})).await.unwrap().id;
        let job = json!({"prefix": prefix, "queue": name, "job": ours.as_str()});
        assert_eq!(scene.node("job.get", job).await["name"], "ours");
        let theirs = json!({"prefix": prefix, "queue": name, "name": "theirs", "data": {}});
        assert_eq!(scene.node("queue.add", theirs).await["id"], "2");
        let worker = Worker::on(&queue).handle_any(echo).start().await.unwrap();
        eventually("node sees both completed", PATIENCE, async || {
            let counts = json!({"prefix": prefix, "queue": name, "states": ["completed"]});
            scene.node("queue.counts", counts).await["completed"] == 2
        })
        .await;
        eventually("node lists the worker", PATIENCE, async || {
            let workers = scene
                .node("queue.workers", json!({"prefix": prefix, "queue": name}))
                .await;
            workers.as_array().unwrap().len() == 1
        })
        .await;
        stop(worker).await;
    }
}
