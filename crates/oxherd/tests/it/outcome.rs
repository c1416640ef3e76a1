//! What else a handler can say: fail for good, try again later, not now, slow down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oxherd::{Backoff, JobContext, JobState, Queue, Stop, Timestamp, Worker, WorkerBuilder};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, on_every_store, reaches, stop, until_attempt};

const SECOND: Duration = Duration::from_secs(1);

/// A worker whose handler ends as `end` says at its first run, and well at all later ones.
fn first_time(queue: &Queue, end: impl Fn(&JobContext) -> Stop + Send + Sync + 'static) -> WorkerBuilder {
    let runs = Arc::new(AtomicU32::new(0));
    Worker::on(queue).handle_any(move |_, context| {
        let ended = match runs.fetch_add(1, Ordering::SeqCst) {
            0 => Err(end(&context)),
            _ => Ok(json!({"attempt": context.attempt()})),
        };
        async move { ended }
    })
}

on_every_store! {
    async fn a_job_failed_for_good_is_not_tried_again(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(5).await.unwrap().id;
        let worker = first_time(&queue, |_| Stop::fail("no such user")).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!((record.attempts_made, record.attempts_started), (1, 1));
        assert_eq!(record.failed_reason.as_deref(), Some("no such user"));
        assert_eq!(scene.event_names("q").await[3..], ["failed", "drained"]);
    }
}

on_every_store! {
    async fn failing_for_good_at_the_last_attempt_exhausts_the_retries(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = first_time(&queue, |_| Stop::fail("no such user")).start().await.unwrap();
        reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(scene.event_names("q").await[3..], ["failed", "retries-exhausted", "drained"]);
    }
}

on_every_store! {
    async fn a_handler_can_name_the_wait_before_the_next_attempt(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).attempts(2).backoff(Backoff::fixed(SECOND)).await.unwrap().id;
        let worker = first_time(&queue, |_| Stop::retry_after(90 * SECOND, "busy")).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Delayed).await;
        assert_eq!((record.delay, record.attempts_made), (90 * SECOND, 1));
        assert_eq!(record.failed_reason.as_deref(), Some("busy"));
        scene.clock.advance(90 * SECOND);
        let record = reaches(&queue, &id, JobState::Completed).await;
        assert_eq!(record.return_value.as_deref(), Some(r#"{"attempt":2}"#));
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_named_wait_makes_no_further_attempts(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = first_time(&queue, |_| Stop::retry_after(90 * SECOND, "busy")).start().await.unwrap();
        assert_eq!(reaches(&queue, &id, JobState::Failed).await.failed_reason.as_deref(), Some("busy"));
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_delayed_run_is_no_attempt(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let due = scene.now().after(60 * SECOND);
        let worker = first_time(&queue, move |_| Stop::delay_until(due)).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Delayed).await;
        assert_eq!((record.attempts_made, record.attempts_started), (0, 1));
        assert_eq!((record.delay, record.failed_reason, record.stack_trace.len()), (60 * SECOND, None, 0));
        assert_eq!(scene.scores("bull:q:delayed").await, [("1".to_owned(), due.as_millis() * 4096)]);
        scene.clock.advance(60 * SECOND);
        let record = reaches(&queue, &id, JobState::Completed).await;
        assert_eq!((record.attempts_made, record.attempts_started), (1, 2));
        // The handler ran twice, both times at its first attempt.
        assert_eq!(record.return_value.as_deref(), Some(r#"{"attempt":1}"#));
        stop(worker).await;
        let delayed = format!("delayed jobId 1 delay {}", due.as_millis());
        assert_eq!(
            scene.events("q").await[2..],
            [
                "active jobId 1 prev waiting",
                &*delayed,
                "waiting jobId 1 prev delayed",
                "active jobId 1 prev waiting",
                "completed jobId 1 returnvalue {\"attempt\":1} prev active",
                "drained",
            ]
        );
    }
}

on_every_store! {
    async fn a_run_delayed_until_now_or_earlier_follows_at_once(scene: Scene) {
        let queue = scene.queue("q");
        for end in [Stop::delay_until(Timestamp::from_millis(5)), Stop::delay_for(Duration::ZERO)] {
            let id = queue.add("n", ()).await.unwrap().id;
            let end = std::sync::Mutex::new(Some(end));
            let worker =
                first_time(&queue, move |_| end.lock().unwrap().take().unwrap()).start().await.unwrap();
            let record = reaches(&queue, &id, JobState::Completed).await;
            assert_eq!((record.attempts_made, record.attempts_started), (1, 2));
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn a_wait_beyond_all_bounds_is_shortened_to_the_longest_one(scene: Scene) {
        let queue = scene.queue("q");
        for end in [
            Stop::delay_for(Duration::MAX),
            Stop::delay_until(Timestamp::from_millis(u64::MAX)),
            Stop::retry_after(Duration::MAX, "busy"),
        ] {
            let id = queue.add("n", ()).attempts(2).await.unwrap().id;
            let end = std::sync::Mutex::new(Some(end));
            let worker =
                first_time(&queue, move |_| end.lock().unwrap().take().unwrap()).start().await.unwrap();
            let record = reaches(&queue, &id, JobState::Delayed).await;
            assert!(record.problems.is_empty(), "{:?}", record.problems);
            assert!(record.delay > 365 * 24 * 3600 * SECOND, "{:?}", record.delay);
            let scores = scene.scores("bull:q:delayed").await;
            assert!(scores.iter().all(|(_, score)| *score < 1 << 53), "a score is exact: {scores:?}");
            stop(worker).await;
            queue.remove(&id).await.unwrap();
        }
    }
}

on_every_store! {
    async fn a_rate_limited_job_goes_back_untouched_and_the_queue_rests(scene: Scene) {
        let queue = scene.queue("q");
        let first = queue.add("n", ()).await.unwrap().id;
        let second = queue.add("n", ()).await.unwrap().id;
        let worker = first_time(&queue, |_| Stop::rate_limited(3600 * SECOND)).start().await.unwrap();
        oxherd_testkit::eventually("the job is back in line", PATIENCE, async || {
            queue.counts().await.unwrap().waiting == 2 && scene.exists("bull:q:limiter").await
        })
        .await;
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:limiter"]).await, "9007199254740991");
        let rest: u64 = scene.ask(&["PTTL", "bull:q:limiter"]).await;
        assert!((3_500_000..=3_600_000).contains(&rest), "{rest}");
        // Next out again.
        assert_eq!(scene.list("bull:q:wait").await, ["2", "1"]);
        let record = queue.job(&first).await.unwrap().unwrap().record;
        assert_eq!((record.attempts_made, record.attempts_started), (0, 1));
        assert_eq!(record.failed_reason, None);
        assert_eq!(
            scene.events("q").await[4..],
            ["active jobId 1 prev waiting", "waiting jobId 1 prev active"]
        );

        // Another worker keeps to it too.
        let gate = Gate::opened();
        let other = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        let mut events = other.events();
        stop(worker).await;
        stop(other).await;
        assert!(gate.started().is_empty());
        while let Some(event) = events.next().await {
            assert!(!matches!(event, oxherd::WorkerEvent::Active { .. }), "{event:?}");
        }

        scene.tell("DEL bull:q:limiter").await;
        let heir = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        let record = reaches(&queue, &second, JobState::Completed).await;
        assert_eq!(record.attempts_made, 1);
        assert_eq!(gate.started(), ["1", "2"]);
        stop(heir).await;
    }
}

on_every_store! {
    async fn work_goes_on_by_itself_when_the_rest_is_over(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let rest = Duration::from_millis(100);
        let worker = first_time(&queue, move |_| Stop::rate_limited(rest))
            .drain_delay(60 * SECOND)
            .start()
            .await
            .unwrap();
        reaches(&queue, &id, JobState::Completed).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_rate_limited_prioritized_job_stays_first_of_its_priority(scene: Scene) {
        let queue = scene.queue("q");
        for _ in 0..2 {
            queue.add("n", ()).priority(4).await.unwrap();
        }
        let worker = first_time(&queue, |_| Stop::rate_limited(3600 * SECOND)).start().await.unwrap();
        oxherd_testkit::eventually("the job is back in line", PATIENCE, async || {
            queue.counts().await.unwrap().prioritized == 2 && scene.exists("bull:q:limiter").await
        })
        .await;
        stop(worker).await;
        let four: u64 = 4 << 32;
        assert_eq!(
            scene.scores("bull:q:prioritized").await,
            [("1".to_owned(), four), ("2".to_owned(), four + 2)]
        );
    }
}

on_every_store! {
    async fn a_rest_of_any_length_loses_no_job(scene: Scene) {
        let queue = scene.queue("q");
        for rest in [Duration::MAX, Duration::ZERO, Duration::from_nanos(1)] {
            let id = queue.add("n", ()).await.unwrap().id;
            let worker = first_time(&queue, move |_| Stop::rate_limited(rest)).start().await.unwrap();
            until_attempt(&queue, &id, 1).await;
            oxherd_testkit::eventually("the job is in line or done", PATIENCE, async || {
                let state = queue.job(&id).await.unwrap().unwrap().state;
                assert_ne!(state, JobState::Unknown, "a rest of {rest:?} lost the job");
                matches!(state, JobState::Waiting | JobState::Completed)
            })
            .await;
            worker.stop_now().await;
            scene.tell("DEL bull:q:limiter").await;
            let heir = Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
            reaches(&queue, &id, JobState::Completed).await;
            stop(heir).await;
        }
    }
}
