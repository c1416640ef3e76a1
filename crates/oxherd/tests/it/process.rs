//! From adding a job to its end.

use std::time::Duration;

use oxherd::{Backoff, JobState, Retention, Stop, Worker, WorkerEvent};
use oxherd_testkit::eventually;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, on_every_store, stop};

on_every_store! {
    async fn a_job_is_processed_and_keeps_its_result(scene: Scene) {
        let queue = scene.queue("mail");
        let added = queue.add("welcome", json!({"user": 7})).await.unwrap();
        assert_eq!(added.id.as_str(), "1");
        let worker = Worker::on(&queue)
            .name("first")
            .handle_json("welcome", |data: Value, context| async move {
                context.progress(&50).await?;
                context.log("half way").await?;
                Ok(json!({"greeted": data["user"]}))
            })
            .start()
            .await
            .unwrap();
        eventually("the job completes", PATIENCE, async || {
            queue.job(&added.id).await.unwrap().unwrap().state == JobState::Completed
        })
        .await;
        stop(worker).await;

        let job = queue.job(&added.id).await.unwrap().unwrap();
        assert_eq!(job.record.return_value.as_deref(), Some(r#"{"greeted":7}"#));
        assert_eq!(job.record.progress, Some(json!(50)));
        assert_eq!(job.record.attempts_made, 1);
        assert_eq!(job.record.attempts_started, 1);
        assert_eq!(job.record.processed_by.as_deref(), Some("first"));
        assert_eq!(queue.logs(&added.id, 0, 10).await.unwrap(), ["half way"]);
        assert_eq!(
            scene.event_names("mail").await,
            ["added", "waiting", "active", "progress", "completed", "drained"]
        );
        let keys: Vec<String> = scene.ask(&["KEYS", "bull:mail:*"]).await;
        let mut keys: Vec<_> = keys.iter().map(|key| key.trim_start_matches("bull:mail:")).collect();
        keys.sort_unstable();
        // The marker comes and goes with idle workers, and the first look for stalled jobs may be still to come.
        keys.retain(|key| !["marker", "stalled-check"].contains(key));
        assert_eq!(keys, ["1", "1:logs", "completed", "events", "id", "meta"]);
    }
}

on_every_store! {
    async fn a_failed_attempt_is_tried_again_after_its_back_off(scene: Scene) {
        let queue = scene.queue("mail");
        let added = queue
            .add("welcome", json!({}))
            .attempts(3)
            .backoff(Backoff::exponential(Duration::from_secs(60)))
            .await
            .unwrap();
        let worker = Worker::on(&queue)
            .handle_json("welcome", |_, context| async move {
                if context.attempt() < 3 {
                    return Err(Stop::retry(format!("attempt {} failed", context.attempt())));
                }
                Ok(Value::Null)
            })
            .start()
            .await
            .unwrap();
        for (attempt, wait) in [(1_u32, 60_u64), (2, 120)] {
            eventually("the job waits for its next attempt", PATIENCE, async || {
                let job = queue.job(&added.id).await.unwrap().unwrap();
                job.state == JobState::Delayed && job.record.attempts_made == attempt
            })
            .await;
            assert_eq!(queue.job(&added.id).await.unwrap().unwrap().record.delay, Duration::from_secs(wait));
            scene.clock.advance(Duration::from_secs(wait));
        }
        eventually("the job completes", PATIENCE, async || {
            queue.job(&added.id).await.unwrap().unwrap().state == JobState::Completed
        })
        .await;
        let record = queue.job(&added.id).await.unwrap().unwrap().record;
        assert_eq!(record.stack_trace, ["attempt 1 failed", "attempt 2 failed"]);
        assert_eq!(record.attempts_made, 3);
        stop(worker).await;
    }
}

on_every_store! {
    async fn ten_thousand_jobs_each_run_once(scene: Scene) {
        let queue = scene.queue("bulk");
        let jobs = (0..10_000)
            .map(|number| oxherd::NewJob::new("count", &json!({"number": number})).unwrap())
            .collect();
        let added = queue.add_many(jobs).await.unwrap();
        assert!(added.iter().all(Result::is_ok));
        let seen = std::sync::Arc::new(std::sync::Mutex::new(vec![0_u8; 10_000]));
        let worker = Worker::on(&queue)
            .concurrency(100)
            .remove_on_complete(Retention::Remove)
            .handle_json("count", {
                let seen = seen.clone();
                move |data: Value, _| {
                    let seen = seen.clone();
                    async move {
                        seen.lock().unwrap()[usize::try_from(data["number"].as_u64().unwrap()).unwrap()] += 1;
                        Ok(Value::Null)
                    }
                }
            })
            .start()
            .await
            .unwrap();
        let mut events = worker.events();
        let mut is_idle = false;
        while !is_idle {
            is_idle = matches!(events.next().await, Some(WorkerEvent::Idle));
        }
        stop(worker).await;
        assert!(seen.lock().unwrap().iter().all(|times| *times == 1));
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.active, counts.completed, counts.failed), (0, 0, 0, 0));
    }
}
