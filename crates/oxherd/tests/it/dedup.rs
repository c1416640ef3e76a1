//! Deduplication ids that BullMQ producers gave to jobs: freed when the job ends; then the job kept for that moment
//! is added.

use oxherd::{JobId, JobState, Queue, Retention, Stop, Worker};
use serde_json::{Value, json};

use crate::scene::{Scene, on_every_store, reaches, stop};

/// A job as Node adds it with `deduplication: {id: "d"}`.
async fn deduplicated(scene: &Scene, queue: &Queue) -> JobId {
    let id = queue.add("n", ()).await.unwrap().id;
    scene.tell(&format!("HSET bull:q:{id} deid d")).await;
    scene.tell(&format!("SET bull:q:de:d {id}")).await;
    id
}

/// Runs jobs until this one is finished; those that say `fail` fail.
async fn run(queue: &Queue, id: &JobId) {
    let worker = Worker::on(queue)
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
    oxherd_testkit::eventually("the job is finished", crate::scene::PATIENCE, async || {
        queue
            .job(id)
            .await
            .unwrap()
            .is_none_or(|job| job.state.is_finished())
    })
    .await;
    stop(worker).await;
}

on_every_store! {
    async fn a_job_that_ends_frees_its_id(scene: Scene) {
        let queue = scene.queue("q");
        for data in ["fine", "fail"] {
            let id = deduplicated(&scene, &queue).await;
            scene.tell(&format!("HSET bull:q:{id} data \"{data}\"")).await;
            run(&queue, &id).await;
            assert!(!scene.exists("bull:q:de:d").await);
        }
        let removed = queue.add("n", ()).remove_on_complete(Retention::Remove).await.unwrap().id;
        scene.tell(&format!("HSET bull:q:{removed} deid d")).await;
        scene.tell(&format!("SET bull:q:de:d {removed}")).await;
        run(&queue, &removed).await;
        assert!(!scene.exists("bull:q:de:d").await);
    }
}

on_every_store! {
    async fn an_id_held_for_a_time_stays_held(scene: Scene) {
        let queue = scene.queue("q");
        let id = deduplicated(&scene, &queue).await;
        scene.tell("PEXPIRE bull:q:de:d 3600000").await;
        run(&queue, &id).await;
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:de:d"]).await, id.as_str());
    }
}

on_every_store! {
    async fn an_id_that_another_job_holds_by_now_stays_held(scene: Scene) {
        let queue = scene.queue("q");
        let id = deduplicated(&scene, &queue).await;
        scene.tell("SET bull:q:de:d other").await;
        run(&queue, &id).await;
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:de:d"]).await, "other");
    }
}

on_every_store! {
    async fn a_retry_keeps_the_id(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue
            .add("n", ())
            .attempts(2)
            .backoff(oxherd::Backoff::fixed(crate::scene::PATIENCE))
            .await
            .unwrap()
            .id;
        scene.tell("HSET bull:q:1 deid d").await;
        scene.tell("SET bull:q:de:d 1").await;
        let worker =
            Worker::on(&queue).handle_any(async |_, _| Err(Stop::retry("boom"))).start().await.unwrap();
        reaches(&queue, &id, JobState::Delayed).await;
        stop(worker).await;
        assert!(scene.exists("bull:q:de:d").await);
    }
}

on_every_store! {
    async fn a_removed_job_frees_its_id(scene: Scene) {
        let queue = scene.queue("q");
        let id = deduplicated(&scene, &queue).await;
        queue.remove(&id).await.unwrap();
        assert!(!scene.exists("bull:q:de:d").await);
        let id = deduplicated(&scene, &queue).await;
        scene.tell("SET bull:q:de:d other").await;
        queue.remove(&id).await.unwrap();
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:de:d"]).await, "other");
    }
}

/// What Node stores when `keepLastIfActive` meets an active owner.
async fn keep_last(scene: &Scene, options: &str) {
    scene
        .tell(&format!(
            "HSET bull:q:dn:d name latest data {{\"v\":2}} opts {options}"
        ))
        .await;
}

on_every_store! {
    async fn the_job_kept_for_then_is_added_when_the_owner_ends(scene: Scene) {
        let queue = scene.queue("q");
        for data in ["fine", "fail"] {
            scene.tell("FLUSHALL").await;
            let id = deduplicated(&scene, &queue).await;
            scene.tell(&format!("HSET bull:q:{id} data \"{data}\"")).await;
            keep_last(&scene, r#"{"attempts":3,"de":{"id":"d","keepLastIfActive":true}}"#).await;
            run(&queue, &id).await;
            let next = JobId::existing("2");
            let record = queue.job(&next).await.unwrap().unwrap().record;
            assert_eq!((record.name.as_str(), record.data.as_str()), ("latest", r#"{"v":2}"#));
            assert_eq!((record.options.attempts, record.timestamp), (3, scene.now()));
            assert_eq!(record.deduplication_id.as_deref(), Some("d"));
            assert!(!scene.exists("bull:q:dn:d").await);
            let events = scene.events("q").await;
            let added = events.iter().position(|event| event == "added jobId 2 name latest").unwrap();
            assert_eq!(events[added + 1], "waiting jobId 2");

            // It holds the id until it ends in its turn.
            run(&queue, &next).await;
            assert!(!scene.exists("bull:q:de:d").await);
        }
    }
}

on_every_store! {
    async fn the_job_kept_for_then_has_its_own_id_place_and_parent(scene: Scene) {
        let queue = scene.queue("q");
        let id = deduplicated(&scene, &queue).await;
        keep_last(&scene, r#"{"delay":60000,"priority":3}"#).await;
        scene.tell("HSET bull:q:dn:d jid mine pk bull:p:9 pd {\"id\":\"9\",\"queueKey\":\"bull:p\"}").await;
        scene.tell("HSET bull:q:dn:d pdk bull:p:9:dependencies").await;
        run(&queue, &id).await;
        let job = queue.job(&JobId::existing("mine")).await.unwrap().unwrap();
        assert_eq!((job.state, job.record.priority), (JobState::Delayed, 3));
        assert_eq!(job.record.delay.as_millis(), 60_000);
        assert_eq!(job.record.parent_key.as_deref(), Some("bull:p:9"));
        assert_eq!(scene.hash("bull:q:mine").await["parent"], r#"{"id":"9","queueKey":"bull:p"}"#);
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:de:d"]).await, "mine");
        assert_eq!(scene.ask::<Vec<String>>(&["SMEMBERS", "bull:p:9:dependencies"]).await, ["bull:q:mine"]);
        assert_eq!(scene.ask::<String>(&["GET", "bull:q:id"]).await, "2", "the counter goes on all the same");
    }
}

on_every_store! {
    async fn garbage_kept_for_then_does_not_lose_the_owner(scene: Scene) {
        let queue = scene.queue("q");
        for garbage in [
            "HSET bull:q:dn:d name latest data 1 opts {",
            "HSET bull:q:dn:d name latest data 1 opts 7",
            r#"HSET bull:q:dn:d name latest opts {"priority":"high","delay":"soon"}"#,
            r#"HSET bull:q:dn:d name latest opts {"priority":{},"delay":[]}"#,
            "HSET bull:q:dn:d name latest jid wait",
            "HSET bull:q:dn:d name latest pdk bull:q:meta",
            "HSET bull:q:dn:d data 1",
            "SET bull:q:dn:d text",
            "SADD bull:q:de:d member",
        ] {
            scene.tell("FLUSHALL").await;
            let id = deduplicated(&scene, &queue).await;
            let last = queue.add("n", ()).await.unwrap().id;
            if garbage.starts_with("SADD") {
                scene.tell("DEL bull:q:de:d").await;
            }
            scene.tell(garbage).await;
            let worker = Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
            for id in [&id, &last] {
                oxherd_testkit::eventually(garbage, crate::scene::PATIENCE, async || {
                    queue.job(id).await.unwrap().unwrap().state == JobState::Completed
                })
                .await;
            }
            stop(worker).await;
        }
    }
}
