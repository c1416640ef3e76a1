//! Jobs that other programs wrote, and wrote badly: nothing is lost, nothing panics, no worker dies.

use std::time::Duration;

use oxherd::{JobId, JobState, Worker, WorkerEvent};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

/// Longer than any test runs: who needs a look after the drain delay is too late.
const NEVER: Duration = Duration::from_secs(600);

/// Puts a job in line as another program might: whatever fields it likes.
async fn foreign_job(scene: &Scene, id: &str, fields: &[(&str, &[u8])]) {
    let key = format!("bull:q:{id}");
    for (name, value) in fields {
        let command: [&[u8]; 4] = [b"HSET", key.as_bytes(), name.as_bytes(), value];
        scene.try_ask::<u64>(&command).await.unwrap();
    }
    scene.tell(&format!("LPUSH bull:q:wait {id}")).await;
}

on_every_store! {
    async fn a_job_nobody_can_read_fails_with_the_fields_name_and_the_others_go_on(scene: Scene) {
        let queue = scene.queue("q");
        let cases: [(&str, &[(&str, &[u8])], &str); 7] = [
            ("a", &[("name", b"n"), ("data", b"{")], "data"),
            ("b", &[("name", b"n"), ("data", b"")], "data"),
            ("c", &[("name", b"n"), ("data", b"\"\xff\"")], "data"),
            ("d", &[("name", b"n"), ("opts", b"[]")], "opts"),
            ("e", &[("name", b"n"), ("opts", b"attempts")], "opts"),
            ("f", &[("data", b"{}"), ("timestamp", b"5")], "name"),
            ("g", &[("name", b"\xc3\x28"), ("data", b"{}")], "name"),
        ];
        for (id, fields, _) in cases {
            foreign_job(&scene, id, fields).await;
        }
        let good = queue.add("n", ()).await.unwrap().id;
        let gate = Gate::opened();
        let worker = Worker::on(&queue).concurrency(3).handle_any(gate.handler()).start().await.unwrap();
        reaches(&queue, &good, JobState::Completed).await;
        for (id, _, field) in cases {
            let record = reaches(&queue, &JobId::existing(id), JobState::Failed).await;
            let reason = record.failed_reason.unwrap();
            assert!(reason.contains(&format!("`{field}`")), "{id}: {reason}");
            assert_eq!(record.attempts_made, 1);
        }
        stop(worker).await;
        assert_eq!(gate.started(), [good.as_str()]);
    }
}

on_every_store! {
    async fn fields_that_are_missing_or_nonsense_have_defaults(scene: Scene) {
        let queue = scene.queue("q");
        let nonsense: &[u8] = b"soon";
        foreign_job(&scene, "bare", &[("name", b"n")]).await;
        let mut fields = vec![("name", &b"n"[..]), ("data", &b"7"[..])];
        for field in
            ["timestamp", "delay", "priority", "ats", "atm", "stc", "processedOn", "progress", "stacktrace"]
        {
            fields.push((field, nonsense));
        }
        foreign_job(&scene, "nonsense", &fields).await;
        let unknown =
            br#"{"attempts":"many","fpof":7,"unknownThing":{"x":{}},"removeOnComplete":-1,"delay":-5}"#;
        foreign_job(&scene, "options", &[("name", b"n"), ("opts", unknown), ("stacktrace", b"{}")]).await;
        foreign_job(&scene, "numbers", &[("name", b"n"), ("priority", b"1e400"), ("ats", b"2.7")]).await;
        let worker = Worker::on(&queue).handle_any(async |data, _| Ok(data)).start().await.unwrap();
        for (id, value) in
            [("bare", json!({})), ("nonsense", json!(7)), ("options", json!({})), ("numbers", json!({}))]
        {
            let record = reaches(&queue, &JobId::existing(id), JobState::Completed).await;
            assert_eq!(record.return_value, Some(value.to_string()), "{id}");
            assert_eq!(record.attempts_made, 1, "{id}: {record:?}");
        }
        stop(worker).await;
    }
}

on_every_store! {
    async fn a_failing_job_with_nonsense_fields_still_ends(scene: Scene) {
        let queue = scene.queue("q");
        let opts = br#"{"attempts":3,"backoff":"often","stackTraceLimit":-1,"removeOnFail":"never"}"#;
        foreign_job(
            &scene,
            "a",
            &[("name", b"n"), ("opts", opts), ("stacktrace", b"text"), ("priority", b"high")],
        )
        .await;
        let worker = Worker::on(&queue).handle_any(async |_, _| Err(oxherd::Stop::retry("boom")));
        let worker = worker.start().await.unwrap();
        let record = reaches(&queue, &JobId::existing("a"), JobState::Failed).await;
        assert_eq!((record.attempts_made, record.stack_trace.len()), (3, 3));
        stop(worker).await;
    }
}

on_every_store! {
    async fn an_id_without_a_job_is_dropped_and_reported(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).await.unwrap();
        scene.tell("LPUSH bull:q:wait ghost").await;
        scene.tell("SET bull:q:text x").await;
        scene.tell("LPUSH bull:q:wait text").await;
        scene.tell("ZADD bull:q:prioritized 1 spook").await;
        let last = queue.add("n", ()).priority(2_000_000).await.unwrap().id;
        let gate = Gate::opened();
        let worker = Worker::on(&queue).handle_any(gate.handler());
        // Held back until the test listens.
        queue.pause().await.unwrap();
        let worker = worker.start().await.unwrap();
        let mut events = worker.events();
        queue.resume().await.unwrap();
        reaches(&queue, &last, JobState::Completed).await;
        stop(worker).await;
        let mut dropped = Vec::new();
        while let Some(event) = events.next().await {
            if let WorkerEvent::Dropped { id } = event {
                dropped.push(id.to_string());
            }
        }
        assert_eq!(dropped, ["ghost", "text", "spook"]);
        assert_eq!(gate.started(), ["1", last.as_str()]);
        // No stub is made of them, and the text belongs to somebody.
        for key in ["bull:q:ghost", "bull:q:spook", "bull:q:active"] {
            assert!(!scene.exists(key).await, "{key}");
        }
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:text"]).await, "x");
    }
}

on_every_store! {
    async fn a_line_full_of_ghosts_does_not_stop_the_worker(scene: Scene) {
        let queue = scene.queue("q");
        for concurrency in [1, 5] {
            for id in ["ghost", "0:1795226839773"] {
                for _ in 0..300 {
                    scene.tell(&format!("LPUSH bull:q:wait {id}")).await;
                }
            }
            let last = queue.add("n", ()).await.unwrap().id;
            let worker = Worker::on(&queue)
                .concurrency(concurrency)
                .drain_delay(NEVER)
                .handle_any(async |_, _| Ok(Value::Null))
                .start()
                .await
                .unwrap();
            reaches(&queue, &last, JobState::Completed).await;
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn markers_of_very_old_clients_are_no_jobs(scene: Scene) {
        let queue = scene.queue("q");
        scene.tell("LPUSH bull:q:wait 0:0").await;
        let id = queue.add("n", ()).await.unwrap().id;
        scene.tell("LPUSH bull:q:wait 0:1795226839773").await;
        let gate = Gate::opened();
        let worker = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        let mut events = worker.events();
        reaches(&queue, &id, JobState::Completed).await;
        oxherd_testkit::eventually("the line is empty", PATIENCE, async || {
            !scene.exists("bull:q:wait").await
        })
        .await;
        stop(worker).await;
        assert_eq!(gate.started(), ["1"]);
        while let Some(event) = events.next().await {
            assert!(!matches!(event, WorkerEvent::Dropped { .. }), "{event:?}");
        }
        assert!(!scene.exists("bull:q:active").await);
    }
}

on_every_store! {
    async fn an_id_that_is_no_text_does_not_stop_the_worker(scene: Scene) {
        let queue = scene.queue("q");
        for command in [
            [&b"HSET"[..], b"bull:q:\xff\xfe", b"name", b"n"].as_slice(),
            &[b"LPUSH", b"bull:q:wait", b"\xff\xfe"],
            &[b"LPUSH", b"bull:q:wait", b"\xfd"],
        ] {
            scene.try_ask::<u64>(command).await.unwrap();
        }
        let id = queue.add("n", ()).await.unwrap().id;
        let worker = Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
        reaches(&queue, &id, JobState::Completed).await;
        assert_eq!(worker.health().trouble, None);
        stop(worker).await;
        // Whoever looks at the queue is not stopped by it either.
        for state in JobState::LISTED {
            queue.jobs(state, 0, 10).await.unwrap();
        }
        assert!(!scene.exists("bull:q:active").await);
    }
}

on_every_store! {
    async fn an_id_that_stands_in_line_twice_leaves_nothing_behind(scene: Scene) {
        let queue = scene.queue("q");
        for concurrency in [1, 4] {
            let id = queue.add("n", ()).await.unwrap().id;
            scene.tell(&format!("LPUSH bull:q:wait {id}")).await;
            let last = queue.add("n", ()).await.unwrap().id;
            let worker = Worker::on(&queue)
                .concurrency(concurrency)
                .lock_duration(Duration::from_millis(100))
                .stalled_interval(Duration::from_millis(50))
                .handle_any(async |_, _| Ok(Value::Null))
                .start()
                .await
                .unwrap();
            for id in [&id, &last] {
                reaches(&queue, id, JobState::Completed).await;
            }
            oxherd_testkit::eventually("nothing is left", PATIENCE, async || {
                let counts = queue.counts().await.unwrap();
                (counts.waiting, counts.active) == (0, 0)
            })
            .await;
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn a_deferred_failure_is_carried_out_without_running_the_job(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let id = queue.add("n", ()).attempts(5).await.unwrap().id;
        queue.add("n", ()).await.unwrap();
        scene.tell("HSET bull:q:1 defa child-said-no").await;
        // It is no start in the sense of a rate limit.
        let worker = Worker::on(&queue).limiter(1, NEVER).handle_any(gate.handler()).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        gate.until_started(1).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["2"]);
        assert_eq!(record.failed_reason.as_deref(), Some("child-said-no"));
        assert_eq!((record.attempts_made, record.attempts_started), (1, 1));
        assert!(record.stack_trace[0].contains("child-said-no"));
        assert!(!scene.hash("bull:q:1").await.contains_key("defa"));
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:limiter"]).await, "1");
        let events = scene.events("q").await;
        assert_eq!(
            events[4..6],
            ["active jobId 1 prev waiting", "failed jobId 1 failedReason child-said-no prev active"]
        );
        assert!(!events.iter().any(|event| event.starts_with("retries-exhausted jobId 1 ")));
    }
}

on_every_store! {
    async fn settings_of_the_queue_that_make_no_sense_are_ignored(scene: Scene) {
        let queue = scene.queue("q");
        for (field, value) in [
            ("opts.maxLenEvents", "many"),
            ("opts.maxLenEvents", "-5"),
            ("opts.maxLenEvents", "1e400"),
            ("concurrency", "many"),
            ("concurrency", "-1"),
            ("max", "many"),
            ("duration", "long"),
            ("version", "bullmq:99"),
        ] {
            scene.tell("FLUSHALL").await;
            scene.tell(&format!("HSET bull:q:meta {field} {value}")).await;
            let added = queue.add("n", ()).attempts(2).await;
            let id = added.unwrap_or_else(|error| panic!("{field} {value}: {error}")).id;
            let worker = Worker::on(&queue)
                .handle_any(async |_, context| match context.attempt() {
                    1 => Err(oxherd::Stop::retry("boom")),
                    _ => {
                        context.progress(&1).await?;
                        Ok(Value::Null)
                    }
                })
                .start()
                .await
                .unwrap();
            oxherd_testkit::eventually(
                &format!("the job completes with {field} {value}"),
                PATIENCE,
                async || queue.job(&id).await.unwrap().unwrap().state == JobState::Completed,
            )
            .await;
            assert_eq!(worker.health().trouble, None, "{field} {value}");
            stop(worker).await;
            queue.remove(&id).await.unwrap();
        }
    }
}
