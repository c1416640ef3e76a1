//! Failed attempts: when the next one follows, and when there is none.

use std::time::Duration;

use oxherd::{Backoff, JobState, Queue, Retention, Stop, Worker, WorkerBuilder};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, on_every_store, reaches, stop, until_attempt};

const SECOND: Duration = Duration::from_secs(1);

fn failing(queue: &Queue) -> WorkerBuilder {
    Worker::on(queue)
        .handle_any(async |_, context| Err(Stop::retry(format!("attempt {} failed", context.attempt()))))
}

on_every_store! {
    async fn without_a_back_off_the_next_attempt_follows_at_once(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(3).await.unwrap().id;
        let worker = failing(&queue).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;

        assert_eq!((record.attempts_made, record.attempts_started), (3, 3));
        assert_eq!(record.failed_reason.as_deref(), Some("attempt 3 failed"));
        assert_eq!(record.stack_trace, ["attempt 1 failed", "attempt 2 failed", "attempt 3 failed"]);
        assert_eq!(record.finished_on, Some(scene.now()));
        assert_eq!(scene.scores("bull:q:failed").await, [("1".to_owned(), scene.now().as_millis())]);
        assert_eq!(
            scene.events("q").await,
            [
                "added jobId 1 name n",
                "waiting jobId 1",
                "active jobId 1 prev waiting",
                "waiting jobId 1 prev active",
                "active jobId 1 prev waiting",
                "waiting jobId 1 prev active",
                "active jobId 1 prev waiting",
                "failed jobId 1 failedReason attempt 3 failed prev active",
                "retries-exhausted jobId 1 attemptsMade 3",
                "drained",
            ]
        );
        let mut fields: Vec<_> = scene.hash("bull:q:1").await.into_keys().collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "atm",
                "ats",
                "data",
                "delay",
                "failedReason",
                "finishedOn",
                "name",
                "opts",
                "priority",
                "processedOn",
                "stacktrace",
                "timestamp",
            ]
        );
        assert!(!scene.exists("bull:q:1:lock").await);
        assert!(!scene.exists("bull:q:active").await);
    }
}

on_every_store! {
    async fn a_retried_job_goes_to_the_back_of_the_line(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        queue.add("n", ()).attempts(2).await.unwrap();
        let second = queue.add("n", ()).await.unwrap().id;
        let third = queue.add("n", ()).lifo().attempts(2).await.unwrap().id;
        let prioritized = queue.add("n", ()).priority(1).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any({
                let gate = gate.clone();
                move |_, context| {
                    let gate = gate.clone();
                    async move {
                        gate.pass(&context).await;
                        Err(Stop::retry("boom"))
                    }
                }
            })
            .start()
            .await
            .unwrap();
        for id in [&second, &third, &prioritized] {
            reaches(&queue, id, JobState::Failed).await;
        }
        stop(worker).await;
        // A lifo job stays in front, a prioritized one behind all others.
        assert_eq!(gate.started(), ["3", "3", "1", "2", "1", "4", "4"]);
    }
}

on_every_store! {
    async fn a_fixed_back_off_is_the_same_each_time(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(3).backoff(Backoff::fixed(5 * SECOND)).await.unwrap().id;
        let worker = failing(&queue).start().await.unwrap();
        for made in 1..=2 {
            let due = scene.now().as_millis() + 5000;
            let record = reaches(&queue, &id, JobState::Delayed).await;
            assert_eq!((record.attempts_made, record.delay), (made, 5 * SECOND));
            assert_eq!(scene.scores("bull:q:delayed").await, [("1".to_owned(), due * 4096)]);
            let events = scene.events("q").await;
            assert_eq!(events[events.len() - 1], format!("delayed jobId 1 delay {due}"));
            scene.clock.advance(5 * SECOND);
            until_attempt(&queue, &id, made + 1).await;
        }
        let record = reaches(&queue, &id, JobState::Failed).await;
        // Promoted, it has no delay of its own any more.
        assert_eq!((record.attempts_made, record.delay), (3, Duration::ZERO));
        stop(worker).await;
        let events = scene.events("q").await;
        assert_eq!(events.iter().filter(|event| *event == "waiting jobId 1 prev delayed").count(), 2);
    }
}

on_every_store! {
    async fn jitter_draws_each_wait_anew_within_its_share(scene: Scene) {
        let queue = scene.queue("q");
        let backoff = Backoff::Fixed { delay: Some(1000 * SECOND), jitter: 0.5 };
        for _ in 0..30 {
            queue.add("n", ()).attempts(2).backoff(backoff.clone()).await.unwrap();
        }
        let worker = failing(&queue).concurrency(30).start().await.unwrap();
        oxherd_testkit::eventually("all jobs wait", PATIENCE, async || {
            queue.counts().await.unwrap().delayed == 30
        })
        .await;
        stop(worker).await;
        let jobs = queue.jobs(JobState::Delayed, 0, 30).await.unwrap().jobs;
        let mut waits: Vec<_> = jobs.iter().map(|job| job.delay).collect();
        waits.sort_unstable();
        assert!(waits[0] >= 500 * SECOND && waits[29] <= 1000 * SECOND, "{waits:?}");
        waits.dedup();
        assert!(waits.len() > 10, "drawn evenly, hardly two are the same: {waits:?}");
    }
}

on_every_store! {
    async fn a_strategy_of_the_workers_own_decides_from_attempt_and_reason(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(9).backoff(Backoff::custom("tide")).await.unwrap().id;
        let worker = failing(&queue)
            .backoff_strategy("tide", |attempt, reason| {
                assert_eq!(reason, format!("attempt {attempt} failed"));
                match attempt {
                    1 => Some(7 * SECOND),
                    2 => Some(Duration::ZERO),
                    _ => None,
                }
            })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Delayed).await;
        assert_eq!((record.attempts_made, record.delay), (1, 7 * SECOND));
        scene.clock.advance(7 * SECOND);
        // No wait after the second, and the strategy gives up after the third.
        let record = reaches(&queue, &id, JobState::Failed).await;
        assert_eq!(record.attempts_made, 3);
        stop(worker).await;
        // Not all attempts were used.
        assert!(!scene.event_names("q").await.contains(&"retries-exhausted".to_owned()));
    }
}

on_every_store! {
    async fn a_strategy_nobody_knows_fails_the_job_and_says_so(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(9).backoff(Backoff::custom("tide")).await.unwrap().id;
        let worker = failing(&queue).backoff_strategy("moon", |_, _| None).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.attempts_made, 1);
        assert_eq!(record.failed_reason.as_deref(), Some("attempt 1 failed"));
        assert!(record.stack_trace[0].contains("no back-off strategy \"tide\""), "{:?}", record.stack_trace);
    }
}

on_every_store! {
    async fn a_strategy_that_panics_is_a_failed_job_and_no_dead_worker(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(9).backoff(Backoff::custom("tide")).await.unwrap().id;
        let worker =
            failing(&queue).backoff_strategy("tide", |_, _| panic!("low tide")).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        assert!(record.stack_trace.concat().contains("attempt 1 failed"), "{:?}", record.stack_trace);
        let next = queue.add("n", ()).await.unwrap().id;
        reaches(&queue, &next, JobState::Failed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_job_without_attempts_has_one(scene: Scene) {
        let queue = scene.queue("q");
        for attempts in [0, 1] {
            let id = queue.add("n", ()).attempts(attempts).await.unwrap().id;
            let worker = failing(&queue).start().await.unwrap();
            assert_eq!(reaches(&queue, &id, JobState::Failed).await.attempts_made, 1);
            stop(worker).await;
            let exhausted = format!("retries-exhausted jobId {id} attemptsMade 1");
            assert!(scene.events("q").await.contains(&exhausted));
        }
    }
}

on_every_store! {
    async fn retries_of_a_paused_queue_wake_nobody(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let id = queue.add("n", ()).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any({
                let gate = gate.clone();
                move |_, context| {
                    let gate = gate.clone();
                    async move {
                        gate.pass(&context).await;
                        Err::<Value, _>(Stop::retry("boom"))
                    }
                }
            })
            .start()
            .await
            .unwrap();
        gate.until_running(1).await;
        queue.pause().await.unwrap();
        gate.open();
        reaches(&queue, &id, JobState::Waiting).await;
        assert!(!scene.exists("bull:q:marker").await);
        assert_eq!(gate.started(), ["1"]);
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_failed_job_is_removed_where_its_options_say_so(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", json!({})).attempts(2).remove_on_fail(Retention::Remove).await.unwrap();
        let worker = failing(&queue).start().await.unwrap();
        oxherd_testkit::eventually("the job is gone", PATIENCE, async || !scene.exists("bull:q:1").await)
            .await;
        stop(worker).await;
        assert!(!scene.exists("bull:q:failed").await);
        let events = scene.events("q").await;
        assert!(
            events.contains(&"failed jobId 1 failedReason attempt 2 failed prev active".to_owned()),
            "{events:?}"
        );
        assert!(events.contains(&"retries-exhausted jobId 1 attemptsMade 2".to_owned()), "{events:?}");
    }
}
