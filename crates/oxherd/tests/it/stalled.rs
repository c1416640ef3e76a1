//! Jobs whose worker went away, and locks that are kept, lost or taken over.
//!
//! Locks and the stalled check live on the server's clock, so these tests use real time, in short portions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oxherd::{JobContext, JobState, Oxherd, Queue, Worker, WorkerBuilder, WorkerEvent};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::gate::Gate;
use crate::scene::{PATIENCE, Scene, on_every_store, reaches, stop};

const LOCK: Duration = Duration::from_millis(200);
const CHECK: Duration = Duration::from_millis(150);

fn quick(worker: WorkerBuilder) -> WorkerBuilder {
    worker.lock_duration(LOCK).stalled_interval(CHECK)
}

/// Takes the next job as a worker that dies at once would: active, without a lock.
async fn orphan(scene: &Scene, id: &str) {
    scene.tell("RPOPLPUSH bull:q:wait bull:q:active").await;
    scene.tell(&format!("HSET bull:q:{id} processedOn 1 ats 1")).await;
    assert_eq!(scene.list("bull:q:active").await[0], id);
}

/// A worker in a runtime of its own, which ends when told, without a word to the worker.
struct Doomed {
    runtime: tokio::runtime::Runtime,
    worker: Worker,
}

impl Doomed {
    fn start(scene: &Scene, gate: &Gate, threads: usize) -> Self {
        let runtime = match threads {
            1 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
            _ => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(threads)
                .enable_all()
                .build(),
        };
        let runtime = runtime.unwrap();
        let start = async {
            let process = scene.other_process().await;
            quick(process.worker("q").unwrap())
                .handle_any(gate.handler())
                .start()
                .await
                .unwrap()
        };
        let worker = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(start)).join().unwrap())
        });
        Self { runtime, worker }
    }
}

on_every_store! {
    async fn a_job_without_a_worker_comes_back_to_the_front_and_runs_again(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        queue.add("n", ()).await.unwrap();
        orphan(&scene, "1").await;
        // Nobody takes it again before the test has looked.
        queue.pause().await.unwrap();
        let gate = Gate::opened();
        let worker = quick(Worker::on(&queue)).handle_any(gate.handler()).start().await.unwrap();
        let mut events = worker.events();
        let stalled = async { while events.next().await != Some(WorkerEvent::Stalled { id: id.clone() }) {} };
        tokio::time::timeout(PATIENCE, stalled).await.expect("the worker tells of the stalled job");
        assert_eq!(scene.list("bull:q:wait").await, ["2", "1"]);
        assert!(!scene.exists("bull:q:active").await);
        let record = queue.job(&id).await.unwrap().unwrap().record;
        assert_eq!((record.stalled, record.attempts_made, record.attempts_started), (1, 0, 1));
        assert_eq!(scene.events("q").await[5..], ["waiting jobId 1 prev active", "stalled jobId 1"]);

        queue.resume().await.unwrap();
        let record = reaches(&queue, &id, JobState::Completed).await;
        assert_eq!((record.stalled, record.attempts_made, record.attempts_started), (1, 1, 2));
        gate.until_started(2).await;
        stop(worker).await;
        assert_eq!(gate.started(), ["1", "2"]);
        assert!(!scene.exists("bull:q:stalled").await);
    }
}

on_every_store! {
    async fn a_stalled_prioritized_job_is_the_first_of_its_priority(scene: Scene) {
        let queue = scene.queue("q");
        for _ in 0..2 {
            queue.add("n", ()).priority(3).await.unwrap();
        }
        scene.tell("ZREM bull:q:prioritized 1").await;
        scene.tell("LPUSH bull:q:active 1").await;
        queue.pause().await.unwrap();
        let worker =
            quick(Worker::on(&queue)).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
        oxherd_testkit::eventually("the job is back in line", PATIENCE, async || {
            scene.scores("bull:q:prioritized").await.len() == 2
        })
        .await;
        stop(worker).await;
        let three: u64 = 3 << 32;
        assert_eq!(
            scene.scores("bull:q:prioritized").await,
            [("1".to_owned(), three), ("2".to_owned(), three + 2)]
        );
    }
}

on_every_store! {
    async fn a_job_that_stalls_too_often_fails_without_running(scene: Scene) {
        let queue = scene.queue("q");
        for (max_stalled, stalls_before) in [(1, 1), (0, 0), (3, 3)] {
            scene.tell("FLUSHALL").await;
            let id = queue.add("n", ()).attempts(5).await.unwrap().id;
            orphan(&scene, "1").await;
            scene.tell(&format!("HSET bull:q:1 stc {stalls_before}")).await;
            let gate = Gate::opened();
            let worker = quick(Worker::on(&queue))
                .max_stalled(max_stalled)
                .handle_any(gate.handler())
                .start()
                .await
                .unwrap();
            let record = reaches(&queue, &id, JobState::Failed).await;
            stop(worker).await;
            assert!(gate.started().is_empty());
            assert_eq!(record.failed_reason.as_deref(), Some("job stalled more than allowable limit"));
            assert_eq!(
                (record.stalled, record.attempts_made, record.attempts_started),
                (stalls_before + 1, 1, 2)
            );
            assert!(!scene.hash("bull:q:1").await.contains_key("defa"));
            assert_eq!(
                scene.events("q").await[2..],
                [
                    "waiting jobId 1 prev active",
                    "stalled jobId 1",
                    "active jobId 1 prev waiting",
                    "failed jobId 1 failedReason job stalled more than allowable limit prev active",
                    "drained",
                ]
            );
        }
    }
}

on_every_store! {
    async fn a_job_may_stall_as_often_as_the_worker_allows(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        orphan(&scene, "1").await;
        scene.tell("HSET bull:q:1 stc 1").await;
        let worker = quick(Worker::on(&queue)).max_stalled(2).handle_any(async |_, _| Ok(Value::Null));
        let worker = worker.start().await.unwrap();
        assert_eq!(reaches(&queue, &id, JobState::Completed).await.stalled, 2);
        stop(worker).await;
    }
}

on_every_store! {
    async fn the_jobs_of_a_runtime_that_ended_run_elsewhere(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let gate = Gate::closed();
        let doomed = Doomed::start(&scene, &gate, 2);
        gate.until_running(1).await;
        doomed.runtime.shutdown_background();
        drop(doomed.worker);
        gate.until_running(0).await;

        gate.open();
        let heir = quick(Worker::on(&queue)).handle_any(gate.handler()).start().await.unwrap();
        let record = reaches(&queue, &id, JobState::Completed).await;
        stop(heir).await;
        assert_eq!((record.stalled, record.attempts_made, record.attempts_started), (1, 1, 2));
    }
}

on_every_store! {
    async fn no_lock_is_kept_for_a_runtime_that_ended(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let gate = Gate::closed();
        let doomed = Doomed::start(&scene, &gate, 2);
        gate.until_running(1).await;
        doomed.runtime.shutdown_background();
        gate.open();
        let heir = quick(Worker::on(&queue)).handle_any(gate.handler()).start().await.unwrap();
        reaches(&queue, &id, JobState::Completed).await;
        stop(heir).await;
        // Whoever still holds the handle of the dead worker keeps nothing alive with it.
        drop(doomed.worker);
    }
}

on_every_store! {
    async fn a_handler_that_blocks_its_thread_keeps_its_lock(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let runs = Arc::new(AtomicU32::new(0));
        let (ended, mut has_ended) = mpsc::unbounded_channel();
        let process = scene.other_process().await;
        let handler = {
            let runs = Arc::clone(&runs);
            move |_: Value, _: JobContext| {
                runs.fetch_add(1, Ordering::SeqCst);
                let ended = ended.clone();
                async move {
                    // Five times as long as the lock lasts, on the only thread of its runtime.
                    std::thread::sleep(5 * LOCK);
                    ended.send(())?;
                    Ok(Value::Null)
                }
            }
        };
        let blocked = std::thread::spawn({
            let handler = handler.clone();
            move || block_on_one_thread(&process, handler)
        });
        oxherd_testkit::eventually("the job runs", PATIENCE, async || runs.load(Ordering::SeqCst) == 1).await;
        let vulture = quick(Worker::on(&queue)).handle_any(handler).start().await.unwrap();
        has_ended.recv().await.unwrap();
        let record = reaches(&queue, &id, JobState::Completed).await;
        stop(vulture).await;
        blocked.join().unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!((record.stalled, record.attempts_started), (0, 1));
    }
}

/// A worker whose handlers have one thread for everything, until its queue is empty.
fn block_on_one_thread<F, Fut>(process: &Oxherd, handler: F)
where
    F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = oxherd::Outcome<Value>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let worker = quick(process.worker("q").unwrap())
            .handle_any(handler)
            .start()
            .await
            .unwrap();
        let mut events = worker.events();
        while !matches!(events.next().await, Some(WorkerEvent::Completed { .. })) {}
        stop(worker).await;
    });
}

/// A worker whose handler says when it was cancelled and then ends well.
async fn obedient(queue: &Queue) -> (Worker, mpsc::UnboundedReceiver<()>, mpsc::UnboundedReceiver<()>) {
    let (starting, starts) = mpsc::unbounded_channel();
    let (obeying, obeys) = mpsc::unbounded_channel();
    let worker = quick(Worker::on(queue)).handle_any(move |_, context: JobContext| {
        let (starting, obeying) = (starting.clone(), obeying.clone());
        async move {
            starting.send(())?;
            context.cancelled().await;
            assert!(context.is_cancelled());
            obeying.send(())?;
            Ok(Value::Null)
        }
    });
    (worker.start().await.unwrap(), starts, obeys)
}

/// Makes a running job look as if another worker took it over.
async fn take_over(scene: &Scene, has_lock: bool) {
    if has_lock {
        scene.tell("SET bull:q:1:lock another:1 PX 3600000").await;
    } else {
        // The other one started the job, and its lock expired too.
        scene.tell("HINCRBY bull:q:1 ats 1").await;
        scene.tell("DEL bull:q:1:lock").await;
    }
}

on_every_store! {
    async fn a_handler_whose_job_another_worker_took_is_cancelled_and_its_outcome_ignored(scene: Scene) {
        let queue = scene.queue("q");
        for has_lock in [true, false] {
            scene.tell("FLUSHALL").await;
            let id = queue.add("n", ()).await.unwrap().id;
            let (worker, mut starts, mut obeys) = obedient(&queue).await;
            let mut events = worker.events();
            starts.recv().await.unwrap();
            // Nobody else brings the job back.
            scene.tell("SET bull:q:stalled-check 1 PX 3600000").await;
            take_over(&scene, has_lock).await;
            tokio::time::timeout(PATIENCE, obeys.recv()).await.expect("the handler is told to end").unwrap();
            oxherd_testkit::eventually("its place is free", PATIENCE, async || worker.health().running == 0)
                .await;
            stop(worker).await;

            let mut lost = 0;
            while let Some(event) = events.next().await {
                assert!(!matches!(event, WorkerEvent::Completed { .. }), "{event:?}");
                lost += u32::from(event == WorkerEvent::LockLost { id: id.clone() });
            }
            assert_eq!(lost, 1, "said once");
            let job = queue.job(&id).await.unwrap().unwrap();
            assert_eq!((job.state, job.record.attempts_made), (JobState::Active, 0));
            assert_eq!(job.record.return_value, None);
            assert_eq!(scene.exists("bull:q:1:lock").await, has_lock);
        }
    }
}

on_every_store! {
    async fn a_lock_that_only_expired_is_taken_again(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        let gate = Gate::closed();
        let worker = quick(Worker::on(&queue)).handle_any(gate.handler()).start().await.unwrap();
        gate.until_running(1).await;
        scene.tell("SET bull:q:stalled-check 1 PX 3600000").await;
        scene.tell("DEL bull:q:1:lock").await;
        oxherd_testkit::eventually("the lock is taken again", PATIENCE, async || {
            scene.exists("bull:q:1:lock").await
        })
        .await;
        gate.open();
        let record = reaches(&queue, &id, JobState::Completed).await;
        assert_eq!((record.attempts_made, record.attempts_started), (1, 1));
        stop(worker).await;
    }
}

on_every_store! {
    async fn one_worker_checks_for_all_within_an_interval(scene: Scene) {
        let queue = scene.queue("q");
        let id = queue.add("n", ()).await.unwrap().id;
        orphan(&scene, "1").await;
        // Somebody checked just now; and the job was active then already.
        scene.tell("SET bull:q:stalled-check 1 PX 600").await;
        scene.tell("SADD bull:q:stalled 1").await;
        let started = std::time::Instant::now();
        let worker =
            quick(Worker::on(&queue)).handle_any(async |_, _| Ok(Value::Null)).start().await.unwrap();
        reaches(&queue, &id, JobState::Completed).await;
        assert!(started.elapsed() >= Duration::from_millis(590), "{:?}", started.elapsed());
        stop(worker).await;
    }
}
