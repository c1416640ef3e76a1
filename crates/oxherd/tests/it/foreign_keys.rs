//! Keys of the queue that hold another program's data: named in an error, and nothing half written meanwhile.

use std::time::Duration;

use oxherd::{Error, JobState, NewJob, Queue, Stop, Worker};
use serde_json::Value;

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, stop};

/// Each key of a queue with the type that belongs there.
const KEYS: [(&str, &str); 17] = [
    ("wait", "list"),
    ("active", "list"),
    ("paused", "list"),
    ("prioritized", "zset"),
    ("delayed", "zset"),
    ("waiting-children", "zset"),
    ("completed", "zset"),
    ("failed", "zset"),
    ("marker", "zset"),
    ("events", "stream"),
    ("meta", "hash"),
    ("id", "string"),
    ("pc", "string"),
    ("stalled", "set"),
    ("stalled-check", "string"),
    ("limiter", "string"),
    ("repeat", "zset"),
];

/// Puts something else where the queue's own data belongs, which is set aside.
async fn spoil(scene: &Scene, key: &str, expected: &str) {
    // In one step, since a worker may write in between.
    const SPOIL: &str = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], 'aside') end \
                         return redis.call(ARGV[1], KEYS[1], 'x')";
    let other = if expected == "string" { "LPUSH" } else { "SET" };
    let _: redis::Value = scene
        .ask(&["EVAL", SPOIL, "1", &format!("bull:q:{key}"), other])
        .await;
}

async fn mend(scene: &Scene, key: &str) {
    const MEND: &str = "redis.call('DEL', KEYS[1]) \
                        if redis.call('EXISTS', 'aside') == 1 then redis.call('RENAME', 'aside', KEYS[1]) end \
                        return 0";
    let _: redis::Value = scene.ask(&["EVAL", MEND, "1", &format!("bull:q:{key}")]).await;
}

fn assert_names(error: &Error, key: &str, expected: &str) {
    let Error::WrongKeyType {
        key: named,
        expected: wanted,
        found,
        ..
    } = error
    else {
        panic!("{key}: {error}: {error:?}");
    };
    assert_eq!(*named, format!("bull:q:{key}"));
    assert_eq!(*wanted, expected);
    assert_eq!(found, if expected == "string" { "list" } else { "string" });
    assert!(error.to_string().contains("?prefix="), "the remedy: {error}");
}

/// One job of each kind; each is stored whole, or refused by the key's name with nothing written.
async fn add_each_kind(scene: &Scene, queue: &Queue, key: &str, expected: &str) -> usize {
    let mut refused = 0;
    let minute = Duration::from_secs(60);
    for add in [
        queue.add("n", ()),
        queue.add("n", ()).priority(3),
        queue.add("n", ()).delay(minute),
        queue.add("n", ()).id("abc"),
        queue.add("n", ()).id("def").priority(3).delay(minute),
    ] {
        let before = scene.contents().await;
        match add.await {
            Ok(added) => {
                let stored = scene.hash(&format!("bull:q:{}", added.id)).await;
                assert!(stored.contains_key("timestamp"), "{key}: {stored:?}");
            }
            Err(error) => {
                assert_names(&error, key, expected);
                scene.assert_unchanged(&before, key).await;
                refused += 1;
            }
        }
    }
    refused
}

on_every_store! {
    async fn adding_names_the_key_and_writes_nothing(scene: Scene) {
        for (key, expected) in KEYS {
            scene.tell("FLUSHALL").await;
            let queue = scene.queue("q");
            queue.add("n", ()).await.unwrap();
            spoil(&scene, key, expected).await;
            let refused = add_each_kind(&scene, &queue, key, expected).await;
            let needed = ["wait", "prioritized", "delayed", "marker", "events", "meta", "id"];
            assert!(refused > 0 || !needed.contains(&key), "{key}");
            mend(&scene, key).await;
            assert_eq!(add_each_kind(&scene, &queue, key, expected).await, 0);
        }
    }
}

on_every_store! {
    async fn a_producer_that_comes_later_names_the_settings_too(scene: Scene) {
        spoil(&scene, "meta", "hash").await;
        assert_eq!(add_each_kind(&scene, &scene.queue("q"), "meta", "hash").await, 5);
        mend(&scene, "meta").await;
        assert_eq!(add_each_kind(&scene, &scene.queue("q"), "meta", "hash").await, 0);
        assert!(scene.hash("bull:q:meta").await.contains_key("version"));
    }
}

on_every_store! {
    async fn a_counter_that_is_no_number_refuses_jobs_without_writing_anything(scene: Scene) {
        let queue = scene.queue("q");
        for key in ["id", "pc"] {
            scene.tell("FLUSHALL").await;
            queue.add("n", ()).await.unwrap();
            scene.tell(&format!("SET bull:q:{key} many")).await;
            let before = scene.contents().await;
            match queue.add("n", ()).priority(1).await {
                Ok(added) => {
                    assert_eq!(queue.job(&added.id).await.unwrap().unwrap().state, JobState::Prioritized);
                }
                Err(error) => {
                    scene.assert_unchanged(&before, key).await;
                    assert!(error.to_string().contains("integer"), "{error}");
                }
            }
            scene.tell(&format!("DEL bull:q:{key}")).await;
        }
    }
}

on_every_store! {
    async fn a_foreign_key_under_the_next_number_is_passed_over(scene: Scene) {
        let queue = scene.queue("q");
        scene.tell("SET bull:q:2 theirs").await;
        scene.tell("HSET bull:q:4 their field").await;
        let jobs = (0..4).map(|_| NewJob::new("n", &()).unwrap()).collect();
        let mut ids = Vec::new();
        for added in queue.add_many(jobs).await.unwrap() {
            // Whoever is told "added" finds the job, and nobody else's data is touched.
            ids.extend(added.map(|added| added.id.to_string()));
        }
        let mut line = scene.list("bull:q:wait").await;
        line.reverse();
        assert_eq!(line, ids);
        assert_eq!(ids, ["1", "3", "5", "6"]);
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:2"]).await, "theirs");
        assert_eq!(scene.hash("bull:q:4").await.len(), 1);
    }
}

on_every_store! {
    async fn looking_at_the_queue_names_the_key(scene: Scene) {
        let queue = scene.queue("q");
        for (key, expected) in KEYS {
            scene.tell("FLUSHALL").await;
            let id = queue.add("n", ()).await.unwrap().id;
            spoil(&scene, key, expected).await;
            let mut errors = Vec::new();
            errors.extend(queue.counts().await.err());
            errors.extend(queue.job(&id).await.err());
            for state in JobState::LISTED {
                errors.extend(queue.jobs(state, 0, 10).await.err());
            }
            errors.extend(
                queue.promote(&id).await.err().filter(|error| !matches!(error, Error::JobState { .. })),
            );
            errors.extend(
                queue.retry(&id, false).await.err().filter(|error| !matches!(error, Error::JobState { .. })),
            );
            for error in &errors {
                assert_names(error, key, expected);
            }
            let read = [
                "wait",
                "active",
                "paused",
                "prioritized",
                "delayed",
                "waiting-children",
                "completed",
                "failed",
                "meta",
            ];
            assert!(!errors.is_empty() || !read.contains(&key), "{key}");
        }
    }
}

on_every_store! {
    async fn pausing_and_resuming_name_the_key_and_do_nothing_by_halves(scene: Scene) {
        let queue = scene.queue("q");
        for (key, expected) in KEYS {
            scene.tell("FLUSHALL").await;
            queue.add("n", ()).await.unwrap();
            spoil(&scene, key, expected).await;
            for is_pause in [true, false] {
                let before = scene.contents().await;
                let done = if is_pause { queue.pause().await } else { queue.resume().await };
                if let Err(error) = done {
                    assert_names(&error, key, expected);
                    scene.assert_unchanged(&before, key).await;
                }
            }
        }
    }
}

on_every_store! {
    async fn removing_a_job_names_the_key_and_leaves_the_job(scene: Scene) {
        let queue = scene.queue("q");
        for (key, expected) in KEYS {
            scene.tell("FLUSHALL").await;
            let id = queue.add("n", ()).delay(Duration::from_secs(60)).await.unwrap().id;
            spoil(&scene, key, expected).await;
            let before = scene.contents().await;
            match queue.remove(&id).await {
                Ok(state) => assert!(state == JobState::Delayed && key != "delayed", "{key}"),
                Err(error) => {
                    assert_names(&error, key, expected);
                    scene.assert_unchanged(&before, key).await;
                }
            }
        }
    }
}

on_every_store! {
    async fn a_worker_does_not_start_on_settings_of_another_type(scene: Scene) {
        spoil(&scene, "meta", "hash").await;
        let before = scene.contents().await;
        let error =
            Worker::on(&scene.queue("q")).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap_err();
        assert_names(&error, "meta", "hash");
        scene.assert_unchanged(&before, "meta").await;
    }
}

/// Jobs on every way through the queue; the key is spoiled while one runs and mended when the worker has noticed.
async fn survives(scene: &Scene, key: &str, expected: &str) {
    scene.tell("FLUSHALL").await;
    let queue = scene.queue("q");
    let gate = Gate::closed();
    let minute = Duration::from_secs(60);
    for add in [
        queue.add("flaky", ()).attempts(2),
        queue.add("n", ()),
        queue.add("n", ()).priority(2),
        queue.add("flaky", ()).priority(1).attempts(2),
        queue
            .add("flaky", ())
            .attempts(2)
            .backoff(oxherd::Backoff::fixed(Duration::from_millis(1))),
        queue.add("n", ()).delay(minute),
        queue.add("n", ()).delay(minute).priority(7),
    ] {
        add.await.unwrap();
    }
    let worker = Worker::on(&queue)
        .concurrency(2)
        .drain_delay(Duration::from_millis(100))
        .handle_any({
            let gate = gate.clone();
            move |_, context| {
                let gate = gate.clone();
                async move {
                    gate.pass(&context).await;
                    match (context.name(), context.attempt()) {
                        ("flaky", 1) => Err(Stop::retry("boom")),
                        _ => Ok(Value::Null),
                    }
                }
            }
        });
    let worker = worker.start().await.unwrap();
    gate.until_running(2).await;
    spoil(scene, key, expected).await;
    scene.clock.advance(minute);
    gate.open();
    let completed = async || {
        let count: redis::RedisResult<u64> = scene.try_ask(&[b"ZCARD", b"bull:q:completed"]).await;
        count.unwrap_or(0) == 7
    };
    oxherd_testkit::eventually(&format!("{key}: trouble or an end"), PATIENCE, async || {
        let trouble = worker.health().trouble;
        if let Some(trouble) = &trouble {
            assert!(trouble.contains(&format!("bull:q:{key}\"")), "{key}: {trouble}");
        }
        scene.clock.advance(Duration::from_millis(1));
        trouble.is_some() || completed().await
    })
    .await;
    mend(scene, key).await;
    oxherd_testkit::eventually(&format!("{key}: all jobs complete"), PATIENCE, async || {
        scene.clock.advance(Duration::from_millis(1));
        completed().await
    })
    .await;
    stop(worker).await;
    let counts = queue.counts().await.unwrap();
    let unfinished = (
        counts.waiting,
        counts.active,
        counts.prioritized,
        counts.delayed,
        counts.failed,
    );
    assert_eq!(unfinished, (0, 0, 0, 0, 0), "{key}");
    assert_eq!(counts.completed, 7, "{key}");
    for job in queue.jobs(JobState::Completed, 0, 10).await.unwrap().jobs {
        assert_eq!(
            job.attempts_made,
            if job.name == "flaky" { 2 } else { 1 },
            "{key}: job {}",
            job.id
        );
    }
}

on_every_store! {
    async fn a_worker_loses_nothing_and_goes_on_when_the_key_is_mended(scene: Scene) {
        for (key, expected) in KEYS {
            survives(&scene, key, expected).await;
        }
    }
}
