//! Replies lost on the way: the store did what it was asked, and nobody was told.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oxherd::{Error, JobId, JobState, NewJob, Oxherd, Queue, Worker};
use oxherd_testkit::{FaultProxy, RedisServer, contains, eventually};
use serde_json::Value;

use crate::gate::Gate;
use crate::scene::{PATIENCE, reaches, stop};

const MINUTE: Duration = Duration::from_secs(60);

struct Lossy {
    _server: RedisServer,
    proxy: FaultProxy,
    steady: Queue,
    far: Queue,
}

impl Lossy {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        let steady = Oxherd::connect(&server.url()).await.unwrap().queue("q").unwrap();
        let far = Oxherd::connect(&proxy.url()).await.unwrap().queue("q").unwrap();
        // Both have introduced the queue, and the server knows the script.
        for queue in [&steady, &far] {
            let id = queue.add("n", ()).await.unwrap().id;
            queue.remove(&id).await.unwrap();
        }
        Self {
            _server: server,
            proxy,
            steady,
            far,
        }
    }

    /// Loses the reply to the next script call of the far side.
    fn lose_next(&self) {
        self.proxy.lose_next_reply_where(contains("EVALSHA"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_without_an_id_says_that_it_does_not_know() {
    let lossy = Lossy::new().await;
    lossy.lose_next();
    let error = lossy.far.add("n", ()).await.unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{error}");
    assert!(error.is_store_unavailable());
    assert!(error.to_string().contains("give jobs an id"), "{error}");
    assert_eq!(lossy.proxy.lost_replies(), 1);
    assert_eq!(lossy.steady.counts().await.unwrap().waiting, 1, "not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_adds_without_ids_each_say_that_they_do_not_know() {
    let lossy = Lossy::new().await;
    lossy.lose_next();
    let jobs = (0..120).map(|_| NewJob::new("n", &()).unwrap()).collect();
    let results = lossy.far.add_many(jobs).await.unwrap();
    assert_eq!(results.len(), 120);
    for result in results {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{error}");
    }
    assert!(lossy.steady.counts().await.unwrap().waiting <= 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_add_with_an_id_is_repeated_and_adds_one_job() {
    let lossy = Lossy::new().await;
    lossy.lose_next();
    let added = lossy.far.add("n", 1).id("abc").await.unwrap();
    assert_eq!(added.id.as_str(), "abc");
    assert_eq!(lossy.proxy.lost_replies(), 1);
    assert_eq!(lossy.steady.counts().await.unwrap().waiting, 1);

    lossy.lose_next();
    let with_id = |number: u32| {
        let mut job = NewJob::new("n", &number).unwrap();
        job.options.job_id = Some(format!("job-{number}").parse().unwrap());
        job
    };
    for added in lossy.far.add_many((0..120).map(with_id).collect()).await.unwrap() {
        added.unwrap();
    }
    assert_eq!(lossy.proxy.lost_replies(), 2);
    assert_eq!(lossy.steady.counts().await.unwrap().waiting, 121);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_and_pausing_are_simply_repeated() {
    let lossy = Lossy::new().await;
    let id = lossy.far.add("n", ()).await.unwrap().id;
    lossy.lose_next();
    assert_eq!(lossy.far.counts().await.unwrap().waiting, 1);
    lossy.lose_next();
    assert_eq!(
        lossy.far.job(&id).await.unwrap().unwrap().state,
        JobState::Waiting
    );
    lossy.lose_next();
    assert_eq!(lossy.far.jobs(JobState::Waiting, 0, 9).await.unwrap().total, 1);
    lossy.lose_next();
    lossy.far.pause().await.unwrap();
    lossy.lose_next();
    lossy.far.resume().await.unwrap();
    assert_eq!(lossy.proxy.lost_replies(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_a_job_are_made_once_whatever_is_answered() {
    let lossy = Lossy::new().await;
    let delayed = lossy.far.add("n", ()).delay(MINUTE).await.unwrap().id;
    lossy.lose_next();
    let promoted = lossy.far.promote(&delayed).await;
    // The repeated call finds its own work done; it may say so, but not that the store is away.
    assert!(
        matches!(promoted, Ok(()) | Err(Error::JobState { .. })),
        "{promoted:?}"
    );
    assert_eq!(lossy.steady.counts().await.unwrap().waiting, 1);
    lossy.lose_next();
    let removed = lossy.far.remove(&delayed).await;
    assert!(
        matches!(removed, Ok(_) | Err(Error::JobNotFound { .. })),
        "{removed:?}"
    );
    assert!(lossy.steady.job(&delayed).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handlers_own_calls_know_what_a_repetition_does() {
    let lossy = Lossy::new().await;
    let id = lossy.steady.add("n", ()).await.unwrap().id;
    let gate = Gate::closed();
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let worker = Worker::on(&lossy.far).handle_any({
        let gate = gate.clone();
        move |_, context| {
            let (gate, tell) = (gate.clone(), tell.clone());
            async move {
                // The server knows both scripts: what gets lost is the answer of one that ran.
                context.progress(&0).await?;
                context.log("first").await?;
                gate.pass(&context).await;
                tell.send(context.progress(&7).await).await?;
                gate.pass(&context).await;
                tell.send(context.log("row").await.map(drop)).await?;
                Ok(Value::Null)
            }
        }
    });
    let worker = worker.start().await.unwrap();
    gate.until_started(1).await;
    // Of the calls the worker makes meanwhile none is this script: only the handler reports progress.
    lossy.proxy.lose_next_reply_where(contains("$1\r\n7\r\n"));
    gate.let_go(1);
    told.recv().await.unwrap().unwrap();
    gate.until_started(2).await;
    lossy.proxy.lose_next_reply_where(contains("$3\r\nrow\r\n"));
    gate.let_go(1);
    let error = told.recv().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{error}");
    // What helps those who add jobs is of no use here.
    assert!(
        error
            .to_string()
            .ends_with("it may have been done: look before repeating it"),
        "{error}"
    );
    let record = reaches(&lossy.steady, &id, JobState::Completed).await;
    assert_eq!(record.progress, Some(7.into()));
    assert_eq!(lossy.steady.logs(&id, 0, 10).await.unwrap(), ["first", "row"]);
    assert_eq!(lossy.proxy.lost_replies(), 2);
    stop(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_lost_on_the_way_to_an_idle_worker_does_not_keep_the_job_waiting() {
    let lossy = Lossy::new().await;
    let gate = Gate::opened();
    let worker = Worker::on(&lossy.far)
        .drain_delay(10 * MINUTE)
        .handle_any(gate.handler())
        .start()
        .await
        .unwrap();
    for round in 1..=5 {
        lossy.proxy.lose_next_reply_where(contains("BZPOPMIN"));
        lossy.steady.add("n", ()).await.unwrap();
        gate.until_started(round).await;
    }
    stop(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_keeps_its_lock_although_replies_are_lost() {
    let lossy = Lossy::new().await;
    let seed = rand::random();
    println!("seed {seed}");
    let gate = Gate::closed();
    let id = lossy.steady.add("n", ()).await.unwrap().id;
    let lock = Duration::from_secs(2);
    let quick = |queue: &Queue| {
        Worker::on(queue)
            .lock_duration(lock)
            .stalled_interval(Duration::from_millis(100))
            .handle_any(gate.handler())
    };
    let worker = quick(&lossy.far).start().await.unwrap();
    gate.until_running(1).await;
    let vulture = quick(&lossy.steady).start().await.unwrap();
    lossy.proxy.lose_replies_where(0.2, seed, contains("EVALSHA"));
    let started = Instant::now();
    eventually(
        "replies were lost for twice as long as the lock lasts",
        PATIENCE,
        async || lossy.proxy.lost_replies() >= 5 && started.elapsed() > 2 * lock,
    )
    .await;
    lossy.proxy.stop_losing();
    gate.open();
    let record = reaches(&lossy.steady, &id, JobState::Completed).await;
    for worker in [worker, vulture] {
        stop(worker).await;
    }
    assert_eq!((record.stalled, record.attempts_started), (0, 1));
    assert_eq!(gate.started().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_runs_once_although_replies_are_lost() {
    let lossy = Lossy::new().await;
    let seed = rand::random();
    println!("seed {seed}");
    let gate = Gate::opened();
    let worker = Worker::on(&lossy.far)
        .concurrency(4)
        .drain_delay(MINUTE)
        .stalled_interval(MINUTE)
        .handle_any(gate.handler())
        .start()
        .await
        .unwrap();
    let started = Instant::now();
    lossy.proxy.lose_replies_where(0.15, seed, contains("EVALSHA"));
    for _ in 0..300 {
        lossy.steady.add("n", ()).await.unwrap();
    }
    eventually("every job completes", PATIENCE, async || {
        lossy.steady.counts().await.unwrap().completed == 300
    })
    .await;
    println!(
        "{} replies lost in {:?}",
        lossy.proxy.lost_replies(),
        started.elapsed()
    );
    lossy.proxy.stop_losing();
    stop(worker).await;

    let mut completed = BTreeMap::<JobId, u32>::new();
    let mut events = lossy.steady.events(Some("0-0")).await.unwrap();
    while completed.len() < 300 {
        let event = tokio::time::timeout(PATIENCE, events.next())
            .await
            .unwrap()
            .unwrap();
        if event.event == "completed" {
            *completed.entry(event.job_id.unwrap()).or_default() += 1;
        }
    }
    assert!(completed.values().all(|times| *times == 1), "{completed:?}");
    let mut runs = gate.started();
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(
        (runs.len(), gate.started().len()),
        (300, 300),
        "each job ran once"
    );
    let jobs = lossy.steady.jobs(JobState::Completed, 0, 300).await.unwrap().jobs;
    for job in jobs {
        assert_eq!((job.attempts_made, job.stalled), (1, 0), "job {}", job.id);
    }
}
