//! What Node's getters say of jobs that Oxherd added and ran.

use std::time::Duration;

use oxherd::{JobContext, JobState, Outcome, Stop, Worker};
use oxherd_testkit::{eventually, on_every_store};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::scene::{PATIENCE, QUEUE, Scene, echo, stop};

/// Times of a job that was there before its worker, checked for order and taken out, so that the rest can be
/// compared.
fn take_times(job: &mut Value) {
    let time = |job: &Value, field: &str| job[field].as_u64().unwrap_or_else(|| panic!("{field} of {job}"));
    let (added, processed, finished) = (
        time(job, "timestamp"),
        time(job, "processedOn"),
        time(job, "finishedOn"),
    );
    assert!(added <= processed && processed <= finished, "{job}");
    for field in ["timestamp", "processedOn", "finishedOn"] {
        job.as_object_mut().unwrap().remove(field);
    }
}

on_every_store! {
    async fn node_reads_a_completed_job_field_by_field(store: TestStore) {
        let scene = Scene::new(store).await;
        let id = scene
            .queue()
            .add("welcome", json!({"changed": false}))
            .attempts(3)
            .keep_logs(3)
            .await
            .unwrap()
            .id;
        let worker = Worker::on(&scene.queue())
            .name("herd")
            .handle_any(async |_, context: JobContext| {
                context.log("first row").await?;
                context.log("second row").await?;
                context.progress(&json!({"percent": 70})).await?;
                if context.attempt() == 1 {
                    return Err(Stop::retry("not yet"));
                }
                context.update_data(&json!({"changed": true})).await?;
                Ok(json!([1, {"two": null}]))
            })
            .start()
            .await
            .unwrap();
        let mut job = scene.node_sees(id.as_str(), "completed").await;
        stop(worker).await;
        take_times(&mut job);
        let options = json!({"attempts": 3, "keepLogs": 3});
        for (name, value) in options.as_object().unwrap() {
            assert_eq!(&job["opts"][name], value);
        }
        job.as_object_mut().unwrap().remove("opts");
        assert_eq!(
            job,
            json!({
                "id": "1", "name": "welcome", "state": "completed", "data": {"changed": true}, "delay": 0, "priority": 0,
                "attemptsMade": 2, "attemptsStarted": 2, "stalledCounter": 0, "processedBy": "herd",
                "progress": {"percent": 70}, "returnvalue": [1, {"two": null}], "failedReason": "not yet",
                "stacktrace": ["not yet"], "deferredFailure": null, "deduplicationId": null, "repeatJobKey": null,
                "parentKey": null, "parent": null,
            })
        );
        let logs = scene.node("job.logs", json!({"job": "1"})).await;
        assert_eq!(
            logs,
            json!({"logs": ["second row", "first row", "second row"], "count": 3})
        );
    }
}

on_every_store! {
    async fn node_reads_a_failed_job_field_by_field(store: TestStore) {
        let scene = Scene::new(store).await;
        let id = scene
            .queue()
            .add("hopeless", json!({}))
            .attempts(5)
            .priority(7)
            .await
            .unwrap()
            .id;
        let worker = Worker::on(&scene.queue())
            .handle_any(async |_, _| Err(Stop::fail(std::io::Error::other("disk on fire"))))
            .start()
            .await
            .unwrap();
        let mut job = scene.node_sees(id.as_str(), "failed").await;
        stop(worker).await;
        take_times(&mut job);
        job.as_object_mut().unwrap().remove("opts");
        assert_eq!(
            job,
            json!({
                "id": "1", "name": "hopeless", "state": "failed", "data": {}, "delay": 0, "priority": 7,
                "attemptsMade": 1, "attemptsStarted": 1, "stalledCounter": 0, "processedBy": null, "progress": 0,
                "returnvalue": null, "failedReason": "disk on fire", "stacktrace": ["disk on fire"],
                "deferredFailure": null, "deduplicationId": null, "repeatJobKey": null, "parentKey": null, "parent": null,
            })
        );
    }
}

on_every_store! {
    async fn node_counts_and_lists_jobs_in_every_state_as_oxherd_does(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let (release, released) = watch::channel(false);
        let worker = Worker::on(&queue)
            .concurrency(3)
            .handle_json("done", echo)
            .handle_json("broken", async |_, _| Err(Stop::retry("broken")))
            .handle_json("held", move |_, _| {
                let mut released = released.clone();
                async move {
                    released.wait_for(|is_released| *is_released).await?;
                    Ok(Value::Null)
                }
            })
            .start()
            .await
            .unwrap();
        for name in ["done", "broken", "held"] {
            queue.add(name, json!({})).await.unwrap();
        }
        scene.node_sees("1", "completed").await;
        scene.node_sees("2", "failed").await;
        let active = scene.node_sees("3", "active").await;
        assert!(
            active["processedOn"].is_u64() && active["finishedOn"].is_null(),
            "{active}"
        );
        queue.pause().await.unwrap();
        queue.add("waits", json!({})).await.unwrap();
        queue.add("waits", json!({})).priority(9).await.unwrap();
        queue
            .add("waits", json!({}))
            .delay(Duration::from_secs(60))
            .await
            .unwrap();

        assert_eq!(scene.node("queue.isPaused", json!({})).await, true);
        let counts = scene.node("queue.counts", json!({})).await;
        let states = [
            ("waiting", "4"),
            ("prioritized", "5"),
            ("delayed", "6"),
            ("active", "3"),
            ("completed", "1"),
            ("failed", "2"),
        ];
        for (state, id) in states {
            assert_eq!(counts[state], 1, "{state} in {counts}");
            let jobs = scene.node("queue.getJobs", json!({"state": state})).await;
            let ids: Vec<&Value> = jobs.as_array().unwrap().iter().map(|job| &job["id"]).collect();
            assert_eq!(ids, [id], "{state}");
            assert_eq!(scene.node("job.state", json!({"job": id})).await, state);
            let state: JobState = state.parse().unwrap();
            let page = queue.jobs(state, 0, 10).await.unwrap();
            assert_eq!((page.total, page.jobs[0].id.as_str()), (1, id), "{state}");
        }
        let ours = queue.counts().await.unwrap();
        let ours = [
            ours.waiting,
            ours.prioritized,
            ours.delayed,
            ours.active,
            ours.completed,
            ours.failed,
        ];
        assert_eq!(ours, [1; 6]);
        release.send_replace(true);
        stop(worker).await;
    }
}

on_every_store! {
    async fn waiting_for_a_job_in_node_ends_when_oxherd_ends_it(store: TestStore) {
        let scene = Scene::new(store).await;
        let queue = scene.queue();
        let good = queue.add("good", json!({"n": [1]})).await.unwrap().id;
        let bad = queue.add("bad", json!({})).await.unwrap().id;
        let wait = |id: &str| json!({"queue": QUEUE, "job": id, "ttlMs": 30_000});
        let process = async {
            // Only once both waits are under way: their reader listens.
            eventually("node listens to events", PATIENCE, async || {
                scene
                    .ask::<String>(&["CLIENT", "LIST"])
                    .await
                    .contains("cmd=xread")
            })
            .await;
            Worker::on(&queue)
                .handle_json("good", echo)
                .handle_json("bad", async |_, _| -> Outcome<Value> {
                    Err(Stop::retry("went wrong"))
                })
                .start()
                .await
                .unwrap()
        };
        let (value, error, worker) = tokio::join!(
            scene.peer.try_call("job.waitUntilFinished", wait(good.as_str())),
            scene.peer.try_call("job.waitUntilFinished", wait(bad.as_str())),
            process,
        );
        assert_eq!(value.unwrap(), json!({"n": [1]}));
        assert_eq!(error.unwrap_err().message, "went wrong");
        // And at once when the job has ended before.
        assert_eq!(
            scene
                .peer
                .call("job.waitUntilFinished", wait(good.as_str()))
                .await,
            json!({"n": [1]})
        );
        stop(worker).await;
    }
}
