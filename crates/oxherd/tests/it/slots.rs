//! Which jobs run, in which order, how many at a time, and how soon.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd::{Job, JobState, NewJob, Worker, WorkerEvent};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, on_every_store, reaches, stop};

/// Longer than any test runs: who needs a look after the drain delay is too late.
const NEVER: Duration = Duration::from_secs(600);

on_every_store! {
    async fn no_more_jobs_run_than_the_worker_allows(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let jobs = (0..20).map(|_| NewJob::new("n", &()).unwrap()).collect();
        queue.add_many(jobs).await.unwrap();
        let worker = Worker::on(&queue).concurrency(3).handle_any(gate.handler()).start().await.unwrap();
        gate.until_running(3).await;
        assert_eq!((worker.health().concurrency, worker.health().running), (3, 3));

        // More at once, without waiting for one to end.
        worker.set_concurrency(5);
        gate.until_running(5).await;

        // Fewer: those that run may end, and nothing follows until one place is free.
        worker.set_concurrency(1);
        gate.let_go(4);
        gate.until_running(1).await;
        assert_eq!(gate.started().len(), 5);
        gate.let_go(1);
        gate.until_started(6).await;
        assert_eq!((gate.running(), gate.most()), (1, 5));

        // None: a worker that rests.
        worker.set_concurrency(0);
        gate.let_go(1);
        gate.until_running(0).await;
        assert_eq!(gate.started().len(), 6);
        worker.set_concurrency(2);
        gate.open();
        gate.until_started(20).await;
        stop(worker).await;
        assert_eq!(gate.most(), 5);
        assert_eq!(queue.counts().await.unwrap().completed, 20);
    }
}

on_every_store! {
    async fn hundreds_of_jobs_may_run_at_once(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        let jobs = (0..400).map(|_| NewJob::new("n", &()).unwrap()).collect();
        queue.add_many(jobs).await.unwrap();
        let worker = Worker::on(&queue).concurrency(300).handle_any(gate.handler()).start().await.unwrap();
        gate.until_running(300).await;
        gate.open();
        gate.until_started(400).await;
        stop(worker).await;
        assert_eq!(gate.most(), 300);
        assert_eq!(queue.counts().await.unwrap().completed, 400);
    }
}

on_every_store! {
    async fn jobs_run_in_line_and_the_prioritized_ones_after_all_others(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        queue.add("n", ()).priority(9).await.unwrap();
        queue.add("n", ()).priority(2).await.unwrap();
        queue.add("n", ()).await.unwrap();
        queue.add("n", ()).priority(2).await.unwrap();
        queue.add("n", ()).await.unwrap();
        queue.add("n", ()).lifo().await.unwrap();
        queue.add("n", ()).lifo().await.unwrap();
        let worker = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        // Who finds no prioritized job lets the counter begin anew.
        oxherd_testkit::eventually("the counter is gone", PATIENCE, async || {
            gate.started().len() == 7 && !scene.exists("bull:q:pc").await
        })
        .await;
        stop(worker).await;
        assert_eq!(gate.started(), ["7", "6", "3", "5", "2", "4", "1"]);
    }
}

on_every_store! {
    async fn a_delayed_job_runs_when_its_time_comes_and_not_before(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let worker = Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start().await.unwrap();
        scene.listeners(1).await;
        let minute = Duration::from_secs(60);
        let late = queue.add("n", ()).delay(2 * minute).await.unwrap().id;
        let soon = queue.add("n", ()).delay(minute).await.unwrap().id;
        scene.clock.advance(minute - Duration::from_millis(1));
        // The worker has looked: this job came after.
        let now = queue.add("n", ()).await.unwrap().id;
        reaches(&queue, &now, JobState::Completed).await;
        assert_eq!(queue.job(&soon).await.unwrap().unwrap().state, JobState::Delayed);

        scene.clock.advance(Duration::from_millis(1));
        let record = reaches(&queue, &soon, JobState::Completed).await;
        assert_eq!((record.delay, record.options.delay), (Duration::ZERO, Some(minute)));
        assert_eq!(record.processed_on, Some(scene.now()));
        assert_eq!(queue.job(&late).await.unwrap().unwrap().state, JobState::Delayed);
        scene.clock.advance(minute);
        reaches(&queue, &late, JobState::Completed).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["3", "2", "1"]);
    }
}

on_every_store! {
    async fn an_earlier_delayed_job_is_not_kept_waiting_by_a_later_one(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let hour = Duration::from_secs(3600);
        queue.add("n", ()).delay(hour).await.unwrap();
        let worker = Worker::on(&queue).drain_delay(NEVER).handle_any(gate.handler()).start().await.unwrap();
        // It knows of the late one and listens on.
        scene.listeners(1).await;
        queue.add("n", ()).delay(hour / 2).await.unwrap();
        scene.clock.advance(hour / 2);
        gate.until_started(1).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["2"]);
    }
}

on_every_store! {
    async fn due_jobs_come_in_by_time_and_by_priority(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let second = Duration::from_secs(1);
        queue.add("n", ()).delay(3 * second).await.unwrap();
        queue.add("n", ()).delay(2 * second).priority(5).await.unwrap();
        queue.add("n", ()).delay(second).await.unwrap();
        queue.add("n", ()).delay(3 * second).lifo().await.unwrap();
        scene.clock.advance(3 * second);
        let worker = Worker::on(&queue).handle_any(gate.handler()).start().await.unwrap();
        gate.until_started(4).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["3", "1", "4", "2"]);
        assert_eq!(
            scene.events("q").await[8..12],
            [
                "waiting jobId 3 prev delayed",
                "waiting jobId 2 prev delayed",
                "waiting jobId 1 prev delayed",
                "waiting jobId 4 prev delayed",
            ]
        );
    }
}

on_every_store! {
    async fn two_workers_share_two_thousand_jobs_and_run_each_once(scene: Scene) {
        let queue = scene.queue("q");
        let runs = Arc::new(Mutex::new(BTreeMap::<u64, u32>::new()));
        let mut workers = Vec::new();
        for name in ["one", "two"] {
            let process = scene.other_process().await;
            let worker = process.worker("q").unwrap().name(name).concurrency(7).handle_any({
                let runs = Arc::clone(&runs);
                move |data: Value, _| {
                    let runs = Arc::clone(&runs);
                    async move {
                        *runs.lock().unwrap().entry(data.as_u64().unwrap()).or_default() += 1;
                        tokio::task::yield_now().await;
                        Ok(Value::Null)
                    }
                }
            });
            workers.push(worker.start().await.unwrap());
        }
        let jobs = (0..2000).map(|number| NewJob::new("n", &number).unwrap()).collect();
        for added in queue.add_many(jobs).await.unwrap() {
            added.unwrap();
        }
        oxherd_testkit::eventually("all jobs complete", PATIENCE, async || {
            queue.counts().await.unwrap().completed == 2000
        })
        .await;
        for worker in workers {
            stop(worker).await;
        }
        {
            let runs = runs.lock().unwrap();
            assert_eq!(runs.len(), 2000);
            assert!(runs.values().all(|runs| *runs == 1));
        }
        let jobs = queue.jobs(JobState::Completed, 0, 1000).await.unwrap().jobs;
        let by_one = jobs.iter().filter(|job| job.processed_by.as_deref() == Some("one")).count();
        assert!((1..1000).contains(&by_one), "both took part: {by_one} of 1000");
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Greet;

impl Job for Greet {
    const QUEUE: &'static str = "q";
    const NAME: &'static str = "greet";
    type Output = ();
}

on_every_store! {
    async fn a_worker_tells_its_process_what_happens(scene: Scene) {
        let queue = scene.queue("q");
        let worker = Worker::on(&queue)
            .handle(async |_: Greet, _| Ok(()))
            .handle_json("fail", async |_, _| Err(oxherd::Stop::retry("boom")))
            .handle_json("later", async |_, _| Err(oxherd::Stop::delay_for(NEVER)))
            .start()
            .await
            .unwrap();
        scene.listeners(1).await;
        let mut events = worker.events();
        queue.enqueue(&Greet).await.unwrap();
        queue.add("fail", ()).attempts(2).await.unwrap();
        queue.add("later", json!(1)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 8 {
            let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("another event").unwrap();
            seen.push(match event {
                WorkerEvent::Active { id, name, attempt } => format!("{id} {name} active {attempt}"),
                WorkerEvent::Completed { id, name, waited, .. } => {
                    assert_eq!(waited, Some(Duration::ZERO), "the clock stands still");
                    format!("{id} {name} completed")
                }
                WorkerEvent::Failed { id, name, reason, is_final, waited, .. } => {
                    assert_eq!(waited.is_some(), !is_final, "only the first attempt's wait is known");
                    format!("{id} {name} failed {reason} {is_final}")
                }
                WorkerEvent::Returned { id, name } => format!("{id} {name} returned"),
                WorkerEvent::Idle => continue,
                other => panic!("{other:?}"),
            });
        }
        stop(worker).await;
        while let Some(event) = events.next().await {
            assert_eq!(event, WorkerEvent::Idle);
        }
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                "1 greet active 1",
                "1 greet completed",
                "2 fail active 1",
                "2 fail active 2",
                "2 fail failed boom false",
                "2 fail failed boom true",
                "3 later active 1",
                "3 later returned",
            ]
        );
    }
}
