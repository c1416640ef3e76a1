//! A store that goes away and comes back: no worker dies of it, and nothing is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oxherd::{Error, NewJob, Oxherd, Queue, Worker, WorkerBuilder, WorkerEvent};
use oxherd_testkit::{FaultProxy, RedisServer, eventually};

use crate::gate::Gate;
use crate::scene::{PATIENCE, stop};

/// Nothing here may depend on the next look after the drain delay or on a stalled check.
const MINUTE: Duration = Duration::from_secs(60);

/// A server, a network that can fail, and the same queue on either side of it.
struct Away {
    server: RedisServer,
    proxy: FaultProxy,
    steady: Queue,
    far: Queue,
}

impl Away {
    async fn new() -> Self {
        Self::on(RedisServer::start().await).await
    }

    async fn on(server: RedisServer) -> Self {
        let proxy = FaultProxy::start(server.addr()).await;
        let steady = Oxherd::connect(&server.url()).await.unwrap();
        let far = Oxherd::connect(&proxy.url()).await.unwrap();
        Self {
            steady: steady.queue("q").unwrap(),
            far: far.queue("q").unwrap(),
            proxy,
            server,
        }
    }

    fn worker(&self, gate: &Gate) -> WorkerBuilder {
        Worker::on(&self.far)
            .concurrency(5)
            .drain_delay(MINUTE)
            .stalled_interval(MINUTE)
            .handle_any(gate.handler())
    }

    /// Waits until so many jobs have completed, or more.
    async fn completed(&self, count: u64) {
        let mut last = None;
        let done = async || {
            last = self.steady.counts().await.ok();
            last.is_some_and(|counts| counts.completed >= count)
        };
        let waiting = eventually("jobs complete", 2 * PATIENCE, done);
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{count} jobs complete: {last:?}");
    }
}

async fn add(queue: &Queue, count: usize) {
    let jobs = (0..count).map(|_| NewJob::new("n", &()).unwrap()).collect();
    for added in queue.add_many(jobs).await.unwrap() {
        added.unwrap();
    }
}

async fn in_trouble(worker: &Worker) {
    eventually("the worker notices", PATIENCE, async || {
        worker.health().trouble.is_some()
    })
    .await;
}

fn assert_each_once(gate: &Gate, count: usize) {
    let mut runs = BTreeMap::<String, u32>::new();
    for id in gate.started() {
        *runs.entry(id).or_default() += 1;
    }
    assert_eq!(runs.len(), count);
    assert!(runs.values().all(|runs| *runs == 1), "{runs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_are_made_anew() {
    let away = Away::new().await;
    let gate = Gate::opened();
    let worker = away.worker(&gate).start().await.unwrap();
    for round in 1..=10 {
        away.proxy.cut_all();
        add(&away.steady, 20).await;
        away.proxy.cut_all();
        away.completed(round * 20).await;
    }
    stop(worker).await;
    assert!(away.proxy.cuts() >= 10);
    assert_each_once(&gate, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_whose_connections_were_cut_hears_of_the_next_job() {
    let away = Away::new().await;
    let gate = Gate::opened();
    let worker = away.worker(&gate).start().await.unwrap();
    for round in 1..=5 {
        eventually("the worker is idle", PATIENCE, async || {
            let health = worker.health();
            health.is_listening && health.running == 0
        })
        .await;
        away.proxy.cut_all();
        add(&away.steady, 1).await;
        gate.until_started(round).await;
    }
    stop(worker).await;
}

/// What happens to the store, and how it comes back.
async fn absence(away: &Away, leave: impl AsyncFn(), come_back: impl AsyncFn()) {
    let gate = Gate::closed();
    add(&away.steady, 3).await;
    let worker = away.worker(&gate).start().await.unwrap();
    let mut events = worker.events();
    gate.until_running(3).await;
    leave().await;
    // Handlers that end meanwhile cannot tell the store yet.
    gate.open();
    gate.until_running(0).await;
    in_trouble(&worker).await;
    let far = away.far.clone();
    let adding = tokio::spawn(async move {
        let started = Instant::now();
        let result = far.add("n", ()).await;
        (result, started.elapsed())
    });
    let (result, waited) = adding.await.unwrap();
    let error = result.expect_err("the store is away");
    assert!(error.is_store_unavailable(), "{error}");
    assert!(waited < Duration::from_secs(10), "{waited:?}: {error}");

    let started = Instant::now();
    come_back().await;
    away.completed(3).await;
    add(&away.steady, 5).await;
    away.completed(8).await;
    println!("work went on {:?} after the store came back", started.elapsed());
    eventually("the worker is well again", PATIENCE, async || {
        worker.health().trouble.is_none()
    })
    .await;
    stop(worker).await;
    // The job whose fate was unknown may have been stored.
    let counts = away.steady.counts().await.unwrap();
    assert!(
        (8..=9).contains(&(counts.completed + counts.waiting)),
        "{counts:?}"
    );
    assert_eq!((counts.active, counts.failed), (0, 0));
    assert_each_once(&gate, usize::try_from(counts.completed).unwrap());
    let mut told = (0, 0);
    while let Some(event) = events.next().await {
        match event {
            WorkerEvent::Trouble { reason } => {
                assert!(!reason.is_empty());
                told.0 += 1;
            }
            WorkerEvent::Recovered => told.1 += 1,
            _ => {}
        }
    }
    // An absence shorter than a call's patience troubles nobody; a longer one is told once, and its end too.
    assert!(matches!(told, (0, 0) | (1, 1)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_connections_were_refused() {
    let away = Away::new().await;
    let leave = async || {
        away.proxy.refuse(true);
        away.proxy.cut_all();
    };
    absence(&away, leave, async || away.proxy.refuse(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_a_network_that_swallowed_everything() {
    let away = Away::new().await;
    absence(
        &away,
        async || away.proxy.blackhole(true),
        async || away.proxy.blackhole(false),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_a_server_that_hung() {
    let away = Away::new().await;
    absence(&away, async || away.server.freeze(), async || away.server.thaw()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_goes_on_after_a_server_that_crashed_and_kept_its_data() {
    let server = RedisServer::builder().append_only().start().await;
    let away = Away::on(server).await;
    absence(
        &away,
        async || away.server.kill(),
        async || away.server.restart().await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_crash_of_a_server_that_syncs() {
    let server = RedisServer::builder().append_only().start().await;
    let away = Away::on(server).await;
    let gate = Gate::opened();
    let mut acknowledged = 0;
    for _ in 0..3 {
        // Killed while jobs stream in, so that some are on their way.
        let adding = tokio::spawn({
            let queue = away.far.clone();
            async move {
                let mut added = 0;
                while let Ok(job) = queue.add("n", ()).await {
                    assert!(!job.already_there);
                    added += 1;
                }
                added
            }
        });
        let before = away.steady.counts().await.unwrap().waiting;
        eventually("jobs stream in", PATIENCE, async || {
            away.steady.counts().await.unwrap().waiting > before + 20
        })
        .await;
        away.server.kill();
        acknowledged += adding.await.unwrap();
        away.server.restart().await;
    }
    let stored = away.steady.counts().await.unwrap().waiting;
    // Of the jobs whose reply was lost each may be there or not: one a crash.
    assert!(
        (acknowledged..=acknowledged + 3).contains(&stored),
        "{stored} of {acknowledged}"
    );
    let worker = away.worker(&gate).start().await.unwrap();
    away.completed(stored).await;
    stop(worker).await;
    assert_each_once(&gate, usize::try_from(stored).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_without_a_store_ends_and_says_what_it_could_not_tell() {
    let away = Away::new().await;
    let gate = Gate::closed();
    add(&away.steady, 2).await;
    let worker = away.worker(&gate).start().await.unwrap();
    gate.until_running(2).await;
    away.proxy.blackhole(true);
    let started = Instant::now();
    let report = worker.stop(Duration::from_millis(50)).await;
    assert_eq!((report.finished, report.unreported), (0, 2), "{report:?}");
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_told_by_health() {
    let away = Away::new().await;
    away.proxy.refuse(true);
    away.proxy.cut_all();
    let store = away.far.store();
    let health = store.health().await;
    assert!(
        health.round_trip.is_none() && health.problem.is_some(),
        "{health:?}"
    );
    assert!(health.trouble_for.is_some());
    away.proxy.refuse(false);
    eventually("the store answers again", PATIENCE, async || {
        let health = store.health().await;
        health.round_trip.is_some() && health.trouble_for.is_none() && health.problem.is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_to_events_misses_none_over_reconnects() {
    let away = Away::new().await;
    let mut events = away.far.events(None).await.unwrap();
    for round in 1..=10 {
        match round % 3 {
            0 => away.proxy.cut_all(),
            1 => away
                .proxy
                .lose_next_reply_where(oxherd_testkit::contains("XREAD")),
            _ => {}
        }
        away.steady.add("n", ()).await.unwrap();
        for name in ["added", "waiting"] {
            let event = tokio::time::timeout(PATIENCE, events.next())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(event.event, name);
            assert_eq!(event.job_id.unwrap().as_str(), round.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_does_not_start_while_the_store_is_away() {
    let away = Away::new().await;
    away.proxy.refuse(true);
    away.proxy.cut_all();
    let started = Instant::now();
    let error = away.worker(&Gate::opened()).start().await.unwrap_err();
    assert!(matches!(error, Error::StoreUnavailable { .. }), "{error}");
    assert!(started.elapsed() < PATIENCE);
    away.proxy.refuse(false);
    let worker = away.worker(&Gate::opened()).start().await.unwrap();
    stop(worker).await;
}
