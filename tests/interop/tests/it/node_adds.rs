//! Node adds, Oxherd processes, Node reads what became of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd::{JobContext, JobId, Outcome, Stop, Worker};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};

use crate::scene::{QUEUE, Scene, echo, stop};

on_every_store! {
    async fn a_plain_job_added_by_node_returns_its_value_to_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let data = json!({"user": 7, "path": "a/b", "greeting": "grüß dich \u{1f402}", "list": [1, 2.5, null, true]});
        let id = scene.node_adds("welcome", data.clone(), json!({})).await;
        let worker = Worker::on(&scene.queue())
            .name("herd")
            .handle_json("welcome", echo)
            .start()
            .await
            .unwrap();
        let job = scene.node_sees(&id, "completed").await;
        stop(worker).await;

        assert_eq!(job["returnvalue"], data);
        assert_eq!(job["data"], data);
        assert_eq!(job["attemptsMade"], 1);
        assert_eq!(job["attemptsStarted"], 1);
        assert_eq!(job["processedBy"], "herd");
        assert!(job["finishedOn"].as_u64() >= job["processedOn"].as_u64());
        assert_eq!(job["failedReason"], Value::Null);
    }
}

on_every_store! {
    async fn a_delayed_job_added_by_node_runs_when_it_is_due(store: TestStore) {
        let scene = Scene::new(store).await;
        let worker = Worker::on(&scene.queue()).handle_any(echo).start().await.unwrap();
        let id = scene.node_adds("later", json!({}), json!({"delay": 700})).await;
        let job = scene.node_sees(&id, "completed").await;
        stop(worker).await;

        let waited = job["processedOn"].as_u64().unwrap() - job["timestamp"].as_u64().unwrap();
        assert!((700..5_000).contains(&waited), "ran after {waited} ms");
        // As with a Node worker: what was asked for stays in the options, what is still to wait is gone.
        assert_eq!(job["opts"]["delay"], 700);
        assert_eq!(job["delay"], 0);
    }
}

on_every_store! {
    async fn lifo_then_standard_then_priority_is_the_order_of_what_node_added(store: TestStore) {
        let scene = Scene::new(store).await;
        for (name, opts) in [
            ("fourth", json!({"priority": 1})),
            ("sixth", json!({"priority": 2_097_151})),
            ("fifth", json!({"priority": 5})),
            ("second", json!({})),
            ("third", json!({"priority": 0})),
            ("first", json!({"lifo": true})),
        ] {
            scene.node_adds(name, json!({}), opts).await;
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::on(&scene.queue())
            .handle_any(noting(&order))
            .start()
            .await
            .unwrap();
        scene.node_counts("completed", 6).await;
        stop(worker).await;
        assert_eq!(
            *order.lock().unwrap(),
            ["first", "second", "third", "fourth", "fifth", "sixth"]
        );
    }
}

on_every_store! {
    async fn retries_and_back_off_follow_the_options_node_gave(store: TestStore) {
        let scene = Scene::new(store).await;
        let opts = json!({"attempts": 3, "backoff": {"type": "exponential", "delay": 200}});
        let id = scene.node_adds("flaky", json!({"n": 1}), opts).await;
        let hopeless = scene
            .node_adds("hopeless", json!({}), json!({"attempts": 2, "backoff": 50}))
            .await;
        let starts = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::on(&scene.queue())
            .handle_json("flaky", {
                let starts = Arc::clone(&starts);
                move |data, context| {
                    starts
                        .lock()
                        .unwrap()
                        .push(context.record().processed_on.unwrap());
                    async move {
                        if context.attempt() < 3 {
                            Err(Stop::retry("not yet"))
                        } else {
                            Ok(data)
                        }
                    }
                }
            })
            .handle_json("hopeless", async |_, _| Err(Stop::retry("never")))
            .start()
            .await
            .unwrap();
        let job = scene.node_sees(&id, "completed").await;
        let failed = scene.node_sees(&hopeless, "failed").await;
        stop(worker).await;

        assert_eq!(
            (&job["attemptsMade"], &job["attemptsStarted"]),
            (&json!(3), &json!(3))
        );
        assert_eq!(job["returnvalue"], json!({"n": 1}));
        assert_eq!(job["stacktrace"], json!(["not yet", "not yet"]));
        let waits: Vec<Duration> = starts
            .lock()
            .unwrap()
            .windows(2)
            .map(|pair| pair[1].since(pair[0]))
            .collect();
        assert!(
            waits[0] >= Duration::from_millis(200) && waits[1] >= Duration::from_millis(400),
            "{waits:?}"
        );
        assert_eq!(failed["failedReason"], "never");
        assert_eq!(failed["attemptsMade"], 2);
        assert_eq!(failed["stacktrace"], json!(["never", "never"]));
    }
}

on_every_store! {
    async fn the_wait_of_a_back_off_is_to_the_millisecond_what_node_asked_for(store: TestStore) {
        let scene = Scene::new(store).await;
        let opts = json!({"attempts": 2, "backoff": 60_000});
        let jobs: Vec<Value> = (0..500)
            .map(|n| json!({"name": "flaky", "data": {"n": n}, "opts": opts}))
            .collect();
        scene.node("queue.addBulk", json!({"jobs": jobs})).await;
        let worker = Worker::on(&scene.queue())
            .concurrency(50)
            .handle_any(async |_, _| Err(Stop::retry("not yet")))
            .start()
            .await
            .unwrap();
        scene.node_counts("delayed", 500).await;
        stop(worker).await;
        let delayed = scene.node("queue.getJobs", json!({"state": "delayed"})).await;
        let waits: BTreeSet<u64> = delayed
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["delay"].as_u64().unwrap())
            .collect();
        assert_eq!(waits, BTreeSet::from([60_000]));
    }
}

on_every_store! {
    async fn a_custom_id_of_node_is_the_jobs_id_everywhere(store: TestStore) {
        let scene = Scene::new(store).await;
        let id = scene
            .node_adds("once", json!({"first": true}), json!({"jobId": "order-ü"}))
            .await;
        let again = scene
            .node_adds("once", json!({"first": false}), json!({"jobId": "order-ü"}))
            .await;
        assert_eq!((id.as_str(), again.as_str()), ("order-ü", "order-ü"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let worker = Worker::on(&scene.queue())
            .handle_any({
                let seen = Arc::clone(&seen);
                move |data, context| {
                    seen.lock().unwrap().push(context.id().clone());
                    echo(data, context)
                }
            })
            .start()
            .await
            .unwrap();
        let job = scene.node_sees(&id, "completed").await;
        stop(worker).await;
        assert_eq!(*seen.lock().unwrap(), [JobId::existing("order-ü")]);
        assert_eq!(job["returnvalue"], json!({"first": true}));
    }
}

on_every_store! {
    async fn a_bulk_added_by_node_completes_job_by_job(store: TestStore) {
        let scene = Scene::new(store).await;
        let jobs: Vec<Value> = (0..300)
            .map(|n| {
                let opts = match n % 3 {
                    0 => json!({}),
                    1 => json!({"priority": n}),
                    _ => json!({"delay": 1 + n}),
                };
                json!({"name": "bulk", "data": {"n": n}, "opts": opts})
            })
            .collect();
        let added = scene.node("queue.addBulk", json!({"jobs": jobs})).await;
        let worker = Worker::on(&scene.queue())
            .concurrency(20)
            .handle_any(echo)
            .start()
            .await
            .unwrap();
        scene.node_counts("completed", 300).await;
        stop(worker).await;
        let done = scene.node("queue.getJobs", json!({"state": "completed"})).await;
        let mut returned: Vec<(String, u64)> = done.as_array().unwrap().iter().map(id_and_number).collect();
        let mut expected: Vec<(String, u64)> = added
            .as_array()
            .unwrap()
            .iter()
            .map(|job| {
                (
                    job["id"].as_str().unwrap().to_owned(),
                    job["data"]["n"].as_u64().unwrap(),
                )
            })
            .collect();
        returned.sort();
        expected.sort();
        assert_eq!(returned, expected);
        let keys: Vec<String> = scene.ask(&["KEYS", &format!("bull:{QUEUE}:*:lock")]).await;
        assert!(keys.is_empty(), "locks left behind: {keys:?}");
    }
}

fn id_and_number(job: &Value) -> (String, u64) {
    (
        job["id"].as_str().unwrap().to_owned(),
        job["returnvalue"]["n"].as_u64().unwrap(),
    )
}

/// Notes the names of jobs in the order in which they run.
fn noting(
    order: &Arc<Mutex<Vec<String>>>,
) -> impl Fn(Value, JobContext) -> std::future::Ready<Outcome<Value>> + Send + Sync + 'static {
    let order = Arc::clone(order);
    move |data, context| {
        order.lock().unwrap().push(context.name().to_owned());
        std::future::ready(Ok(data))
    }
}
