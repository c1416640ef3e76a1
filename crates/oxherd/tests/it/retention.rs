//! What is kept of finished jobs, by the job's own options or the worker's.

use std::time::Duration;

use oxherd::{JobState, Queue, Retention, Stop, Worker, WorkerBuilder};
use serde_json::{Value, json};

use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

/// Completed or failed, as the test asks of the same handler.
#[derive(Clone, Copy, Debug)]
enum End {
    Completed,
    Failed,
}

impl End {
    const BOTH: [Self; 2] = [Self::Completed, Self::Failed];

    fn key(self) -> &'static str {
        match self {
            Self::Completed => "bull:q:completed",
            Self::Failed => "bull:q:failed",
        }
    }

    /// A worker that keeps as said what ends this way.
    fn worker(self, queue: &Queue, kept: Retention) -> WorkerBuilder {
        let worker = Worker::on(queue).handle_any(async |data: Value, context| {
            context.log("a row").await?;
            if data == json!("fail") {
                Err(Stop::fail("boom"))
            } else {
                Ok(Value::Null)
            }
        });
        match self {
            Self::Completed => worker.remove_on_complete(kept).remove_on_fail(Retention::KeepAll),
            Self::Failed => worker.remove_on_fail(kept).remove_on_complete(Retention::KeepAll),
        }
    }

    /// Adds a job that will end this way, with an option of its own if there is one, and lets it end.
    async fn one_job(self, scene: &Scene, own: Option<Retention>) {
        let queue = scene.queue("q");
        let add = match self {
            Self::Completed => queue.add("n", "complete"),
            Self::Failed => queue.add("n", "fail"),
        };
        let id = match (own, self) {
            (None, _) => add.await,
            (Some(own), Self::Completed) => add.remove_on_complete(own).await,
            (Some(own), Self::Failed) => add.remove_on_fail(own).await,
        }
        .unwrap()
        .id;
        let ended = match self {
            Self::Completed => format!("completed jobId {id} "),
            Self::Failed => format!("failed jobId {id} "),
        };
        oxherd_testkit::eventually("the job ends", PATIENCE, async || {
            scene
                .events("q")
                .await
                .iter()
                .any(|event| event.starts_with(&ended))
        })
        .await;
    }

    /// Ids of the jobs kept; of all others nothing is left.
    async fn kept(self, scene: &Scene) -> Vec<String> {
        let mut ids: Vec<_> = scene
            .scores(self.key())
            .await
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        ids.sort_unstable();
        let mut hashes: Vec<String> = scene.ask(&["KEYS", "bull:q:[0-9]*"]).await;
        hashes.sort_unstable();
        let expected: Vec<_> = ids
            .iter()
            .flat_map(|id| [format!("bull:q:{id}"), format!("bull:q:{id}:logs")])
            .collect();
        assert_eq!(hashes, expected, "jobs kept and keys kept");
        ids
    }
}

on_every_store! {
    async fn every_job_is_kept_unless_said_otherwise(scene: Scene) {
        let queue = scene.queue("q");
        let worker = Worker::on(&queue).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
        for _ in 0..3 {
            let id = queue.add("n", ()).await.unwrap().id;
            reaches(&queue, &id, JobState::Completed).await;
        }
        stop(worker).await;
        assert_eq!(scene.scores("bull:q:completed").await.len(), 3);
    }
}

on_every_store! {
    async fn a_job_that_is_not_kept_leaves_nothing_but_its_events(scene: Scene) {
        for end in End::BOTH {
            let worker = end.worker(&scene.queue("q"), Retention::Remove).start().await.unwrap();
            end.one_job(&scene, None).await;
            stop(worker).await;
            assert!(end.kept(&scene).await.is_empty());
            assert!(!scene.exists(end.key()).await);
        }
    }
}

on_every_store! {
    async fn the_latest_are_kept_by_number(scene: Scene) {
        for end in End::BOTH {
            let worker = end.worker(&scene.queue("q"), Retention::KeepLatest(2)).start().await.unwrap();
            let mut last = Vec::new();
            for _ in 0..5 {
                scene.clock.advance(Duration::from_millis(1));
                end.one_job(&scene, None).await;
                last.push(scene.ask::<String>(&["GET", "bull:q:id"]).await);
            }
            stop(worker).await;
            assert_eq!(end.kept(&scene).await, last[3..]);
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn of_jobs_that_end_together_the_number_is_kept(scene: Scene) {
        for end in End::BOTH {
            let queue = scene.queue("q");
            let data = if matches!(end, End::Failed) { "fail" } else { "complete" };
            let jobs = (0..120).map(|_| oxherd::NewJob::new("n", &data).unwrap()).collect();
            queue.add_many(jobs).await.unwrap();
            let worker = end.worker(&queue, Retention::KeepLatest(7)).concurrency(40).start().await.unwrap();
            oxherd_testkit::eventually("all jobs end", PATIENCE, async || {
                scene.event_names("q").await.last().unwrap() == "drained"
            })
            .await;
            stop(worker).await;
            assert_eq!(end.kept(&scene).await.len(), 7);
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn jobs_are_kept_by_age(scene: Scene) {
        let ten = Duration::from_secs(10);
        let kept = Retention::Keep { age: Some(ten), count: None, limit: None };
        for end in End::BOTH {
            let worker = end.worker(&scene.queue("q"), kept).start().await.unwrap();
            end.one_job(&scene, None).await;
            scene.clock.advance(ten - Duration::from_millis(1));
            end.one_job(&scene, None).await;
            assert_eq!(end.kept(&scene).await.len(), 2, "not quite ten seconds old");
            scene.clock.advance(Duration::from_millis(1));
            end.one_job(&scene, None).await;
            let ids = end.kept(&scene).await;
            stop(worker).await;
            let first = scene.ask::<u64>(&["GET", "bull:q:id"]).await - 2;
            assert_eq!(ids, [(first + 1).to_string(), (first + 2).to_string()]);
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn age_and_number_work_together(scene: Scene) {
        let kept = Retention::Keep { age: Some(Duration::from_secs(10)), count: Some(3), limit: None };
        for end in End::BOTH {
            let worker = end.worker(&scene.queue("q"), kept).start().await.unwrap();
            for _ in 0..5 {
                end.one_job(&scene, None).await;
                scene.clock.advance(Duration::from_secs(1));
            }
            assert_eq!(end.kept(&scene).await, ["3", "4", "5"]);
            scene.clock.advance(Duration::from_secs(60));
            end.one_job(&scene, None).await;
            assert_eq!(end.kept(&scene).await, ["6"]);
            stop(worker).await;
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn the_limit_bounds_what_one_finish_removes_for_its_age(scene: Scene) {
        let kept = Retention::Keep { age: Some(Duration::from_secs(1)), count: None, limit: Some(1) };
        for end in End::BOTH {
            let worker = end.worker(&scene.queue("q"), kept).start().await.unwrap();
            for _ in 0..3 {
                end.one_job(&scene, Some(Retention::KeepAll)).await;
            }
            scene.clock.advance(Duration::from_secs(60));
            end.one_job(&scene, None).await;
            assert_eq!(end.kept(&scene).await.len(), 3, "four without the one that was removed");
            end.one_job(&scene, None).await;
            assert_eq!(end.kept(&scene).await.len(), 3);
            stop(worker).await;
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn a_jobs_own_option_counts_before_the_workers(scene: Scene) {
        for end in End::BOTH {
            let queue = scene.queue("q");
            let removing = end.worker(&queue, Retention::Remove).start().await.unwrap();
            end.one_job(&scene, Some(Retention::KeepAll)).await;
            end.one_job(&scene, None).await;
            stop(removing).await;
            let keeping = end.worker(&queue, Retention::KeepAll).start().await.unwrap();
            end.one_job(&scene, Some(Retention::Remove)).await;
            let none = Retention::Keep { age: None, count: Some(0), limit: None };
            end.one_job(&scene, Some(none)).await;
            stop(keeping).await;
            assert_eq!(end.kept(&scene).await, ["1"]);
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn log_rows_are_kept_as_the_job_says(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).keep_logs(2).await.unwrap().id;
        let worker = Worker::on(&queue)
            .handle_any(async |_, context| {
                let mut kept = Vec::new();
                for row in ["one", "two", "three\nlines", "ü"] {
                    kept.push(context.log(row).await?);
                }
                Ok(json!(kept))
            })
            .start()
            .await
            .unwrap();
        let record = reaches(&queue, &id, JobState::Completed).await;
        stop(worker).await;
        assert_eq!(record.return_value.as_deref(), Some("[1,2,2,2]"));
        assert_eq!(queue.logs(&id, 0, 10).await.unwrap(), ["three\nlines", "ü"]);
        assert_eq!(queue.job(&id).await.unwrap().unwrap().log_rows, 2);
    }
}
