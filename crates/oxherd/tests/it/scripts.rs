//! A server that forgets its scripts: nothing is lost, and nothing is done twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oxherd::{JobState, NewJob};
use serde_json::Value;

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, on_every_store_and_valkey, reaches, stop};

fn jobs(count: usize) -> Vec<NewJob> {
    (0..count)
        .map(|number| NewJob::new("n", &number).unwrap())
        .collect()
}

on_every_store_and_valkey! {
    async fn forgotten_scripts_are_told_again(scene: Scene) {
        let queue = scene.queue("q");
        for added in queue.add_many(jobs(500)).await.unwrap() {
            added.unwrap();
        }
        scene.tell("SCRIPT FLUSH").await;
        for added in queue.add_many(jobs(2500)).await.unwrap() {
            added.unwrap();
        }
        assert_eq!(scene.list("bull:q:wait").await.len(), 3000);
        scene.tell("SCRIPT FLUSH").await;
        queue.add("n", ()).await.unwrap();
        scene.tell("SCRIPT FLUSH").await;
        assert_eq!(queue.counts().await.unwrap().waiting, 3001);
    }
}

on_every_store! {
    async fn a_worker_goes_on_when_scripts_are_forgotten(scene: Scene) {
        let queue = scene.queue("q");
        let worker = oxherd::Worker::on(&queue)
            .handle_any(async |_, context| {
                context.progress(&1).await?;
                Ok(Value::Null)
            })
            .start()
            .await
            .unwrap();
        for _ in 0..20 {
            scene.tell("SCRIPT FLUSH").await;
            let id = queue.add("n", ()).await.unwrap().id;
            reaches(&queue, &id, JobState::Completed).await;
        }
        assert_eq!(worker.health().trouble, None);
        stop(worker).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_forgotten_again_and_again_lose_no_job_and_run_none_twice() {
    let scene = Arc::new(Scene::on_redis().await);
    let queue = scene.queue("q");
    let gate = Gate::opened();
    let worker = oxherd::Worker::on(&queue)
        .concurrency(20)
        .handle_any(gate.handler())
        .start()
        .await
        .unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let flushing = tokio::spawn({
        let (scene, is_done) = (Arc::clone(&scene), Arc::clone(&is_done));
        async move {
            while !is_done.load(Ordering::Relaxed) {
                scene.tell("SCRIPT FLUSH").await;
                // Leaves a call the chance to come through: this paces the trouble and waits for nothing.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut added = BTreeSet::new();
    for _ in 0..10 {
        // A call may meet two forgetful moments in a row; then its jobs are refused, and their producer knows.
        let results = queue.add_many(jobs(1000)).await.unwrap();
        added.extend(results.into_iter().flatten().map(|added| added.id.to_string()));
    }
    is_done.store(true, Ordering::Relaxed);
    flushing.await.unwrap();
    assert!(!added.is_empty());
    oxherd_testkit::eventually("every job that was added completes", PATIENCE, async || {
        queue.counts().await.unwrap().completed == added.len() as u64
    })
    .await;
    stop(worker).await;
    let started = gate.started();
    assert_eq!(started.len(), added.len(), "none ran twice");
    assert_eq!(started.into_iter().collect::<BTreeSet<_>>(), added);
}
