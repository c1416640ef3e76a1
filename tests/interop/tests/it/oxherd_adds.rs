//! Oxherd adds, a Node worker processes, both read what became of it.

use std::time::Duration;

use oxherd::{Backoff, JobState, NewJob, Retention};
use oxherd_testkit::on_every_store;
use serde_json::json;

use crate::scene::{PATIENCE, QUEUE, Scene};

on_every_store! {
    async fn a_plain_job_reaches_node_as_it_was_given(store: TestStore) {
        let scene = Scene::new(store).await;
        let data = json!({"user": 7, "path": "a/b", "greeting": "grüß dich \u{1f402}", "list": [1, 2.5, null, true]});
        let added = scene
            .queue()
            .add("welcome", data.clone())
            .attempts(3)
            .backoff(Backoff::Exponential {
                delay: Some(Duration::from_secs(1)),
                jitter: 0.5,
            })
            .remove_on_complete(Retention::KeepLatest(10))
            .remove_on_fail(Retention::Keep {
                age: Some(Duration::from_secs(60)),
                count: Some(5),
                limit: None,
            })
            .keep_logs(2)
            .stack_trace_limit(4)
            .size_limit(1000)
            .await
            .unwrap();
        let id = added.id.as_str();
        let job = scene.node_job(id).await;
        assert_eq!(job["state"], "waiting");
        assert_eq!(job["name"], "welcome");
        assert_eq!(job["data"], data);
        let expected = json!({
            "attempts": 3, "backoff": {"type": "exponential", "delay": 1000, "jitter": 0.5}, "removeOnComplete": 10,
            "removeOnFail": {"age": 60, "count": 5}, "keepLogs": 2, "stackTraceLimit": 4, "sizeLimit": 1000,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&job["opts"][name], value, "option {name} in {}", job["opts"]);
        }

        scene
            .node_works(
                json!({"kind": "progress", "progress": [50, {"step": 2}], "logs": ["a", "b", "c"]}),
                json!({"name": "n1"}),
            )
            .await;
        let job = scene.node_sees(id, "completed").await;
        assert_eq!(job["returnvalue"], data);
        assert_eq!(job["progress"], json!({"step": 2}));
        let logs = scene.node("job.logs", json!({"job": id})).await;
        assert_eq!(logs, json!({"logs": ["b", "c"], "count": 2}));

        let ours = scene.queue().job(&added.id).await.unwrap().unwrap();
        assert_eq!(ours.state, JobState::Completed);
        assert_eq!(
            ours.record.return_value.as_deref(),
            Some(data_as_node_writes_it().as_str())
        );
        assert_eq!(ours.record.progress, Some(json!({"step": 2})));
        assert_eq!((ours.record.attempts_made, ours.record.attempts_started), (1, 1));
        assert_eq!(ours.record.processed_by.as_deref(), Some("n1"));
        assert!(ours.record.finished_on >= ours.record.processed_on);
        assert!(ours.record.problems.is_empty(), "{:?}", ours.record.problems);
        assert_eq!(
            (ours.log_rows, scene.queue().logs(&added.id, 0, 9).await.unwrap()),
            (2, vec!["b".into(), "c".into()])
        );
    }
}

/// The same value with its fields in the order in which Oxherd sent them.
fn data_as_node_writes_it() -> String {
    r#"{"greeting":"grüß dich 🐂","list":[1,2.5,null,true],"path":"a/b","user":7}"#.to_owned()
}

on_every_store! {
    async fn a_delayed_job_runs_at_node_when_it_is_due(store: TestStore) {
        let scene = Scene::new(store).await;
        scene.node_works(json!({"kind": "echo"}), json!({})).await;
        let added = scene
            .queue()
            .add("later", json!({}))
            .delay(Duration::from_millis(700))
            .await
            .unwrap();
        let job = scene.node_sees(added.id.as_str(), "completed").await;
        let waited = job["processedOn"].as_u64().unwrap() - job["timestamp"].as_u64().unwrap();
        assert!((700..5_000).contains(&waited), "ran after {waited} ms");
    }
}

on_every_store! {
    async fn lifo_then_standard_then_priority_is_the_order_at_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        queue.add("fourth", json!({})).priority(1).await.unwrap();
        queue.add("sixth", json!({})).priority(2_097_151).await.unwrap();
        queue.add("fifth", json!({})).priority(5).await.unwrap();
        queue.add("second", json!({})).await.unwrap();
        queue.add("third", json!({})).priority(0).await.unwrap();
        queue.add("first", json!({})).lifo().await.unwrap();
        let mut notifications = scene.peer.notifications();
        let start = json!({"worker": "node", "notify": ["completed"], "options": {}});
        scene.node("worker.start", start).await;
        let mut left = 6;
        let seen = notifications
            .until("six jobs complete at node", PATIENCE, |_| {
                left -= 1;
                left == 0
            })
            .await;
        let mut order = Vec::new();
        for completed in seen {
            order.push(scene.node_job(completed["job"].as_str().unwrap()).await["name"].clone());
        }
        assert_eq!(order, ["first", "second", "third", "fourth", "fifth", "sixth"]);
    }
}

on_every_store! {
    async fn retries_and_back_off_at_node_follow_the_options_oxherd_gave(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let backoff = Backoff::fixed(Duration::from_millis(100));
        let flaky = queue
            .add("flaky", json!({"n": 1}))
            .attempts(3)
            .backoff(backoff)
            .await
            .unwrap();
        let hopeless = queue
            .add("hopeless", json!({}))
            .attempts(2)
            .stack_trace_limit(1)
            .await
            .unwrap();
        scene
            .node_works(
                json!({"kind": "failTimes", "times": 2, "message": "not yet"}),
                json!({}),
            )
            .await;
        scene.node_sees(flaky.id.as_str(), "completed").await;
        scene.node_sees(hopeless.id.as_str(), "failed").await;

        let flaky = queue.job(&flaky.id).await.unwrap().unwrap().record;
        assert_eq!((flaky.attempts_made, flaky.attempts_started), (3, 3));
        assert_eq!(flaky.stack_trace.len(), 2);
        assert!(
            flaky.stack_trace[0].starts_with("Error: not yet"),
            "{:?}",
            flaky.stack_trace
        );
        let hopeless = queue.job(&hopeless.id).await.unwrap().unwrap();
        assert_eq!(hopeless.state, JobState::Failed);
        assert_eq!(hopeless.record.failed_reason.as_deref(), Some("not yet"));
        assert_eq!(
            (hopeless.record.attempts_made, hopeless.record.stack_trace.len()),
            (2, 1)
        );
    }
}

on_every_store! {
    async fn a_custom_id_is_the_jobs_id_at_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let added = queue
            .add("once", json!({"first": true}))
            .id("order-ü")
            .await
            .unwrap();
        let again = queue
            .add("once", json!({"first": false}))
            .id("order-ü")
            .await
            .unwrap();
        assert!(!added.already_there && again.already_there);
        let third = scene
            .node_adds("once", json!({"first": false}), json!({"jobId": "order-ü"}))
            .await;
        assert_eq!(third, "order-ü");
        scene.node_works(json!({"kind": "echo"}), json!({})).await;
        let job = scene.node_sees("order-ü", "completed").await;
        assert_eq!(job["returnvalue"], json!({"first": true}));
        let counts = scene.node("worker.counts", json!({"worker": "node"})).await;
        assert_eq!(counts["runs"], json!({"order-ü": 1}));
    }
}

on_every_store! {
    async fn a_bulk_completes_at_node_job_by_job(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let jobs = (0..300_u32).map(|n| {
            let mut job = NewJob::new("bulk", &json!({"n": n})).unwrap();
            match n % 3 {
                0 => {}
                1 => job.options.priority = Some(n),
                _ => job.options.delay = Some(Duration::from_millis(u64::from(n))),
            }
            job
        });
        let added = queue.add_many(jobs.collect()).await.unwrap();
        scene
            .node_works(json!({"kind": "echo"}), json!({"concurrency": 20}))
            .await;
        scene.node_counts("completed", 300).await;
        for (n, added) in added.into_iter().enumerate() {
            let job = queue.job(&added.unwrap().id).await.unwrap().unwrap().record;
            assert_eq!(
                job.return_value.as_deref(),
                Some(format!(r#"{{"n":{n}}}"#).as_str())
            );
        }
        let counts = scene.node("worker.stop", json!({"worker": "node"})).await;
        assert_eq!(
            (&counts["completed"], &counts["errors"]),
            (&json!(300), &json!([]))
        );
        let keys: Vec<String> = scene.ask(&["KEYS", &format!("bull:{QUEUE}:*:lock")]).await;
        assert!(keys.is_empty(), "locks left behind: {keys:?}");
    }
}
