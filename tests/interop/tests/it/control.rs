//! What Node says of a queue binds Oxherd's workers: pausing, global concurrency, rate limits.

use std::time::{Duration, Instant};

use oxherd::{Stop, Worker};
use oxherd_testkit::{eventually, eventually_some, on_every_store};
use serde_json::{Value, json};

use crate::scene::{PATIENCE, QUEUE, Scene, echo, stop};

/// Waits until the worker has asked the queue for work at some time from now on, and was answered.
async fn until_asked(worker: &Worker) {
    // The first answer may belong to a question put before.
    for _ in 0..2 {
        let from = Instant::now();
        eventually("the worker asks its queue", PATIENCE, async || {
            worker
                .health()
                .last_exchange
                .is_some_and(|ago| ago < from.elapsed())
        })
        .await;
    }
}

/// Event, job and time in ms of every entry of the queue's stream.
async fn history(scene: &Scene) -> Vec<(String, String, u64)> {
    let entries: Vec<(String, Vec<String>)> = scene
        .ask(&["XRANGE", &format!("bull:{QUEUE}:events"), "-", "+"])
        .await;
    let told = entries.into_iter().map(|(id, fields)| {
        let field = |name: &str| {
            let at = fields.chunks(2).find(|pair| pair[0] == name);
            at.map_or_else(String::new, |pair| pair[1].clone())
        };
        (
            field("event"),
            field("jobId"),
            id.split('-').next().unwrap().parse().unwrap(),
        )
    });
    told.collect()
}

/// When jobs started, in ms of the server's clock.
async fn starts(scene: &Scene) -> Vec<u64> {
    history(scene)
        .await
        .into_iter()
        .filter(|(event, ..)| event == "active")
        .map(|(.., at)| at)
        .collect()
}

on_every_store! {
    async fn a_queue_paused_by_node_rests_until_node_resumes_it(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let worker = Worker::on(&queue)
            .drain_delay(Duration::from_millis(50))
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.node("queue.pause", json!({})).await;
        let id = scene.node_adds("while paused", json!({}), json!({})).await;
        let own = queue.add("while paused", json!({})).priority(1).await.unwrap();
        until_asked(&worker).await;
        assert_eq!(scene.node_job(&id).await["state"], "waiting");
        assert_eq!(scene.node_job(own.id.as_str()).await["state"], "prioritized");
        assert!(queue.counts().await.unwrap().paused);
        scene.node("queue.resume", json!({})).await;
        scene.node_sees(&id, "completed").await;
        scene.node_sees(own.id.as_str(), "completed").await;
        assert!(!queue.counts().await.unwrap().paused);
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_queue_paused_by_oxherd_rests_for_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        queue.pause().await.unwrap();
        assert_eq!(scene.node("queue.isPaused", json!({})).await, true);
        scene
            .node_works(json!({"kind": "echo"}), json!({"drainDelay": 1}))
            .await;
        let id = scene.node_adds("while paused", json!({}), json!({})).await;
        // A worker that does not rest would take the delayed job, too, once it is due and moved to the line.
        let due = queue
            .add("due", json!({}))
            .delay(Duration::from_millis(1))
            .await
            .unwrap();
        scene.node_sees(due.id.as_str(), "waiting").await;
        assert_eq!(scene.node_job(&id).await["state"], "waiting");
        queue.resume().await.unwrap();
        scene.node_sees(&id, "completed").await;
        scene.node_sees(due.id.as_str(), "completed").await;
    }
}

on_every_store! {
    async fn the_global_concurrency_set_by_node_holds_over_both_programs(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        scene
            .node("queue.setGlobalConcurrency", json!({"limit": 3}))
            .await;
        queue.pause().await.unwrap();
        for n in 0..60 {
            queue.add("work", json!({"n": n})).await.unwrap();
        }
        let worker = Worker::on(&queue)
            .concurrency(10)
            .name("herd")
            .handle_any(async |data, _| {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(data)
            })
            .start()
            .await
            .unwrap();
        scene
            .node_works(json!({"kind": "sleep", "ms": 5}), json!({"concurrency": 10}))
            .await;
        queue.resume().await.unwrap();
        scene.node_counts("completed", 60).await;
        let (mut now, mut most) = (0, 0);
        for (event, ..) in history(&scene).await {
            match event.as_str() {
                "active" => now += 1,
                "completed" => now -= 1,
                _ => {}
            }
            most = most.max(now);
        }
        assert_eq!(most, 3, "jobs at once");

        // Without the limit our worker alone fills its ten places.
        scene.node("worker.stop", json!({"worker": "node"})).await;
        stop(worker).await;
        scene
            .node("queue.setGlobalConcurrency", json!({"limit": null}))
            .await;
        let (_release, released) = tokio::sync::watch::channel(false);
        let _held = Worker::on(&queue)
            .concurrency(10)
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
        for n in 0..10 {
            queue.add("held", json!({"n": n})).await.unwrap();
        }
        scene.node_counts("active", 10).await;
    }
}

on_every_store! {
    async fn the_global_rate_limit_set_by_node_holds(store: TestStore) {
        let scene = Scene::new(store).await;
        scene
            .node("queue.setGlobalRateLimit", json!({"max": 2, "durationMs": 600}))
            .await;
        let jobs: Vec<Value> = (0..6)
            .map(|n| json!({"name": "limited", "data": {"n": n}}))
            .collect();
        scene.node("queue.addBulk", json!({"jobs": jobs})).await;
        let worker = Worker::on(&scene.queue())
            .concurrency(10)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.node_counts("completed", 6).await;
        stop(worker).await;
        assert_windows(&starts(&scene).await, 2, 600);
    }
}

on_every_store! {
    async fn workers_of_both_programs_share_one_rate_window(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        queue.pause().await.unwrap();
        let jobs: Vec<Value> = (0..8)
            .map(|n| json!({"name": "limited", "data": {"n": n}}))
            .collect();
        scene.node("queue.addBulk", json!({"jobs": jobs})).await;
        let limiter = json!({"max": 2, "duration": 600});
        scene
            .node_works(
                json!({"kind": "echo"}),
                json!({"concurrency": 4, "limiter": limiter}),
            )
            .await;
        let worker = Worker::on(&queue)
            .concurrency(4)
            .limiter(2, Duration::from_millis(600))
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        queue.resume().await.unwrap();
        scene.node_counts("completed", 8).await;
        stop(worker).await;
        assert_windows(&starts(&scene).await, 2, 600);
    }
}

/// A window opens with a start and lasts so many ms; none holds more than `max` starts.
fn assert_windows(starts: &[u64], max: usize, duration: u64) {
    let (mut opened, mut count) = (0, 0);
    for start in starts {
        // The server may end a key a millisecond before its time.
        if *start + 2 >= opened + duration {
            (opened, count) = (*start, 0);
        }
        count += 1;
        assert!(count <= max, "more than {max} in {duration} ms: {starts:?}");
    }
}

on_every_store! {
    async fn a_rest_that_a_node_handler_asked_for_holds_for_oxherd(store: TestStore) {
        let scene = Scene::new(store).await;
        let id = scene.node_adds("limited", json!({}), json!({})).await;
        let limiter = json!({"max": 100, "duration": 1000});
        scene
            .node_works(
                json!({"kind": "rateLimitOnce", "ms": 1000}),
                json!({"limiter": limiter}),
            )
            .await;
        let end = rest_ends(&scene).await;
        scene.node_sees(&id, "waiting").await;
        scene
            .node("worker.stop", json!({"worker": "node", "force": true}))
            .await;
        let worker = Worker::on(&scene.queue())
            .name("herd")
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        let job = scene.node_sees(&id, "completed").await;
        stop(worker).await;
        assert_eq!(
            (&job["processedBy"], &job["attemptsMade"]),
            (&json!("herd"), &json!(1))
        );
        assert_rested_until(&scene, end).await;
    }
}

on_every_store! {
    async fn a_rest_that_a_handler_of_oxherd_asked_for_holds_for_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let worker = Worker::on(&scene.queue())
            .handle_any(async |_, _| Err(Stop::rate_limited(Duration::from_secs(1))))
            .start()
            .await
            .unwrap();
        let id = scene.queue().add("limited", json!({})).await.unwrap().id;
        let end = rest_ends(&scene).await;
        stop(worker).await;
        let limiter = json!({"max": 100, "duration": 1000});
        scene
            .node_works(json!({"kind": "echo"}), json!({"limiter": limiter, "name": "n1"}))
            .await;
        let job = scene.node_sees(id.as_str(), "completed").await;
        assert_eq!(
            (&job["processedBy"], &job["attemptsMade"]),
            (&json!("n1"), &json!(1))
        );
        assert_rested_until(&scene, end).await;
    }
}

/// Until when nobody may start a job, in ms of the server's clock; waits until somebody asked for that.
async fn rest_ends(scene: &Scene) -> i64 {
    eventually_some("somebody asks for a rest", PATIENCE, async || {
        let ends: i64 = scene.ask(&["PEXPIRETIME", "bull:mail:limiter"]).await;
        (ends > 0).then_some(ends)
    })
    .await
}

/// The job started once before the rest and once after it.
async fn assert_rested_until(scene: &Scene, end: i64) {
    let starts = starts(scene).await;
    assert_eq!(starts.len(), 2);
    assert!(
        i64::try_from(starts[1]).unwrap() + 2 >= end,
        "{starts:?} though the rest ends at {end}"
    );
}
