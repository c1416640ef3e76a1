//! How a worker ends, and what becomes of its jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd::{JobContext, JobState, NewJob, Queue, StopReport, Worker, WorkerBuilder};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

async fn add(queue: &Queue, count: usize) {
    let jobs = (0..count).map(|_| NewJob::new("n", &()).unwrap()).collect();
    for added in queue.add_many(jobs).await.unwrap() {
        added.unwrap();
    }
}

fn held(queue: &Queue, gate: &Gate) -> WorkerBuilder {
    Worker::on(queue).concurrency(3).handle_any(gate.handler())
}

fn report(finished: u64, given_back: u64) -> StopReport {
    StopReport {
        finished,
        given_back,
        unreported: 0,
    }
}

/// What a job given back looks like: as if it had never been taken, but for the count of starts.
async fn assert_untouched(scene: &Scene, id: &str) {
    let hash = scene.hash(&format!("bull:q:{id}")).await;
    for field in [
        "atm",
        "failedReason",
        "stacktrace",
        "returnvalue",
        "finishedOn",
        "stc",
    ] {
        assert!(!hash.contains_key(field), "job {id} has {field}: {hash:?}");
    }
    assert!(!scene.exists(&format!("bull:q:{id}:lock")).await);
    assert!(
        scene
            .events("q")
            .await
            .contains(&format!("waiting jobId {id} prev active"))
    );
}

on_every_store! {
    async fn running_jobs_may_end_and_no_more_are_taken(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 1000).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        gate.until_running(3).await;
        assert!(worker.health().is_taking);
        let stopping = tokio::spawn(worker.stop(PATIENCE));
        gate.open();
        let ended = stopping.await.unwrap();
        // How many it took before it heard of the stop is chance; all that began ended.
        let started = gate.started().len();
        assert_eq!(ended.unreported, 0);
        assert!(ended.finished <= started as u64, "{ended:?} of {started}");
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.active, counts.completed), (0, started as u64));
        assert!(started < 1000);
    }
}

on_every_store! {
    async fn an_idle_worker_ends_at_once(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let worker = held(&queue, &gate).drain_delay(PATIENCE * 10).start().await.unwrap();
        scene.listeners(1).await;
        let ended =
            tokio::time::timeout(PATIENCE, worker.stop(PATIENCE * 10)).await.expect("nothing to wait for");
        assert_eq!(ended, report(0, 0));
    }
}

on_every_store! {
    async fn jobs_that_need_longer_go_back_to_the_front_untouched(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 4).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        gate.until_running(3).await;
        assert_eq!(worker.stop(Duration::from_millis(30)).await, report(0, 3));
        gate.until_running(0).await;
        let line = scene.list("bull:q:wait").await;
        assert_eq!(line[0], "4", "behind those that were taken before: {line:?}");
        assert_eq!(line.len(), 4);
        for id in ["1", "2", "3"] {
            assert_untouched(&scene, id).await;
        }
        assert!(!scene.exists("bull:q:active").await);

        gate.open();
        let heir = held(&queue, &gate).start().await.unwrap();
        let id = oxherd::JobId::existing("1");
        let record = reaches(&queue, &id, JobState::Completed).await;
        assert_eq!((record.attempts_made, record.attempts_started, record.stalled), (1, 2, 0));
        gate.until_started(7).await;
        stop(heir).await;
    }
}

on_every_store! {
    async fn some_end_in_time_and_the_others_go_back(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 3).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        gate.until_running(3).await;
        let stopping = tokio::spawn(worker.stop(Duration::from_millis(300)));
        gate.let_go(2);
        // Two ended, before or after it heard of the stop.
        assert_eq!(stopping.await.unwrap().given_back, 1);
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.waiting, counts.active, counts.completed), (1, 0, 2));
    }
}

on_every_store! {
    async fn stopping_now_tells_the_handlers_and_gives_their_jobs_back(scene: Scene) {
        let queue = scene.queue("q");
        add(&queue, 1).await;
        let (starting, mut starts) = mpsc::unbounded_channel();
        let worker = Worker::on(&queue).handle_any(move |_, context: JobContext| {
            let starting = starting.clone();
            async move {
                starting.send(context.clone())?;
                std::future::pending::<()>().await;
                Ok(Value::Null)
            }
        });
        let worker = worker.start().await.unwrap();
        let context = starts.recv().await.unwrap();
        assert!(!context.is_cancelled());
        assert_eq!(worker.stop_now().await, report(0, 1));
        assert!(context.is_cancelled());
        assert_untouched(&scene, "1").await;
    }
}

on_every_store! {
    async fn a_prioritized_job_goes_back_among_its_own(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        for _ in 0..2 {
            queue.add("n", ()).priority(5).await.unwrap();
        }
        let worker = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        gate.until_running(1).await;
        assert_eq!(worker.stop_now().await, report(0, 1));
        let five: u64 = 5 << 32;
        assert_eq!(
            scene.scores("bull:q:prioritized").await,
            [("1".to_owned(), five), ("2".to_owned(), five + 2)]
        );
        assert_untouched(&scene, "1").await;
    }
}

on_every_store! {
    async fn a_worker_that_is_dropped_gives_its_jobs_back(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 2).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        gate.until_running(2).await;
        drop(worker);
        oxherd_testkit::eventually("its jobs are in line again", PATIENCE, async || {
            scene.list("bull:q:wait").await.len() == 2
        })
        .await;
        gate.until_running(0).await;
        for id in ["1", "2"] {
            assert_untouched(&scene, id).await;
        }
    }
}

on_every_store! {
    async fn a_job_that_can_take_no_cancelling_is_not_reported_after_all(scene: Scene) {
        let queue = scene.queue("q");
        add(&queue, 1).await;
        let (starting, mut starts) = mpsc::unbounded_channel();
        let (ending, mut ends) = mpsc::unbounded_channel();
        let worker = Worker::on(&queue).handle_any(move |_, _| {
            let (starting, ending) = (starting.clone(), ending.clone());
            async move {
                starting.send(())?;
                // Between here and the end is no await at which it could be dropped.
                std::thread::sleep(Duration::from_millis(200));
                ending.send(())?;
                Ok(Value::Null)
            }
        });
        let worker = worker.start().await.unwrap();
        starts.recv().await.unwrap();
        assert_eq!(worker.stop_now().await, report(0, 1));
        ends.recv().await.unwrap();
        // It ran to its end, and yet the job is to be run again: given back is given back.
        let job = queue.job(&oxherd::JobId::existing("1")).await.unwrap().unwrap();
        assert_eq!((job.state, job.record.return_value), (JobState::Waiting, None));
    }
}

on_every_store! {
    async fn a_grace_without_end_is_no_mistake(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 1).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        gate.until_running(1).await;
        let stopping = tokio::spawn(worker.stop(Duration::MAX));
        gate.open();
        let ended = stopping.await.unwrap();
        assert_eq!((ended.given_back, ended.unreported), (0, 0));
        assert_eq!(queue.counts().await.unwrap().completed, 1);
    }
}

on_every_store! {
    async fn a_patient_stop_can_be_hurried(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        for is_stopping in [true, false] {
            add(&queue, 1).await;
            let worker = held(&queue, &gate).start().await.unwrap();
            let hurry = worker.stopper();
            gate.until_running(1).await;
            let stopping = worker.stop(PATIENCE * 10);
            let ended = if is_stopping {
                let stopping = tokio::spawn(stopping);
                hurry.stop_now();
                stopping.await.unwrap()
            } else {
                hurry.stop_now();
                stopping.await
            };
            assert_eq!(ended, report(0, 1));
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store! {
    async fn a_worker_may_run_until_something_happens(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        add(&queue, 5).await;
        let worker = held(&queue, &gate).start().await.unwrap();
        let all_started = gate.until_started(5);
        let ended = worker.run_until(all_started, PATIENCE).await;
        assert_eq!((ended.given_back, ended.unreported), (0, 0));
        assert_eq!(queue.counts().await.unwrap().completed, 5);
    }
}

/// Stops workers at random moments while they work, and lets one worker finish what is left.
/// Returns how often each job ran.
async fn stop_and_go(scene: &Scene, end: impl AsyncFn(Worker)) -> Vec<u32> {
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let queue = scene.queue("q");
    let runs = Arc::new(Mutex::new(BTreeMap::<u64, u32>::new()));
    let jobs = (0..500)
        .map(|number| NewJob::new("n", &number).unwrap())
        .collect();
    for added in queue.add_many(jobs).await.unwrap() {
        added.unwrap();
    }
    let worker = || {
        let runs = Arc::clone(&runs);
        Worker::on(&queue)
            .concurrency(8)
            .handle_any(move |data: Value, _| {
                let runs = Arc::clone(&runs);
                async move {
                    tokio::task::yield_now().await;
                    *runs.lock().unwrap().entry(data.as_u64().unwrap()).or_default() += 1;
                    tokio::task::yield_now().await;
                    Ok(Value::Null)
                }
            })
    };
    for _ in 0..10 {
        let worker = worker().start().await.unwrap();
        // Workers overshoot, so the last of them may find nothing left.
        let target = (runs.lock().unwrap().len() + random.random_range(0..30)).min(500);
        let reached = async || runs.lock().unwrap().len() >= target;
        oxherd_testkit::eventually("some jobs run", PATIENCE, reached).await;
        end(worker).await;
    }
    let heir = worker().start().await.unwrap();
    oxherd_testkit::eventually("all jobs complete", PATIENCE, async || {
        queue.counts().await.unwrap().completed == 500
    })
    .await;
    stop(heir).await;
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.waiting, counts.active, counts.failed), (0, 0, 0));
    for page in 0..5 {
        for job in queue
            .jobs(JobState::Completed, page * 100, 100)
            .await
            .unwrap()
            .jobs
        {
            assert_eq!((job.stalled, job.attempts_made), (0, 1), "job {}", job.id);
        }
    }
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), 500, "every job ran");
    runs.values().copied().collect()
}

on_every_store! {
    async fn nothing_is_lost_when_workers_stop_at_random_moments(scene: Scene) {
        stop_and_go(&scene, async |worker| {
            let report = worker.stop_now().await;
            assert_eq!(report.unreported, 0);
        })
        .await;
    }
}

on_every_store! {
    async fn nothing_runs_twice_when_workers_may_end_their_jobs(scene: Scene) {
        let runs = stop_and_go(&scene, async |worker| {
            // Jobs that came with the last answer go back before they begin.
            let report = worker.stop(PATIENCE).await;
            assert_eq!(report.unreported, 0);
        })
        .await;
        assert!(runs.iter().all(|runs| *runs == 1));
    }
}

on_every_store! {
    async fn nothing_is_lost_when_workers_are_dropped(scene: Scene) {
        let queue = scene.queue("q");
        stop_and_go(&scene, async |worker| {
            drop(worker);
            // The next worker would only share the work with this one until it has given its jobs back.
            oxherd_testkit::eventually("its jobs are given back", PATIENCE, async || {
                queue.counts().await.unwrap().active == 0
            })
            .await;
        })
        .await;
    }
}
