//! Looking at a queue: counts, single jobs, pages of jobs, logs.

use std::time::Duration;

use oxherd::{JobId, JobOptions, JobState, NewJob, Queue, Stop, Timestamp, Worker};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{Scene, on_every_store, reaches, stop};

/// A queue with so many jobs in each state; those that end do so one second after the other.
async fn queue_with(scene: &Scene, count: usize) -> Queue {
    let queue = scene.queue("q");
    let worker = Worker::on(&queue)
        .handle_any(async |data, _| {
            if data == json!("fail") {
                Err(Stop::fail("boom"))
            } else {
                Ok(Value::Null)
            }
        })
        .start()
        .await
        .unwrap();
    for (data, state) in [("done", JobState::Completed), ("fail", JobState::Failed)] {
        for number in 0..count {
            let id = format!("{state}-{number}");
            scene.clock.advance(Duration::from_secs(1));
            let id = queue.add("n", data).id(&id).await.unwrap().id;
            reaches(&queue, &id, state).await;
        }
    }
    stop(worker).await;
    for number in 0..count {
        scene
            .tell(&format!(
                "HSET bull:q:active-{number} name n data 1 timestamp 5 processedOn 6 ats 1"
            ))
            .await;
        scene.tell(&format!("LPUSH bull:q:active active-{number}")).await;
        scene
            .tell(&format!("HSET bull:q:parent-{number} name n timestamp 5"))
            .await;
        scene
            .tell(&format!("ZADD bull:q:waiting-children {number} parent-{number}"))
            .await;
        queue.add("n", ()).id(&format!("waiting-{number}")).await.unwrap();
        let priority = u32::try_from(count - number).unwrap();
        queue
            .add("n", ())
            .id(&format!("prioritized-{number}"))
            .priority(priority)
            .await
            .unwrap();
        let delay = Duration::from_secs(u64::from(priority));
        queue
            .add("n", ())
            .id(&format!("delayed-{number}"))
            .delay(delay)
            .await
            .unwrap();
    }
    queue
}

async fn ids(queue: &Queue, state: JobState, offset: u64, limit: u64) -> Vec<String> {
    let page = queue.jobs(state, offset, limit).await.unwrap();
    page.jobs.into_iter().map(|job| job.id.to_string()).collect()
}

on_every_store! {
    async fn every_state_is_counted_and_listed_in_order(scene: Scene) {
        let queue = queue_with(&scene, 5).await;
        let counts = queue.counts().await.unwrap();
        for count in [
            counts.waiting,
            counts.active,
            counts.prioritized,
            counts.delayed,
            counts.completed,
            counts.failed,
            counts.waiting_children,
        ] {
            assert_eq!(count, 5);
        }
        assert!(!counts.paused);
        assert_eq!((counts.completed_total, counts.failed_total), (None, None), "nobody counts");

        for (state, expected) in [
            // Next out first.
            (JobState::Waiting, ["waiting-0", "waiting-1", "waiting-2", "waiting-3", "waiting-4"]),
            (
                JobState::Prioritized,
                ["prioritized-4", "prioritized-3", "prioritized-2", "prioritized-1", "prioritized-0"],
            ),
            (JobState::Delayed, ["delayed-4", "delayed-3", "delayed-2", "delayed-1", "delayed-0"]),
            (JobState::WaitingChildren, ["parent-0", "parent-1", "parent-2", "parent-3", "parent-4"]),
            // Latest first.
            (JobState::Active, ["active-4", "active-3", "active-2", "active-1", "active-0"]),
            (
                JobState::Completed,
                ["completed-4", "completed-3", "completed-2", "completed-1", "completed-0"],
            ),
            (JobState::Failed, ["failed-4", "failed-3", "failed-2", "failed-1", "failed-0"]),
        ] {
            assert_eq!(ids(&queue, state, 0, 100).await, expected);
            assert_eq!(ids(&queue, state, 0, 2).await, expected[..2]);
            assert_eq!(ids(&queue, state, 2, 2).await, expected[2..4]);
            assert_eq!(ids(&queue, state, 4, 2).await, expected[4..]);
            for (offset, limit) in [(5, 2), (100, 2), (0, 0), (2, 0), (u64::MAX, 5), (u64::MAX, u64::MAX)] {
                let page = queue.jobs(state, offset, limit).await.unwrap();
                assert_eq!((page.total, page.jobs.len()), (5, 0), "{state} from {offset}, {limit}");
            }
            assert_eq!(ids(&queue, state, 1, u64::MAX).await, expected[1..]);
            for id in expected {
                let job = queue.job(&JobId::existing(id)).await.unwrap().unwrap();
                assert_eq!((job.state, job.record.id.as_str()), (state, id));
            }
        }
    }
}

on_every_store! {
    async fn a_page_holds_at_most_a_thousand_jobs(scene: Scene) {
        let queue = scene.queue("q");
        queue.add_many((0..1500).map(|_| NewJob::new("n", &()).unwrap()).collect()).await.unwrap();
        let page = queue.jobs(JobState::Waiting, 0, 5000).await.unwrap();
        assert_eq!((page.total, page.jobs.len()), (1500, 1000));
        assert_eq!(page.jobs[999].id.as_str(), "1000");
        let rest = queue.jobs(JobState::Waiting, 1000, 5000).await.unwrap();
        assert_eq!((rest.jobs.len(), rest.jobs[0].id.as_str()), (500, "1001"));
    }
}

on_every_store! {
    async fn an_empty_queue_has_nothing(scene: Scene) {
        let queue = scene.queue("q");
        assert_eq!(queue.counts().await.unwrap(), oxherd::Counts::default());
        for state in JobState::LISTED {
            let page = queue.jobs(state, 0, 10).await.unwrap();
            assert_eq!((page.total, page.jobs.len()), (0, 0));
        }
        assert!(queue.job(&JobId::existing("1")).await.unwrap().is_none());
        assert!(queue.logs(&JobId::existing("1"), 0, 10).await.unwrap().is_empty());
        // Looking writes nothing.
        assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, 0);
    }
}

on_every_store! {
    async fn a_job_in_line_whose_data_is_gone_is_listed_with_its_problem(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        scene.tell("LPUSH bull:q:wait ghost").await;
        scene.tell("SET bull:q:text x").await;
        scene.tell("LPUSH bull:q:wait text").await;
        let page = queue.jobs(JobState::Waiting, 0, 10).await.unwrap();
        assert_eq!((page.total, page.jobs.len()), (3, 3));
        for (job, id) in page.jobs.iter().zip(["1", "ghost", "text"]) {
            assert_eq!(job.id.as_str(), id);
            assert_eq!(job.problems.is_empty(), id == "1", "{job:?}");
        }
        assert!(queue.job(&JobId::existing("ghost")).await.unwrap().is_none());
    }
}

on_every_store! {
    async fn a_running_job_is_seen_with_its_lock_log_and_progress(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let id = queue.add("n", json!({"a": 1})).attempts(4).await.unwrap().id;
        let before = queue.job(&id).await.unwrap().unwrap();
        assert_eq!((before.locked_for, before.log_rows, before.record.progress), (None, 0, None));
        let worker = Worker::on(&queue).name("first").handle_any({
            let gate = gate.clone();
            move |_, context| {
                let gate = gate.clone();
                async move {
                    context.progress(&json!({"done": 3})).await?;
                    context.log("one").await?;
                    context.log("two").await?;
                    gate.pass(&context).await;
                    Ok(Value::Null)
                }
            }
        });
        let worker = worker.start().await.unwrap();
        gate.until_running(1).await;
        let job = queue.job(&id).await.unwrap().unwrap();
        assert_eq!((job.state, job.log_rows), (JobState::Active, 2));
        let lock = job.locked_for.unwrap();
        assert!(lock > Duration::from_secs(10) && lock <= Duration::from_secs(30), "{lock:?}");
        assert_eq!(job.record.progress, Some(json!({"done": 3})));
        assert_eq!((job.record.attempts_started, job.record.attempts_made), (1, 0));
        assert_eq!(job.record.processed_on, Some(scene.now()));
        assert_eq!((job.record.processed_by.as_deref(), job.record.options.attempts), (Some("first"), 4));
        gate.open();
        reaches(&queue, &id, JobState::Completed).await;
        stop(worker).await;
        assert_eq!(queue.job(&id).await.unwrap().unwrap().locked_for, None);
    }
}

on_every_store! {
    async fn a_log_is_read_in_pages_oldest_first(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        for row in ["a", "b", "c", "d"] {
            scene.tell(&format!("RPUSH bull:q:1:logs {row}")).await;
        }
        for (offset, limit, expected) in [
            (0, 10, &["a", "b", "c", "d"][..]),
            (0, 2, &["a", "b"]),
            (2, 1, &["c"]),
            (3, 5, &["d"]),
            (4, 5, &[]),
            (0, 0, &[]),
            (3, 0, &[]),
            (0, u64::MAX, &["a", "b", "c", "d"]),
            (u64::MAX, 1, &[]),
        ] {
            assert_eq!(queue.logs(&id, offset, limit).await.unwrap(), expected, "{limit} from {offset}");
        }
        scene.try_ask::<u64>(&[b"RPUSH", b"bull:q:1:logs", b"\xff raw"]).await.unwrap();
        assert_eq!(queue.logs(&id, 4, 1).await.unwrap(), ["\u{fffd} raw"]);
    }
}

on_every_store! {
    async fn the_oldest_job_in_line_is_known(scene: Scene) {
        let queue = scene.queue("q");
        let at = |millis| Timestamp::from_millis(millis);
        queue.add("n", ()).timestamp(at(5000)).priority(1).await.unwrap();
        assert_eq!(queue.counts().await.unwrap().oldest_waiting, Some(at(5000)));
        queue.add("n", ()).timestamp(at(4000)).await.unwrap();
        queue.add("n", ()).timestamp(at(6000)).lifo().await.unwrap();
        assert_eq!(queue.counts().await.unwrap().oldest_waiting, Some(at(4000)));
        // Delayed jobs are not in line.
        queue.add("n", ()).timestamp(at(1)).delay(Duration::from_secs(1)).await.unwrap();
        assert_eq!(queue.counts().await.unwrap().oldest_waiting, Some(at(4000)));
        scene.tell("HSET bull:q:2 timestamp nonsense").await;
        assert!(queue.counts().await.is_ok());
    }
}

on_every_store! {
    async fn queues_are_found_by_their_settings(scene: Scene) {
        for name in ["mail", "Grüße", "a b", "[x]*"] {
            scene.queue(name).add("n", ()).await.unwrap();
        }
        // Not ours, or no queue.
        scene.tell("HSET other:q:meta version 1").await;
        scene.tell("HSET bull:a:b:meta version 1").await;
        scene.tell("SET bull:text:meta x").await;
        let found = scene.oxherd.store().queues().await.unwrap();
        let found: Vec<_> = found.iter().map(oxherd::QueueName::as_str).collect();
        assert_eq!(found, ["Grüße", "[x]*", "a b", "mail"]);
    }
}

on_every_store! {
    async fn a_record_names_the_fields_it_could_not_read(scene: Scene) {
        let queue = scene.queue("q");
        let options = JobOptions { attempts: 3, ..JobOptions::default() };
        let id = queue.add_job(NewJob::new("n", &1).unwrap().with_options(options)).await.unwrap().id;
        scene.tell("HSET bull:q:1 timestamp now stacktrace text progress {").await;
        let record = queue.job(&id).await.unwrap().unwrap().record;
        let mut named: Vec<_> = record.problems.iter().map(|problem| problem.field.as_str()).collect();
        named.sort_unstable();
        assert_eq!(named, ["progress", "stacktrace", "timestamp"]);
        assert_eq!((record.options.attempts, record.data_as::<u8>().unwrap()), (3, 1));
    }
}
