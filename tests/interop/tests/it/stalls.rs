//! A process of the one program is killed with jobs in hand; a worker of the other brings them back.

use std::collections::BTreeSet;
use std::time::Duration;

use oxherd::{Worker, WorkerEvent};
use oxherd_interop::{Holder, Peer};
use oxherd_testkit::{eventually, on_every_store};
use serde_json::{Value, json};

use crate::scene::{PATIENCE, QUEUE, Scene, echo, stop};

const LOCK: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(300);

fn node_timing() -> Value {
    json!({"concurrency": 3, "lockDuration": LOCK.as_millis() as u64, "stalledInterval": INTERVAL.as_millis() as u64})
}

fn holder(scene: &Scene, concurrency: usize) -> Holder {
    let program = env!("CARGO_BIN_EXE_holder");
    Holder::start(program, &scene.store.url(), QUEUE, concurrency, LOCK, INTERVAL)
}

/// Another Node process, whose worker holds the jobs it gets.
async fn doomed_node(scene: &Scene) -> Peer {
    let doomed = Peer::start(&scene.url_for_node()).await;
    let start =
        json!({"worker": "doomed", "queue": QUEUE, "handler": {"kind": "hold"}, "options": node_timing()});
    doomed.call("worker.start", start).await;
    doomed
}

/// Three jobs that may fail nowhere.
async fn add_three(scene: &Scene) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(
            scene
                .queue()
                .add("survivor", json!({"n": n}))
                .await
                .unwrap()
                .id
                .to_string(),
        );
    }
    ids
}

async fn assert_recovered(scene: &Scene, ids: &[String]) {
    for (n, id) in ids.iter().enumerate() {
        let job = scene.node_sees(id, "completed").await;
        assert_eq!(job["returnvalue"], json!({"n": n}));
        assert_eq!(
            (
                &job["stalledCounter"],
                &job["attemptsStarted"],
                &job["attemptsMade"]
            ),
            (&json!(1), &json!(2), &json!(1)),
            "{job}"
        );
    }
}

on_every_store! {
    async fn jobs_of_a_killed_node_process_run_again_at_oxherd(store: TestStore) {
        let scene = Scene::new(store).await;
        let doomed = doomed_node(&scene).await;
        let ids = add_three(&scene).await;
        scene.node_counts("active", 3).await;
        doomed.kill().await;
        let worker = Worker::on(&scene.queue())
            .lock_duration(LOCK)
            .stalled_interval(INTERVAL)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        let mut events = worker.events();
        assert_recovered(&scene, &ids).await;
        stop(worker).await;
        let mut stalled = BTreeSet::new();
        while let Some(event) = events.next().await {
            if let WorkerEvent::Stalled { id } = event {
                stalled.insert(id.to_string());
            }
        }
        assert_eq!(stalled, ids.into_iter().collect());
    }
}

on_every_store! {
    async fn jobs_of_a_killed_oxherd_process_run_again_at_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let mut holder = holder(&scene, 3);
        let ids = add_three(&scene).await;
        holder.held(3).await;
        holder.kill().await;
        scene.node_works(json!({"kind": "echo"}), node_timing()).await;
        assert_recovered(&scene, &ids).await;
        let counts = scene.node("worker.stop", json!({"worker": "node"})).await;
        assert_eq!((&counts["stalled"], &counts["errors"]), (&json!(3), &json!([])));
    }
}

on_every_store! {
    async fn stalls_in_both_programs_count_together(store: TestStore) {
        for last in ["node", "oxherd"] {
            let scene = Scene::new(store.another().await).await;
            let id = scene
                .queue()
                .add("kills its process", json!({}))
                .attempts(5)
                .await
                .unwrap()
                .id
                .to_string();
            let doomed = doomed_node(&scene).await;
            scene.node_sees(&id, "active").await;
            doomed.kill().await;
            let mut holder = holder(&scene, 1);
            holder.held(1).await;
            holder.kill().await;
            let worker = Worker::on(&scene.queue())
                .stalled_interval(INTERVAL)
                .handle_any(echo);
            let job = if last == "node" {
                scene.node_works(json!({"kind": "echo"}), node_timing()).await;
                scene.node_sees(&id, "failed").await
            } else {
                let worker = worker.start().await.unwrap();
                let job = scene.node_sees(&id, "failed").await;
                stop(worker).await;
                job
            };
            assert_eq!(
                job["failedReason"], "job stalled more than allowable limit",
                "{last}"
            );
            assert_eq!(
                (&job["stalledCounter"], &job["attemptsMade"]),
                (&json!(2), &json!(1)),
                "{last}"
            );
        }
    }
}

/// Waits until the queue was checked for stalled jobs so many times, by whomever.
async fn until_checked(scene: &Scene, times: usize) {
    let mut seen = BTreeSet::new();
    eventually(
        &format!("{times} checks for stalled jobs"),
        PATIENCE,
        async || {
            seen.extend(
                scene
                    .ask::<Option<String>>(&["GET", "bull:mail:stalled-check"])
                    .await,
            );
            seen.len() >= times
        },
    )
    .await;
}

on_every_store! {
    async fn a_lock_that_is_renewed_never_stalls_in_either_program(store: TestStore) {
        let interval = Duration::from_millis(250);
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let (release, released) = tokio::sync::watch::channel(false);
        let worker = Worker::on(&queue)
            .lock_duration(LOCK)
            .stalled_interval(interval)
            .handle_any(move |data, _| {
                let mut released = released.clone();
                async move {
                    released.wait_for(|is_released| *is_released).await?;
                    Ok(data)
                }
            })
            .start()
            .await
            .unwrap();
        let by_oxherd = queue.add("long", json!({})).await.unwrap().id.to_string();
        scene.node_sees(&by_oxherd, "active").await;
        let options =
            json!({"lockDuration": LOCK.as_millis() as u64, "stalledInterval": interval.as_millis() as u64});
        scene.node_works(json!({"kind": "hold"}), options).await;
        let by_node = queue.add("long", json!({})).await.unwrap().id.to_string();
        scene.node_sees(&by_node, "active").await;
        // Three times as long as an unrenewed lock would last.
        until_checked(&scene, 12).await;
        release.send_replace(true);
        scene.node("worker.release", json!({"worker": "node"})).await;
        for id in [&by_oxherd, &by_node] {
            let job = scene.node_sees(id, "completed").await;
            assert_eq!(
                (&job["stalledCounter"], &job["attemptsStarted"]),
                (&json!(0), &json!(1)),
                "{job}"
            );
        }
        stop(worker).await;
    }
}

on_every_store! {
    /// Oxherd's own decision: a stalled job keeps its priority, where Node puts it ahead of everything.
    async fn a_stalled_job_with_a_priority_runs_at_node_as_the_first_of_its_priority(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let stalls = queue
            .add("n", json!({}))
            .priority(3)
            .await
            .unwrap()
            .id
            .to_string();
        let mut holder = holder(&scene, 1);
        holder.held(1).await;
        holder.kill().await;
        queue.pause().await.unwrap();
        let peer = queue
            .add("n", json!({}))
            .priority(3)
            .await
            .unwrap()
            .id
            .to_string();
        let first = queue
            .add("n", json!({}))
            .priority(1)
            .await
            .unwrap()
            .id
            .to_string();
        let worker = Worker::on(&queue)
            .stalled_interval(INTERVAL)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.node_sees(&stalls, "prioritized").await;
        stop(worker).await;
        queue.resume().await.unwrap();
        let mut notifications = scene.peer.notifications();
        scene
            .node("worker.start", json!({"worker": "node", "notify": ["completed"]}))
            .await;
        let mut order = Vec::new();
        notifications
            .until("node runs three jobs", PATIENCE, |completed| {
                order.push(completed["job"].as_str().unwrap().to_owned());
                order.len() == 3
            })
            .await;
        assert_eq!(order, [first, stalls, peer]);
    }
}
