//! What holds a whole queue back: rate limits, the global concurrency, a pause. And what is counted.

use std::time::{Duration, Instant};

use oxherd::{NewJob, Queue, Retention, Stop, Worker, WorkerBuilder, WorkerEvent, WorkerEvents};
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, stop};

const HOUR: Duration = Duration::from_secs(3600);

async fn add(queue: &Queue, count: usize) {
    let jobs = (0..count).map(|_| NewJob::new("n", &()).unwrap()).collect();
    for added in queue.add_many(jobs).await.unwrap() {
        added.unwrap();
    }
}

fn passing(queue: &Queue, gate: &Gate) -> WorkerBuilder {
    Worker::on(queue).concurrency(10).handle_any(gate.handler())
}

/// Waits until a worker has looked for work in vain so many times.
async fn idle(events: &mut WorkerEvents, times: usize) {
    for _ in 0..times {
        let next = async { while events.next().await != Some(WorkerEvent::Idle) {} };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("the worker looks for work");
    }
}

/// A new worker looks for work and finds none it may take.
async fn finds_nothing(worker: WorkerBuilder) {
    let worker = worker.start().await.unwrap();
    oxherd_testkit::eventually("the worker looks for work", PATIENCE, async || {
        worker.health().last_exchange.is_some()
    })
    .await;
    let report = worker.stop_now().await;
    assert_eq!((report.finished, report.given_back), (0, 0));
}

async fn limiter(scene: &Scene) -> (u64, u64) {
    (
        scene.ask(&["GET", "bull:q:limiter"]).await,
        scene.ask(&["PTTL", "bull:q:limiter"]).await,
    )
}

on_every_store! {
    async fn no_more_jobs_start_in_a_window_than_the_limit_allows(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        add(&queue, 5).await;
        let worker = passing(&queue, &gate).limiter(2, HOUR).start().await.unwrap();
        gate.until_started(2).await;
        stop(worker).await;
        let (started, remaining) = limiter(&scene).await;
        assert_eq!(started, 2);
        assert!((1..=3_600_000).contains(&remaining), "{remaining}");
        finds_nothing(passing(&queue, &gate).limiter(2, HOUR)).await;
        let mut first = gate.started();
        first.sort_unstable();
        assert_eq!(first, ["1", "2"]);
        assert!(!scene.event_names("q").await.contains(&"drained".to_owned()));

        // A window that ended lets the next ones in.
        scene.tell("DEL bull:q:limiter").await;
        let worker = passing(&queue, &gate).limiter(2, HOUR).start().await.unwrap();
        gate.until_started(4).await;
        stop(worker).await;
        assert_eq!(gate.started().len(), 4);
    }
}

on_every_store! {
    async fn a_limited_worker_goes_on_by_itself_in_the_next_window(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        add(&queue, 5).await;
        let window = Duration::from_millis(150);
        let started = Instant::now();
        let worker = passing(&queue, &gate).limiter(2, window).drain_delay(HOUR).start().await.unwrap();
        gate.until_started(5).await;
        // Two in the first window, two in the second, one in the third.
        assert!(started.elapsed() >= 2 * window - Duration::from_millis(5), "{:?}", started.elapsed());
        stop(worker).await;
    }
}

on_every_store! {
    async fn the_limit_holds_over_all_workers_of_the_queue(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        let mut workers = Vec::new();
        for _ in 0..3 {
            let process = scene.other_process().await;
            let worker =
                process.worker("q").unwrap().concurrency(5).limiter(4, HOUR).handle_any(gate.handler());
            workers.push(worker.start().await.unwrap());
        }
        add(&queue, 20).await;
        gate.until_started(4).await;
        for worker in workers {
            stop(worker).await;
        }
        assert_eq!(gate.started().len(), 4);
        assert_eq!(limiter(&scene).await.0, 4);
    }
}

on_every_store! {
    async fn a_queues_own_limit_counts_before_the_workers(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        add(&queue, 9).await;
        scene.tell("HSET bull:q:meta max 3 duration 3600000").await;
        let worker = passing(&queue, &gate).start().await.unwrap();
        gate.until_started(3).await;
        stop(worker).await;
        let (started, remaining) = limiter(&scene).await;
        assert_eq!(started, 3);
        assert!((1..=3_600_000).contains(&remaining), "{remaining}");
        finds_nothing(passing(&queue, &gate).limiter(7, HOUR)).await;
        assert_eq!(gate.started().len(), 3);
    }
}

on_every_store! {
    async fn a_retried_job_counts_again(scene: Scene) {
        let queue = scene.queue("q");
        queue.add("n", ()).attempts(5).await.unwrap();
        let worker = Worker::on(&queue)
            .limiter(2, HOUR)
            .handle_any(async |_, _| Err(Stop::retry("boom")))
            .start()
            .await
            .unwrap();
        oxherd_testkit::eventually("two attempts are made", PATIENCE, async || {
            scene.hash("bull:q:1").await.get("atm").is_some_and(|made| made == "2")
        })
        .await;
        stop(worker).await;
        assert_eq!(limiter(&scene).await.0, 2);
        assert_eq!(scene.hash("bull:q:1").await["ats"], "2");
    }
}

on_every_store! {
    async fn the_global_concurrency_holds_over_all_workers(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        scene.tell("HSET bull:q:meta concurrency 2").await;
        add(&queue, 12).await;
        let mut workers = Vec::new();
        for _ in 0..2 {
            let process = scene.other_process().await;
            workers.push(
                process.worker("q").unwrap().concurrency(5).handle_any(gate.handler()).start().await.unwrap(),
            );
        }
        gate.until_running(2).await;
        finds_nothing(passing(&queue, &gate)).await;
        assert_eq!(queue.counts().await.unwrap().active, 2);
        gate.open();
        gate.until_started(12).await;
        for worker in workers {
            stop(worker).await;
        }
        assert_eq!(gate.most(), 2);
    }
}

on_every_store! {
    async fn a_paused_queue_is_left_alone_until_it_is_resumed(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::closed();
        add(&queue, 2).await;
        let worker = Worker::on(&queue)
            .drain_delay(Duration::from_millis(50))
            .handle_any(gate.handler())
            .start()
            .await
            .unwrap();
        let mut events = worker.events();
        gate.until_running(1).await;
        queue.pause().await.unwrap();
        queue.pause().await.unwrap();
        assert!(queue.counts().await.unwrap().paused);
        queue.add("n", ()).priority(1).await.unwrap();
        // What runs may end; nothing follows, however often the worker looks.
        gate.open();
        gate.until_running(0).await;
        idle(&mut events, 3).await;
        assert_eq!(gate.started(), ["1"]);
        assert!(!scene.exists("bull:q:marker").await);
        let names = scene.event_names("q").await;
        assert_eq!(names.iter().filter(|name| *name == "paused").count(), 2);
        assert!(!names.contains(&"drained".to_owned()));

        queue.resume().await.unwrap();
        assert!(!queue.counts().await.unwrap().paused);
        gate.until_started(3).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["1", "2", "3"]);
    }
}

on_every_store! {
    async fn resuming_wakes_an_idle_worker(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        queue.pause().await.unwrap();
        let worker = passing(&queue, &gate).drain_delay(HOUR).start().await.unwrap();
        scene.listeners(1).await;
        queue.add("n", ()).await.unwrap();
        queue.resume().await.unwrap();
        gate.until_started(1).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn due_jobs_of_a_paused_queue_come_in_line_and_wait(scene: Scene) {
        let queue = scene.queue("q");
        let gate = Gate::opened();
        queue.add("n", ()).delay(HOUR).await.unwrap();
        queue.pause().await.unwrap();
        scene.clock.advance(HOUR);
        let worker = passing(&queue, &gate).drain_delay(HOUR).start().await.unwrap();
        oxherd_testkit::eventually("the job is in line", PATIENCE, async || {
            queue.counts().await.unwrap().waiting == 1
        })
        .await;
        assert!(gate.started().is_empty());
        queue.resume().await.unwrap();
        gate.until_started(1).await;
        stop(worker).await;
    }
}

on_every_store! {
    async fn finished_jobs_are_counted_minute_by_minute(scene: Scene) {
        let queue = scene.queue("q");
        let worker = Worker::on(&queue)
            .metrics(10)
            .remove_on_complete(Retention::Remove)
            .handle_any(
                async |data: Value, _| if data == json!("fail") { Err(Stop::fail("boom")) } else { Ok(data) },
            )
            .start()
            .await
            .unwrap();
        let finish = async |data: &str, state: &str, total: u64| {
            queue.add("n", data).await.unwrap();
            oxherd_testkit::eventually("the job is counted", PATIENCE, async || {
                let key = format!("bull:q:metrics:{state}");
                scene.hash(&key).await.get("count") == Some(&total.to_string())
            })
            .await;
        };
        let start = scene.now().as_millis().to_string();
        finish("done", "completed", 1).await;
        let metrics = scene.hash("bull:q:metrics:completed").await;
        assert_eq!((&metrics["prevTS"], &*metrics["prevCount"]), (&start, "0"));
        finish("done", "completed", 2).await;
        assert!(!scene.exists("bull:q:metrics:completed:data").await);
        scene.clock.advance(Duration::from_secs(180));
        finish("done", "completed", 3).await;
        // Newest first: the two jobs before, then two minutes without any.
        assert_eq!(scene.list("bull:q:metrics:completed:data").await, ["0", "0", "2"]);
        let metrics = scene.hash("bull:q:metrics:completed").await;
        assert_eq!((&metrics["prevTS"], &*metrics["prevCount"]), (&scene.now().as_millis().to_string(), "2"));
        scene.clock.advance(HOUR);
        finish("done", "completed", 4).await;
        assert_eq!(
            scene.list("bull:q:metrics:completed:data").await.len(),
            10,
            "no more points than asked for"
        );
        finish("fail", "failed", 1).await;
        stop(worker).await;
        let counts = queue.counts().await.unwrap();
        assert_eq!((counts.completed_total, counts.failed_total), (Some(4), Some(1)));
        assert_eq!((counts.completed, counts.failed), (0, 1));
    }
}
