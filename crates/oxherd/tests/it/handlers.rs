//! Which handler runs a job, and what becomes of payloads and results that do not fit.

use std::collections::HashMap;
use std::time::Duration;

use oxherd::{Error, Job, JobContext, JobOptions, JobState, Outcome, Retention, Worker, WorkerBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{on_every_store, reaches, stop};

#[derive(Serialize, Deserialize)]
struct Resize {
    width: u32,
}

impl Job for Resize {
    const QUEUE: &'static str = "images";
    const NAME: &'static str = "resize";
    type Output = String;

    fn options() -> JobOptions {
        JobOptions {
            attempts: 5,
            ..JobOptions::default()
        }
    }
}

async fn resize(job: Resize, _: JobContext) -> Outcome<String> {
    Ok(format!("{} pixels", job.width))
}

#[derive(Serialize, Deserialize)]
struct Unprintable;

impl Job for Unprintable {
    const QUEUE: &'static str = "images";
    const NAME: &'static str = "unprintable";
    // JSON has no objects whose keys are pairs.
    type Output = HashMap<(u8, u8), u8>;
}

on_every_store! {
    async fn each_name_has_its_handler(scene: Scene) {
        let queue = scene.queue("images");
        let typed = scene.oxherd.enqueue(&Resize { width: 30 }).unwrap().await.unwrap().id;
        let json = queue.add("crop", json!({"by": 3})).await.unwrap().id;
        let other = queue.add("anything", json!([1])).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle(resize)
            .handle_json("crop", async |data: Value, _| Ok(json!({"cropped": data["by"]})))
            .handle_any(async |data, context| Ok(json!({"name": context.name(), "data": data})))
            .start()
            .await
            .unwrap();
        for (id, result) in [
            (&typed, r#""30 pixels""#),
            (&json, r#"{"cropped":3}"#),
            (&other, r#"{"data":[1],"name":"anything"}"#),
        ] {
            let record = reaches(&queue, id, JobState::Completed).await;
            assert_eq!(record.return_value.as_deref(), Some(result));
        }
        stop(worker).await;
        let record = queue.job(&typed).await.unwrap().unwrap().record;
        assert_eq!((record.name.as_str(), record.data.as_str()), ("resize", r#"{"width":30}"#));
        assert_eq!(record.options.attempts, 5, "the type's options");
    }
}

on_every_store! {
    async fn a_name_without_handler_is_a_failed_attempt_that_lists_the_names(scene: Scene) {
        let queue = scene.queue("images");
        let id = queue.add("crop", ()).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle(resize)
            .handle_json("blur", async |_, _| Ok(Value::Null))
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        // Another worker of the queue may know it: so it is tried again.
        assert_eq!(record.attempts_made, 2);
        let reason = record.failed_reason.unwrap();
        for part in ["\"crop\"", "blur, resize"] {
            assert!(reason.contains(part), "{reason}");
        }
    }
}

on_every_store! {
    async fn a_payload_that_does_not_fit_fails_at_once_and_names_the_field(scene: Scene) {
        let queue = scene.queue("images");
        for (data, word) in [
            (json!({}), "width"),
            (json!({"width": "wide"}), "`width`: invalid type, expected u32"),
            (json!({"width": -1}), "`width`: invalid value, expected u32"),
            (json!(null), "invalid type, expected struct"),
        ] {
            let id = queue.add("resize", data).attempts(5).await.unwrap().id;
            let worker = Worker::on(&queue).handle(resize).start().await.unwrap();
            let record = reaches(&queue, &id, JobState::Failed).await;
            stop(worker).await;
            assert_eq!(record.attempts_made, 1, "the same data will not fit next time either");
            let reason = record.failed_reason.unwrap();
            assert!(reason.contains("\"resize\"") && reason.contains(word), "{reason}");
        }
    }
}

on_every_store! {
    async fn a_result_that_cannot_become_json_fails_without_another_run(scene: Scene) {
        let queue = scene.queue("images");
        let id = queue.enqueue(&Unprintable).attempts(5).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle(async |_: Unprintable, _| Ok(HashMap::from([((1, 2), 3)])))
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Failed).await;
        stop(worker).await;
        assert_eq!(record.attempts_made, 1);
        let reason = record.failed_reason.unwrap();
        assert!(reason.contains("result cannot become JSON"), "{reason}");
    }
}

on_every_store! {
    async fn a_handler_knows_its_job_and_can_change_its_data(scene: Scene) {
        let queue = scene.queue("images");
        let id = queue.add("crop", json!({"step": 1})).attempts(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any(async |data: Value, context: JobContext| {
                assert_eq!((context.queue().as_str(), context.name()), ("images", "crop"));
                assert_eq!((context.id().as_str(), context.attempts_allowed()), ("1", 2));
                assert_eq!(context.record().attempts_started, context.attempt());
                assert!(!context.is_cancelled() && !context.lock_token().is_empty());
                context.progress(&json!({"step": data["step"]})).await?;
                if context.attempt() == 1 {
                    context.update_data(&json!({"step": 2})).await?;
                    return Err(oxherd::Stop::retry("once more"));
                }
                Ok(data)
            })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Completed).await;
        stop(worker).await;
        assert_eq!(record.return_value.as_deref(), Some(r#"{"step":2}"#));
        assert_eq!(record.progress, Some(json!({"step": 2})));
        let progress: Vec<_> =
            scene.events("images").await.into_iter().filter(|event| event.starts_with("progress")).collect();
        assert_eq!(progress, [r#"progress jobId 1 data {"step":1}"#, r#"progress jobId 1 data {"step":2}"#]);
    }
}

on_every_store! {
    async fn a_job_removed_under_its_handler_is_said_to_be_gone(scene: Scene) {
        let queue = scene.queue("images");
        queue.add("crop", ()).await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        let gate = Gate::closed();
        let worker = Worker::on(&queue)
            .handle_any({
                let gate = gate.clone();
                move |_, context: JobContext| {
                    let (gate, tell) = (gate.clone(), tell.clone());
                    async move {
                        gate.pass(&context).await;
                        let row = context.log("row").await.map(drop);
                        tell.send([context.progress(&1).await, row, context.update_data(&1).await]).await?;
                        Ok(Value::Null)
                    }
                }
            })
            .start()
            .await
            .unwrap();
        gate.until_running(1).await;
        scene.tell("DEL bull:images:1").await;
        gate.open();
        for result in told.recv().await.unwrap() {
            let error = result.unwrap_err();
            assert!(matches!(&error, Error::JobNotFound { id, .. } if id == "1"), "{error}");
        }
        // Its outcome brings nothing back, and the worker goes on.
        let next = queue.add("crop", ()).await.unwrap().id;
        for result in told.recv().await.expect("the next job runs") {
            result.unwrap();
        }
        reaches(&queue, &next, JobState::Completed).await;
        stop(worker).await;
        assert!(!scene.exists("bull:images:1").await);
        assert!(!scene.exists("bull:images:1:logs").await);
    }
}

on_every_store! {
    async fn a_worker_that_cannot_work_is_not_started(scene: Scene) {
        let queue = scene.queue("images");
        let any = || Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null));
        let zero = Duration::ZERO;
        let cases: [(WorkerBuilder, &str); 9] = [
            (Worker::on(&queue), "no handler"),
            (any().handle_any(async |_, _| Ok(Value::Null)), "two handlers"),
            (any().handle(resize).handle_json("resize", async |_, _| Ok(Value::Null)), "\"resize\""),
            (any().handle(resize).handle(resize), "\"resize\""),
            (any().lock_duration(zero), "lock_duration"),
            (any().stalled_interval(zero), "stalled_interval"),
            (any().drain_delay(zero), "drain_delay"),
            (any().limiter(0, Duration::from_secs(1)), "limiter"),
            (any().limiter(1, zero), "limiter"),
        ];
        for (builder, word) in cases {
            let error = builder.start().await.expect_err(word);
            assert!(matches!(&error, Error::WorkerSetup { queue, .. } if queue == "images"), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, 0);
    }
}

on_every_store! {
    async fn settings_beyond_what_the_store_can_count_are_refused(scene: Scene) {
        let queue = scene.queue("images");
        let any = || Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null));
        for (builder, word) in [
            (any().lock_duration(Duration::MAX), "lock_duration"),
            (any().stalled_interval(Duration::MAX), "stalled_interval"),
            (any().limiter(1, Duration::MAX), "limiter"),
        ] {
            let error = builder.start().await.expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, 0);
    }
}

on_every_store! {
    async fn a_worker_may_have_any_name(scene: Scene) {
        let queue = scene.queue("images");
        for name in ["first", "Jürgen", "two words\nand lines", "日本", ""] {
            let worker = Worker::on(&queue)
                .name(name)
                // Only a worker that listens runs the job in time.
                .drain_delay(Duration::from_secs(600))
                .remove_on_complete(Retention::KeepAll)
                .handle_any(async |_, _| Ok(Value::Null))
                .start()
                .await
                .unwrap();
            scene.listeners(1).await;
            let id = queue.add("crop", ()).await.unwrap().id;
            let record = reaches(&queue, &id, JobState::Completed).await;
            assert_eq!(record.processed_by.unwrap_or_default(), name);
            assert_eq!(worker.health().name.as_deref(), Some(name));
            stop(worker).await;
        }
    }
}

on_every_store! {
    async fn dashboards_see_a_worker_by_its_connections_name(scene: Scene) {
        let queue = scene.queue("images");
        let any = || Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null));
        let named = any().name("first").start().await.unwrap();
        scene.listeners(1).await;
        let nameless = any().start().await.unwrap();
        scene.listeners(2).await;
        let clients: String = scene.ask(&["CLIENT", "LIST"]).await;
        // aW1hZ2Vz is "images" in base64.
        for name in ["name=bull:aW1hZ2Vz:w:first ", "name=bull:aW1hZ2Vz "] {
            assert!(clients.contains(name), "{name}: {clients}");
        }
        stop(named).await;
        stop(nameless).await;
    }
}
