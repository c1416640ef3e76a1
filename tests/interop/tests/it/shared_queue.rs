//! A Node worker and an Oxherd worker side by side on one queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use oxherd::{NewJob, Worker};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};

use crate::scene::{Scene, stop};

const JOBS: u64 = 10_000;
const A_CALL: u64 = 1_000;

on_every_store! {
    async fn ten_thousand_jobs_shared_with_a_node_worker_run_once_each(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        // Both workers are up and idle before the first job may be taken.
        queue.pause().await.unwrap();
        scene
            .node_works(json!({"kind": "counter"}), json!({"concurrency": 20}))
            .await;
        let runs: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let worker = Worker::on(&queue)
            .concurrency(20)
            .handle_any({
                let runs = Arc::clone(&runs);
                move |_, context| {
                    *runs.lock().unwrap().entry(context.id().to_string()).or_default() += 1;
                    async { Ok(json!("oxherd")) }
                }
            })
            .start()
            .await
            .unwrap();
        for first in (0..JOBS).step_by(2 * usize::try_from(A_CALL).unwrap()) {
            let ours = (first..first + A_CALL).map(|n| NewJob::new("count", &json!({"n": n})).unwrap());
            for added in queue.add_many(ours.collect()).await.unwrap() {
                added.unwrap();
            }
            let theirs: Vec<Value> = (first + A_CALL..first + 2 * A_CALL)
                .map(|n| json!({"name": "count", "data": {"n": n}}))
                .collect();
            scene.node("queue.addBulk", json!({"jobs": theirs})).await;
        }
        queue.resume().await.unwrap();
        scene.node_counts("completed", JOBS).await;
        stop(worker).await;
        let counts = scene.node("worker.stop", json!({"worker": "node"})).await;

        let by_oxherd = runs.lock().unwrap().clone();
        let by_node: BTreeMap<String, u64> = counts["runs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(id, times)| (id.clone(), times.as_u64().unwrap()))
            .collect();
        assert!(
            by_oxherd
                .values()
                .chain(by_node.values())
                .all(|times| *times == 1),
            "a job ran twice"
        );
        let both: Vec<_> = by_oxherd.keys().filter(|id| by_node.contains_key(*id)).collect();
        assert!(both.is_empty(), "run by both: {both:?}");
        let missing: Vec<_> = (1..=JOBS)
            .map(|id| id.to_string())
            .filter(|id| !by_oxherd.contains_key(id) && !by_node.contains_key(id))
            .collect();
        assert!(missing.is_empty(), "run by nobody: {missing:?}");
        assert!(
            !by_oxherd.is_empty() && !by_node.is_empty(),
            "oxherd {}, node {}",
            by_oxherd.len(),
            by_node.len()
        );
        assert_eq!(by_oxherd.len() + by_node.len(), usize::try_from(JOBS).unwrap());
        assert_eq!(counts["errors"], json!([]));
        assert_eq!(scene.ask::<u64>(&["ZCARD", "bull:mail:completed"]).await, JOBS);
        assert_eq!(
            scene.ask::<Vec<String>>(&["KEYS", "bull:mail:*:lock"]).await,
            Vec::<String>::new()
        );
    }
}
