//! What operators do to single jobs and whole queues: retry, promote, remove, pause and resume.

use std::time::Duration;

use oxherd::{Error, JobId, JobState, Queue, Stop, Worker};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, on_every_store, reaches, stop};

const MINUTE: Duration = Duration::from_secs(60);

/// A worker whose jobs fail if their data says so.
async fn start(queue: &Queue) -> Worker {
    Worker::on(queue)
        .handle_any(async |data, _| {
            if data == json!("fail") {
                Err(Stop::fail("boom"))
            } else {
                Ok(json!(7))
            }
        })
        .start()
        .await
        .unwrap()
}

/// A job that ended this way.
async fn finished(queue: &Queue, data: &str, state: JobState) -> JobId {
    let id = queue.add("n", data).attempts(3).await.unwrap().id;
    let worker = start(queue).await;
    reaches(queue, &id, state).await;
    stop(worker).await;
    id
}

fn assert_missing(error: &Error, operation: &str) {
    assert!(matches!(error, Error::JobNotFound { .. }), "{error}");
    let expected = format!("cannot {operation} job nobody in queue \"q\": there is no such job");
    assert_eq!(error.to_string(), expected);
}

fn assert_state(error: &Error, state: JobState) {
    assert!(
        matches!(error, Error::JobState { state: found, .. } if *found == state),
        "{error}"
    );
}

on_every_store! {
    async fn a_finished_job_can_run_again(scene: Scene) {
        let queue = scene.queue("q");
        for (data, state, result) in
            [("fail", JobState::Failed, "failedReason"), ("done", JobState::Completed, "returnvalue")]
        {
            scene.tell("FLUSHALL").await;
            let id = finished(&queue, data, state).await;
            let other = queue.add("n", ()).await.unwrap().id;
            scene.tell("DEL bull:q:marker").await;
            queue.retry(&id, false).await.unwrap();
            assert_eq!(scene.list("bull:q:wait").await, [id.as_str(), other.as_str()]);
            assert!(!scene.exists(&format!("bull:q:{state}")).await);
            // The worker that stopped before may still listen for a moment, and then puts back what it heard.
            oxherd_testkit::eventually("the marker is there", PATIENCE, async || {
                scene.scores("bull:q:marker").await == [("0".to_owned(), 0)]
            })
            .await;
            let hash = scene.hash("bull:q:1").await;
            for gone in ["finishedOn", "processedOn", result] {
                assert!(!hash.contains_key(gone), "{gone}: {hash:?}");
            }
            assert_eq!((&*hash["atm"], &*hash["ats"]), ("1", "1"));
            assert_eq!(hash.contains_key("stacktrace"), state == JobState::Failed, "traces stay");
            let events = scene.events("q").await;
            assert_eq!(events[events.len() - 1], format!("waiting jobId 1 prev {state}"));

            scene.tell("HSET bull:q:1 data 1").await;
            let worker = start(&queue).await;
            let record = reaches(&queue, &id, JobState::Completed).await;
            stop(worker).await;
            assert_eq!((record.attempts_made, record.attempts_started), (2, 2));
        }
    }
}

on_every_store! {
    async fn a_retry_can_count_attempts_anew(scene: Scene) {
        let queue = scene.queue("q");
        let id = finished(&queue, "fail", JobState::Failed).await;
        queue.retry(&id, true).await.unwrap();
        let hash = scene.hash("bull:q:1").await;
        assert!(!hash.contains_key("atm") && !hash.contains_key("ats"), "{hash:?}");
    }
}

on_every_store! {
    async fn a_retried_job_keeps_its_place_in_line(scene: Scene) {
        let queue = scene.queue("q");
        let lifo = queue.add("n", "fail").lifo().await.unwrap().id;
        let prioritized = queue.add("n", "fail").priority(4).await.unwrap().id;
        let worker = start(&queue).await;
        for id in [&lifo, &prioritized] {
            reaches(&queue, id, JobState::Failed).await;
        }
        stop(worker).await;
        queue.pause().await.unwrap();
        queue.add("n", ()).await.unwrap();
        for id in [&lifo, &prioritized] {
            queue.retry(id, false).await.unwrap();
        }
        assert_eq!(scene.list("bull:q:wait").await, ["3", "1"]);
        assert_eq!(scene.scores("bull:q:prioritized").await[0].1 >> 32, 4);
    }
}

on_every_store! {
    async fn only_finished_jobs_can_be_retried(scene: Scene) {
        let queue = scene.queue("q");
        let waiting = queue.add("n", ()).await.unwrap().id;
        let delayed = queue.add("n", ()).delay(MINUTE).await.unwrap().id;
        let before = scene.contents().await;
        assert_state(&queue.retry(&waiting, false).await.unwrap_err(), JobState::Waiting);
        assert_state(&queue.retry(&delayed, true).await.unwrap_err(), JobState::Delayed);
        assert_missing(&queue.retry(&JobId::existing("nobody"), false).await.unwrap_err(), "retry");
        scene.assert_unchanged(&before, "a refused retry").await;
    }
}

on_every_store! {
    async fn a_retried_child_holds_its_parent_back_again(scene: Scene) {
        let queue = scene.queue("q");
        for (key, mark) in [
            ("unsuccessful", "ZADD bull:p:P:unsuccessful 1 bull:q:1"),
            ("failed", "HSET bull:p:P:failed bull:q:1 boom"),
        ] {
            scene.tell("FLUSHALL").await;
            let id = finished(&queue, "fail", JobState::Failed).await;
            scene
                .tell("HSET bull:q:1 parentKey bull:p:P parent {\"id\":\"P\",\"queueKey\":\"bull:p\"}")
                .await;
            scene.tell("HSET bull:p:P name p").await;
            scene.tell(mark).await;
            queue.retry(&id, false).await.unwrap();
            assert!(!scene.exists(&format!("bull:p:P:{key}")).await);
            assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:p:P:dependencies"]).await, ["bull:q:1"]);
        }
    }
}

on_every_store! {
    async fn a_delayed_job_can_be_made_available_now(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).delay(MINUTE).await.unwrap().id;
        let prioritized = queue.add("n", ()).delay(MINUTE).priority(3).await.unwrap().id;
        queue.promote(&id).await.unwrap();
        queue.promote(&prioritized).await.unwrap();
        assert_eq!(scene.list("bull:q:wait").await, ["1"]);
        assert_eq!(scene.scores("bull:q:prioritized").await, [("2".to_owned(), (3 << 32) + 1)]);
        assert!(!scene.exists("bull:q:delayed").await);
        assert!(scene.scores("bull:q:marker").await.contains(&("0".to_owned(), 0)));
        assert_eq!(scene.hash("bull:q:1").await["delay"], "0");
        assert_eq!(
            scene.events("q").await[4..],
            ["waiting jobId 1 prev delayed", "waiting jobId 2 prev delayed"]
        );
        let job = queue.job(&id).await.unwrap().unwrap();
        assert_eq!(job.record.options.delay, Some(MINUTE), "as it was added");

        assert_state(&queue.promote(&id).await.unwrap_err(), JobState::Waiting);
        assert_missing(&queue.promote(&JobId::existing("nobody")).await.unwrap_err(), "promote");
    }
}

on_every_store! {
    async fn a_job_can_be_removed_from_every_state(scene: Scene) {
        let queue = scene.queue("q");
        let completed = finished(&queue, "done", JobState::Completed).await;
        let failed = finished(&queue, "fail", JobState::Failed).await;
        let waiting = queue.add("n", ()).await.unwrap().id;
        let prioritized = queue.add("n", ()).priority(1).await.unwrap().id;
        let delayed = queue.add("n", ()).delay(MINUTE).await.unwrap().id;
        let parent = queue.add("n", ()).id("parent").await.unwrap().id;
        scene.tell("LREM bull:q:wait 1 parent").await;
        scene.tell("ZADD bull:q:waiting-children 1 parent").await;
        // Active without a worker: its lock expired.
        let active = queue.add("n", ()).id("running").await.unwrap().id;
        scene.tell("LREM bull:q:wait 1 running").await;
        scene.tell("LPUSH bull:q:active running").await;
        let lost = queue.add("n", ()).id("lost").await.unwrap().id;
        scene.tell("LREM bull:q:wait 1 lost").await;
        for (id, state, previous) in [
            (completed, JobState::Completed, "completed"),
            (failed, JobState::Failed, "failed"),
            (waiting, JobState::Waiting, "wait"),
            (prioritized, JobState::Prioritized, "prioritized"),
            (delayed, JobState::Delayed, "delayed"),
            (parent, JobState::WaitingChildren, "waiting-children"),
            (active, JobState::Active, "active"),
            (lost, JobState::Unknown, "unknown"),
        ] {
            scene.tell(&format!("RPUSH bull:q:{id}:logs row")).await;
            assert_eq!(queue.remove(&id).await.unwrap(), state);
            let events = scene.events("q").await;
            assert_eq!(events[events.len() - 1], format!("removed jobId {id} prev {previous}"));
            assert!(queue.job(&id).await.unwrap().is_none());
        }
        let mut left: Vec<String> = scene.ask(&["KEYS", "bull:q:*"]).await;
        left.retain(|key| {
            !["events", "id", "meta", "pc", "marker", "stalled-check"].iter().any(|own| key.ends_with(own))
        });
        assert!(left.is_empty(), "{left:?}");
        assert_missing(&queue.remove(&JobId::existing("nobody")).await.unwrap_err(), "remove");
    }
}

on_every_store! {
    async fn a_running_job_is_not_removed(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        gate.until_running(1).await;
        let error = queue.remove(&id).await.unwrap_err();
        assert!(matches!(&error, Error::JobRefused { .. }), "{error}");
        assert!(error.to_string().contains("being processed"), "{error}");
        gate.open();
        reaches(&queue, &id, JobState::Completed).await;
        stop(worker).await;
        queue.remove(&id).await.unwrap();
    }
}

on_every_store! {
    async fn a_job_with_children_is_not_removed(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        scene.tell("SADD bull:q:1:dependencies bull:q:2").await;
        let before = scene.contents().await;
        let error = queue.remove(&id).await.unwrap_err();
        assert!(error.to_string().contains("has children; remove them first"), "{error}");
        scene.assert_unchanged(&before, "a refused removal").await;
    }
}

on_every_store! {
    async fn a_removed_child_no_longer_holds_its_parent_back(scene: Scene) {
        let queue = scene.queue("q");
        scene.tell("HSET bull:p:P name p timestamp 1 priority 0 delay 0").await;
        scene.tell("ZADD bull:p:waiting-children 1 P").await;
        for id in ["c1", "c2"] {
            queue.add("n", ()).id(id).await.unwrap();
            let parent = format!(
                "HSET bull:q:{id} parentKey bull:p:P parent {{\"id\":\"P\",\"queueKey\":\"bull:p\"}}"
            );
            scene.tell(&parent).await;
            scene.tell(&format!("SADD bull:p:P:dependencies bull:q:{id}")).await;
        }
        queue.remove(&JobId::existing("c1")).await.unwrap();
        assert!(!scene.exists("bull:p:wait").await);
        queue.remove(&JobId::existing("c2")).await.unwrap();
        assert_eq!(scene.list("bull:p:wait").await, ["P"]);
    }
}

on_every_store! {
    async fn the_next_iteration_of_a_scheduler_is_not_removed(scene: Scene) {
        let queue = scene.queue("q");
        let due = scene.now().as_millis() + 60_000;
        let iteration = format!("repeat:sch:{due}");
        scene.tell(&format!("ZADD bull:q:repeat {due} sch")).await;
        scene
            .tell(&format!("HSET bull:q:{iteration} name n rjk sch timestamp 1 delay 60000 priority 0"))
            .await;
        scene.tell(&format!("ZADD bull:q:delayed {} {iteration}", due * 4096)).await;
        let error = queue.remove(&JobId::existing(&*iteration)).await.unwrap_err();
        assert!(error.to_string().contains("job scheduler"), "{error}");
        assert_eq!(queue.counts().await.unwrap().delayed, 1);
    }
}

on_every_store! {
    async fn the_queues_own_keys_are_no_jobs(scene: Scene) {
        let queue = scene.queue("q");
        // Without a worker, whose last look for stalled jobs would change the store too.
        queue.add("n", ()).await.unwrap();
        scene.tell("LREM bull:q:wait 1 1").await;
        scene.tell("ZADD bull:q:completed 1 1").await;
        queue.add("n", ()).await.unwrap();
        queue.add("n", ()).delay(MINUTE).await.unwrap();
        queue.add("n", ()).priority(1).await.unwrap();
        scene.tell("SET bull:q:theirs x").await;
        let before = scene.contents().await;
        for id in [
            "wait",
            "delayed",
            "prioritized",
            "completed",
            "events",
            "meta",
            "id",
            "pc",
            "marker",
            "1:logs",
            "theirs",
            "",
        ] {
            let id = JobId::existing(id);
            for result in
                [queue.remove(&id).await.map(drop), queue.retry(&id, false).await, queue.promote(&id).await]
            {
                let error = result.expect_err(id.as_str());
                assert!(!error.to_string().is_empty());
            }
            assert!(!matches!(queue.job(&id).await, Ok(Some(_))), "{id}");
        }
        scene.assert_unchanged(&before, "asking for jobs that are none").await;
    }
}

on_every_store! {
    async fn pausing_and_resuming_are_seen_by_all(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        queue.pause().await.unwrap();
        assert_eq!(scene.hash("bull:q:meta").await["paused"], "1");
        assert!(!scene.exists("bull:q:marker").await);
        queue.resume().await.unwrap();
        assert!(!scene.hash("bull:q:meta").await.contains_key("paused"));
        assert_eq!(scene.scores("bull:q:marker").await, [("0".to_owned(), 0)]);
        assert_eq!(scene.event_names("q").await[2..], ["paused", "resumed"]);
    }
}

on_every_store! {
    async fn resuming_marks_when_the_next_delayed_job_is_due(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).delay(MINUTE).await.unwrap();
        queue.pause().await.unwrap();
        queue.resume().await.unwrap();
        assert_eq!(scene.scores("bull:q:marker").await, [("1".to_owned(), scene.now().as_millis() + 60_000)]);
    }
}

on_every_store! {
    async fn jobs_that_bullmq_5_set_aside_come_back_first_and_in_order(scene: Scene) {
        let queue = scene.queue("q");
        // Ids are added in order and moved as version 5 pauses: the whole list under another name.
        let jobs = (0..9_000).map(|_| oxherd::NewJob::new("n", &()).unwrap()).collect();
        queue.add_many(jobs).await.unwrap();
        scene.tell("RENAME bull:q:wait bull:q:paused").await;
        scene.tell("HSET bull:q:meta paused 1").await;
        let late = queue.add("n", ()).await.unwrap().id;
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.paused), (9_001, true));
        assert_eq!(queue.job(&JobId::existing("1")).await.unwrap().unwrap().state, JobState::Waiting);

        queue.resume().await.unwrap();
        assert!(!scene.exists("bull:q:paused").await);
        let mut line = scene.list("bull:q:wait").await;
        line.reverse();
        let mut sorted = line.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!((line.len(), sorted.len()), (9_001, 9_001), "none lost, none twice");
        assert_eq!(line[9_000], late.as_str(), "behind those that were there before");
        let resumed = scene.event_names("q").await.into_iter().filter(|name| name == "resumed").count();
        assert_eq!(resumed, 1);
        assert_eq!(line[..9_000], (1..=9_000).map(|id| id.to_string()).collect::<Vec<_>>());
    }
}

on_every_store! {
    async fn a_job_set_aside_by_bullmq_5_can_be_removed(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        scene.tell("RENAME bull:q:wait bull:q:paused").await;
        assert_eq!(queue.remove(&id).await.unwrap(), JobState::Waiting);
        assert!(!scene.exists("bull:q:paused").await);
        let worker = Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
        stop(worker).await;
    }
}
