//! A queue with jobs in every state, copied to another store and worked off there.

use std::time::Duration;

use oxherd::{JobState, NewJob, Oxherd, Stop, Worker};
use oxherd_testkit::eventually;
use serde_json::{Value, json};

use super::{copy, other};
use crate::scene::{PATIENCE, on_every_store, reaches, stop};

const LOCK: Duration = Duration::from_millis(500);
const CHECK: Duration = Duration::from_millis(200);

on_every_store! {
    async fn a_queue_with_jobs_in_every_state_is_worked_off_at_its_new_place(scene: Scene) {
        let queue = scene.queue("q");
        // The time of the last check for stalled jobs is copied too, so these checks are frequent.
        let worker = Worker::on(&queue)
            .lock_duration(LOCK)
            .stalled_interval(CHECK)
            .handle_any(async |data, _| match data {
                Value::String(word) if word == "fail" => Err(Stop::fail("boom")),
                _ => Ok(json!("result")),
            })
            .start()
            .await
            .unwrap();
        let done = queue.add("n", "done").await.unwrap().id;
        let failed = queue.add("n", "fail").await.unwrap().id;
        reaches(&queue, &done, JobState::Completed).await;
        reaches(&queue, &failed, JobState::Failed).await;
        stop(worker).await;
        // A job whose worker died: active, without a lock.
        let orphan = queue.add("n", "orphan").await.unwrap().id;
        scene.tell("RPOPLPUSH bull:q:wait bull:q:active").await;
        scene.tell(&format!("HSET bull:q:{orphan} processedOn 1 ats 1")).await;
        for number in 0..1200 {
            queue.add("n", number).await.unwrap();
        }
        queue.add("n", "prioritized").priority(3).await.unwrap();
        let delayed = queue.add("n", "delayed").delay(Duration::from_secs(3600)).await.unwrap().id;
        queue.add_many(vec![NewJob::new("n", &json!("last")).unwrap()]).await.unwrap();
        let before = queue.counts().await.unwrap();

        let to = other(&scene).await;
        let report = copy(&scene, &to).await;
        assert!(report.written() > 1200);
        let moved = Oxherd::on(to.oxherd.store().clone()).queue("q").unwrap();
        let after = moved.counts().await.unwrap();
        assert_eq!(format!("{after:?}").split("oldest").next(), format!("{before:?}").split("oldest").next());
        let record = moved.job(&failed).await.unwrap().unwrap().record;
        assert_eq!(record.failed_reason.as_deref(), Some("boom"));

        moved.promote(&delayed).await.unwrap();
        let worker = Worker::on(&moved)
            .lock_duration(LOCK)
            .stalled_interval(CHECK)
            .concurrency(20)
            .handle_any(async |_, _| Ok(Value::Null))
            .start()
            .await
            .unwrap();
        eventually("the copied queue is worked off", PATIENCE, async || {
            let counts = moved.counts().await.unwrap();
            counts.completed == 1205 && counts.failed == 1
        })
        .await;
        stop(worker).await;
        // The original has not moved.
        assert_eq!(queue.counts().await.unwrap().waiting, before.waiting);
    }
}
