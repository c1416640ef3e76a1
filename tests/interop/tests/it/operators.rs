//! What an operator does to single jobs through the one program takes effect in the other.

use std::time::Duration;

use oxherd::{Error, JobId, JobState, Stop, Worker};
use oxherd_testkit::on_every_store;
use serde_json::{Value, json};

use crate::scene::{PATIENCE, QUEUE, Scene, echo, stop};

on_every_store! {
    async fn node_retries_promotes_and_removes_jobs_of_oxherd(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let worker = Worker::on(&queue)
            .handle_any(async |data, context| {
                // Each job fails the first time it is started.
                if context.record().attempts_started == 1 {
                    Err(Stop::fail("first start"))
                } else {
                    Ok(data)
                }
            })
            .start()
            .await
            .unwrap();
        let failed = queue.add("fails once", json!({"n": 1})).await.unwrap().id;
        scene.node_sees(failed.as_str(), "failed").await;
        scene.node("job.retry", json!({"job": failed.as_str()})).await;
        let job = scene.node_sees(failed.as_str(), "completed").await;
        assert_eq!(
            (&job["attemptsMade"], &job["attemptsStarted"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(job["failedReason"], Value::Null);

        let delayed = queue
            .add("later", json!({}))
            .delay(Duration::from_secs(60))
            .await
            .unwrap()
            .id;
        let kept = queue
            .add("later", json!({}))
            .delay(Duration::from_secs(60))
            .await
            .unwrap()
            .id;
        scene.node("job.promote", json!({"job": delayed.as_str()})).await;
        scene.node_sees(delayed.as_str(), "failed").await;
        scene.node("job.remove", json!({"job": kept.as_str()})).await;
        assert!(queue.job(&kept).await.unwrap().is_none());
        scene.node("job.remove", json!({"job": failed.as_str()})).await;
        assert!(queue.job(&failed).await.unwrap().is_none());
        scene
            .node("queue.retryJobs", json!({"opts": {"state": "failed"}}))
            .await;
        scene.node_sees(delayed.as_str(), "completed").await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn oxherd_retries_promotes_and_removes_jobs_of_node(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        scene
            .node_works(json!({"kind": "failTimes", "times": 1}), json!({}))
            .await;
        let failed = JobId::existing(scene.node_adds("fails once", json!({"n": 1}), json!({})).await);
        scene.node_sees(failed.as_str(), "failed").await;
        queue.retry(&failed, false).await.unwrap();
        let job = scene.node_sees(failed.as_str(), "completed").await;
        assert_eq!(
            (&job["attemptsMade"], &job["attemptsStarted"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(job["failedReason"], Value::Null);

        let delayed = JobId::existing(
            scene
                .node_adds("later", json!({}), json!({"delay": 60_000}))
                .await,
        );
        let kept = JobId::existing(
            scene
                .node_adds("later", json!({}), json!({"delay": 60_000}))
                .await,
        );
        queue.promote(&delayed).await.unwrap();
        scene.node_sees(delayed.as_str(), "failed").await;
        assert_eq!(queue.remove(&kept).await.unwrap(), JobState::Delayed);
        assert_eq!(scene.node_job(kept.as_str()).await, Value::Null);
        assert_eq!(queue.remove(&failed).await.unwrap(), JobState::Completed);
        queue.retry(&delayed, true).await.unwrap();
        let job = scene.node_sees(delayed.as_str(), "failed").await;
        assert_eq!(
            (&job["attemptsMade"], &job["attemptsStarted"]),
            (&json!(1), &json!(1))
        );
    }
}

on_every_store! {
    async fn a_job_in_hand_cannot_be_removed_through_the_other_program(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let (release, released) = tokio::sync::watch::channel(false);
        let worker = Worker::on(&queue)
            .handle_any(move |data, _| {
                let mut released = released.clone();
                async move {
                    released.wait_for(|is_released| *is_released).await?;
                    Ok(data)
                }
            })
            .start()
            .await
            .unwrap();
        let ours = scene.node_adds("held by oxherd", json!({}), json!({})).await;
        scene.node_sees(&ours, "active").await;
        let refused = scene
            .peer
            .try_call("job.remove", json!({"queue": QUEUE, "job": ours}))
            .await
            .unwrap_err();
        assert!(
            refused.message.contains("is locked by another worker"),
            "{refused}"
        );
        release.send_replace(true);
        scene.node_sees(&ours, "completed").await;
        stop(worker).await;

        scene.node_works(json!({"kind": "hold"}), json!({})).await;
        let theirs = queue.add("held by node", json!({})).await.unwrap().id;
        scene.node_sees(theirs.as_str(), "active").await;
        let refused = queue.remove(&theirs).await.unwrap_err();
        assert!(matches!(refused, Error::JobRefused { .. }), "{refused}");
        scene.node("worker.release", json!({"worker": "node"})).await;
        scene.node_sees(theirs.as_str(), "completed").await;
    }
}

on_every_store! {
    async fn oxherd_runs_jobs_as_node_changed_them(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let sooner = queue
            .add("sooner", json!({}))
            .delay(Duration::from_secs(600))
            .await
            .unwrap()
            .id;
        let urgent = queue.add("urgent", json!({})).priority(50).await.unwrap().id;
        let plain = queue.add("plain", json!({})).priority(5).await.unwrap().id;
        let changed = queue
            .add("changed", json!({"old": true}))
            .priority(20)
            .await
            .unwrap()
            .id;
        scene
            .node(
                "job.changePriority",
                json!({"job": urgent.as_str(), "opts": {"priority": 1}}),
            )
            .await;
        scene
            .node(
                "job.updateData",
                json!({"job": changed.as_str(), "data": {"new": [1]}}),
            )
            .await;
        let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let worker = Worker::on(&queue)
            .handle_any({
                let order = std::sync::Arc::clone(&order);
                move |data, context| {
                    order.lock().unwrap().push(context.id().clone());
                    echo(data, context)
                }
            })
            .start()
            .await
            .unwrap();
        let job = scene.node_sees(changed.as_str(), "completed").await;
        assert_eq!(job["returnvalue"], json!({"new": [1]}));
        scene
            .node("job.changeDelay", json!({"job": sooner.as_str(), "delayMs": 100}))
            .await;
        scene.node_sees(sooner.as_str(), "completed").await;
        assert_eq!(*order.lock().unwrap(), [urgent, plain, changed, sooner]);
        stop(worker).await;
    }
}

on_every_store! {
    async fn oxherd_goes_on_after_node_drained_cleaned_and_obliterated_the_queue(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        queue.pause().await.unwrap();
        for n in 0..5 {
            queue.add("drained", json!({"n": n})).await.unwrap();
            queue.add("drained", json!({"n": n})).priority(3).await.unwrap();
            queue
                .add("drained", json!({"n": n}))
                .delay(Duration::from_secs(60))
                .await
                .unwrap();
        }
        scene.node("queue.drain", json!({"delayed": true})).await;
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.prioritized, counts.delayed), (0, 0, 0));
        queue.resume().await.unwrap();

        let worker = Worker::on(&queue).handle_any(echo).start().await.unwrap();
        for n in 0..5 {
            queue.add("cleaned", json!({"n": n})).await.unwrap();
        }
        scene.node_counts("completed", 5).await;
        let cleaned = scene.node("queue.clean", json!({"state": "completed"})).await;
        assert_eq!(cleaned.as_array().unwrap().len(), 5);
        assert_eq!(queue.counts().await.unwrap().completed, 0);

        let last = queue.add("last", json!({})).await.unwrap().id;
        scene.node_sees(last.as_str(), "completed").await;
        scene.node("queue.obliterate", json!({})).await;
        scene.node("queue.resume", json!({})).await;
        let mut events = queue.events(None).await.unwrap();
        let first = queue
            .add("after the end of everything", json!({}))
            .await
            .unwrap()
            .id;
        assert_eq!(first.as_str(), "1");
        loop {
            let event = tokio::time::timeout(PATIENCE, events.next())
                .await
                .unwrap()
                .unwrap();
            if event.event == "completed" {
                break;
            }
        }
        scene.node_sees("1", "completed").await;
        stop(worker).await;
    }
}
