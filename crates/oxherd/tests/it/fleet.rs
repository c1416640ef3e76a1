//! Several processes on one directory: one has it, the others come in through its socket, and when it ends, in whatever
//! way, one of them takes it over.

mod child;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oxherd::{BootProgress, Error, JobId, JobState, OpenProblem, Opening, Oxherd, Store, StoreUrl, Worker};
use oxherd_testkit::{RedisServer, eventually, eventually_some};
use tempfile::TempDir;

use crate::gate::Gate;
use crate::scene::{PATIENCE, stop};
use child::Process;

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn url_of(directory: &Path) -> String {
    format!("embedded:{}", directory.display())
}

async fn open(directory: &Path) -> Oxherd {
    Oxherd::connect(&url_of(directory)).await.unwrap()
}

/// The process that listens on the directory's socket.
async fn try_holder(directory: &Path) -> Option<u32> {
    let client = redis::Client::open(format!("unix:{}/oxherd.sock", directory.display())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.ok()?;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await
        .ok()?;
    let number = info.lines().find_map(|line| line.strip_prefix("process_id:"))?;
    Some(number.trim().parse().unwrap())
}

async fn holder(directory: &Path) -> u32 {
    eventually_some("somebody holds the directory", PATIENCE, async || {
        try_holder(directory).await
    })
    .await
}

async fn until_held_by(directory: &Path, process: u32) {
    eventually(&format!("{process} takes over"), PATIENCE, async || {
        try_holder(directory).await == Some(process)
    })
    .await;
}

/// Waits until somebody watches for the holder's end.
async fn until_watched(directory: &Path) {
    let client = redis::Client::open(format!("unix:{}/oxherd.sock", directory.display())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    eventually("the holder is watched", PATIENCE, async || {
        let mut list = redis::cmd("CLIENT");
        let clients: String = list.arg("LIST").query_async(&mut connection).await.unwrap();
        clients.contains("name=oxherd:heir ")
    })
    .await;
}

/// Each of these jobs is done, or will be.
async fn all_complete(oxherd: &Oxherd, added: &[String]) {
    let queue = oxherd.queue("q").unwrap();
    for id in added {
        let id = JobId::existing(id.as_str());
        eventually(&format!("job {id} completes"), 2 * PATIENCE, async || {
            let job = queue.job(&id).await.unwrap();
            let job = job.unwrap_or_else(|| panic!("job {id} was acknowledged and is gone"));
            job.state == JobState::Completed
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_joins_one_that_works() {
    let directory = directory();
    let holding = Process::start(directory.path(), "").await;
    let oxherd = open(directory.path()).await;
    assert!(oxherd.store().engine().is_none(), "the other one has it");
    assert_eq!(holder(directory.path()).await, holding.number());
    let gate = Gate::opened();
    let queue = oxherd.queue("q").unwrap();
    let worker = Worker::on(&queue)
        .handle_any(gate.handler())
        .start()
        .await
        .unwrap();
    let mut holding = holding;
    holding.tell("add").await;
    holding.adds(20).await;
    holding.tell("stop adding").await;
    holding.until("stopped").await;
    let added = holding.leave().await;
    all_complete(&oxherd, &added).await;
    stop(worker).await;
}

/// Three processes: one that holds and works, one that works and one that adds. The first ends, then the one that came
/// after it; what was acknowledged is done by whoever is left.
async fn three_of_which_two_end(parameters: &str, end: impl AsyncFn(Process) -> Vec<String>) {
    let directory = directory();
    let mut first = Process::start(directory.path(), parameters).await;
    let mut fleet = BTreeMap::new();
    for _ in 0..2 {
        let process = Process::start(directory.path(), parameters).await;
        fleet.insert(process.number(), process);
    }
    first.tell("work").await;
    first.until("working").await;
    for process in fleet.values_mut() {
        process.tell("work").await;
        process.until("working").await;
        process.tell("add").await;
        process.adds(20).await;
    }
    assert_eq!(holder(directory.path()).await, first.number());
    let mut added = end(first).await;

    let next = eventually_some("another takes over", PATIENCE, async || {
        try_holder(directory.path())
            .await
            .filter(|holder| fleet.contains_key(holder))
    })
    .await;
    for process in fleet.values_mut() {
        process.adds(20).await;
    }
    added.extend(end(fleet.remove(&next).unwrap()).await);

    let (last, mut left) = fleet.pop_first().unwrap();
    until_held_by(directory.path(), last).await;
    left.adds(20).await;
    left.tell("stop adding").await;
    left.until("stopped").await;
    let oxherd = open(directory.path()).await;
    // It may have been told of jobs since.
    let queue = oxherd.queue("q").unwrap();
    eventually("the queue is empty", 2 * PATIENCE, async || {
        let counts = queue.counts().await.unwrap();
        counts.waiting + counts.active == 0
    })
    .await;
    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.failed, counts.delayed), (0, 0), "{counts:?}");
    added.extend(left.leave().await);
    assert!(added.len() >= 60);
    all_complete(&oxherd, &added).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_that_leave_are_followed_and_nothing_is_lost() {
    three_of_which_two_end("", Process::leave).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_that_leave_lose_nothing_when_answers_come_before_the_disk() {
    three_of_which_two_end("?fsync=never", Process::leave).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_that_are_killed_are_followed_and_nothing_acknowledged_is_lost() {
    three_of_which_two_end("", Process::kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_while_the_directory_changes_hands_and_an_idle_worker_hears_of_the_next() {
    let directory = directory();
    let holding = Process::start(directory.path(), "").await;
    let oxherd = open(directory.path()).await;
    let queue = oxherd.queue("q").unwrap();
    let gate = Gate::closed();
    let worker = Worker::on(&queue)
        .handle_any(gate.handler())
        .concurrency(2)
        .start()
        .await
        .unwrap();
    queue.add("n", ()).await.unwrap();
    gate.until_running(1).await;
    let killed = Instant::now();
    holding.kill().await;
    // Its lock, its scripts and the marker: all must be found again in the new holder.
    let added = eventually_some("a job is added again", PATIENCE, async || {
        queue.add("n", ()).await.ok()
    })
    .await;
    println!(
        "a job is added {:?} after the holder was killed",
        killed.elapsed()
    );
    gate.until_running(2).await;
    println!("and begins after {:?}", killed.elapsed());
    assert_eq!(holder(directory.path()).await, std::process::id());
    gate.open();
    all_complete(&oxherd, &["1".to_owned(), added.id.to_string()]).await;
    stop(worker).await;
    assert_eq!(gate.started(), ["1", added.id.as_str()], "each ran once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_took_a_directory_over_leaves_it_free() {
    let directory = directory();
    for how in ["closed", "dropped"] {
        let holding = Process::start(directory.path(), "").await;
        let oxherd = open(directory.path()).await;
        holding.kill().await;
        until_held_by(directory.path(), std::process::id()).await;
        let added = oxherd.queue("q").unwrap().add("n", ()).await.unwrap();
        if how == "closed" {
            oxherd.store().close().await.unwrap();
        } else {
            drop(oxherd);
        }
        let next = Process::start(directory.path(), "").await;
        assert_eq!(holder(directory.path()).await, next.number());
        let again = open(directory.path()).await;
        assert!(again.queue("q").unwrap().job(&added.id).await.unwrap().is_some());
        again.store().close().await.unwrap();
        next.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_suspended_finds_the_new_holder() {
    let directory = directory();
    let holding = Process::start(directory.path(), "").await;
    let mut sleeping = Process::start(directory.path(), "").await;
    sleeping.tell("work").await;
    sleeping.until("working").await;
    sleeping.signal("STOP").await;
    let oxherd = open(directory.path()).await;
    holding.kill().await;
    until_held_by(directory.path(), std::process::id()).await;
    let added = oxherd.queue("q").unwrap().add("n", ()).await.unwrap();
    sleeping.signal("CONT").await;
    all_complete(&oxherd, &[added.id.to_string()]).await;
    assert_eq!(holder(directory.path()).await, std::process::id());
}

/// The file of the log that holds what was written last.
fn log_of(directory: &Path) -> PathBuf {
    let entries = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let logs = entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("log-"));
    logs.max().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_directory_is_taken_over_once_it_is_repaired() {
    let directory = directory();
    let mut holding = Process::start(directory.path(), "").await;
    holding.tell("add").await;
    holding.adds(10).await;
    let oxherd = open(directory.path()).await;
    let added = holding.kill().await;
    // The take-over is likely over by now: then the next one meets the damage.
    until_held_by(directory.path(), std::process::id()).await;
    let second = open(directory.path()).await;
    let log = log_of(directory.path());
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&log, b"not a log at all, but long enough to be one with a header").unwrap();
    oxherd.store().close().await.unwrap();
    drop(oxherd);

    let queue = second.queue("q").unwrap();
    let refused = queue.counts().await.unwrap_err();
    assert!(refused.is_store_unavailable(), "{refused}");
    assert_eq!(try_holder(directory.path()).await, None);
    std::fs::write(&log, whole).unwrap();
    until_held_by(directory.path(), std::process::id()).await;
    for id in added {
        let job = queue.job(&JobId::existing(id.as_str())).await.unwrap();
        assert!(job.is_some(), "job {id} was acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_was_removed_is_not_made_anew() {
    let directory = directory();
    let path = directory.path().join("store");
    let holding = Process::start(&path, "").await;
    let oxherd = open(&path).await;
    until_watched(&path).await;
    std::fs::remove_dir_all(&path).unwrap();
    holding.kill().await;
    let error = oxherd.queue("q").unwrap().add("n", ()).await.unwrap_err();
    assert!(error.is_store_unavailable(), "{error}");
    assert!(!path.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_lets_nobody_in_and_who_comes_waits_for_its_end() {
    let directory = directory();
    let url: StoreUrl = url_of(directory.path()).parse().unwrap();
    let visiting = Store::visit(url.clone()).await.unwrap();
    assert!(visiting.engine().is_some());
    assert!(!directory.path().join("oxherd.sock").exists());
    let mut waiting = tokio::spawn(Store::connect(url));
    // It is not let in: how long it is looked at decides nothing.
    let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    drop(visiting);
    let store = waiting.await.unwrap().unwrap();
    assert!(store.engine().is_some());
    assert_eq!(holder(directory.path()).await, std::process::id());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_of_a_directory_in_use_comes_in_and_takes_nothing_over() {
    let directory = directory();
    let holding = Process::start(directory.path(), "").await;
    let url: StoreUrl = url_of(directory.path()).parse().unwrap();
    let visiting = Oxherd::on(Store::visit(url).await.unwrap());
    let queue = visiting.queue("q").unwrap();
    let added = queue.add("n", ()).await.unwrap();
    holding.kill().await;
    let error = queue.counts().await.unwrap_err();
    assert!(error.is_store_unavailable(), "{error}");
    let next = Process::start(directory.path(), "").await;
    assert_eq!(holder(directory.path()).await, next.number());
    assert!(queue.job(&added.id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_that_stays_is_named_to_who_gives_up_waiting() {
    let directory = directory();
    let url: StoreUrl = url_of(directory.path()).parse().unwrap();
    let _visiting = Store::visit(url.clone()).await.unwrap();
    let began = Instant::now();
    let error = Store::connect(url).await.unwrap_err();
    let Error::Open { problem, source, .. } = &error else {
        panic!("{error:?}");
    };
    let reason = source.as_ref().unwrap().to_string();
    assert_eq!(*problem, OpenProblem::InUse);
    assert!(reason.contains("lets nobody in"), "{reason}");
    assert!(reason.contains(&std::process::id().to_string()), "{reason}");
    assert!(began.elapsed() < PATIENCE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_opened_again_right_after_it_was_closed() {
    let directory = directory();
    let mut ids = Vec::new();
    for _ in 0..10 {
        let oxherd = open(directory.path()).await;
        assert!(oxherd.store().engine().is_some());
        let queue = oxherd.queue("q").unwrap();
        ids.push(queue.add("n", ()).await.unwrap().id);
        for id in &ids {
            assert!(queue.job(id).await.unwrap().is_some());
        }
        // The last handle may belong to a task of the queue that ends a moment later: the next one waits for it.
        oxherd.store().close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_the_reading_of_a_directory_is_can_be_heard() {
    let directory = directory();
    open(directory.path())
        .await
        .queue("q")
        .unwrap()
        .add("n", ())
        .await
        .unwrap();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let opening = Opening::new().on_boot(move |progress: BootProgress| {
        let _ = told.send(progress);
    });
    let url: StoreUrl = url_of(directory.path()).parse().unwrap();
    let store = Store::connect_as(url, opening).await.unwrap();
    assert!(store.engine().is_some());
    let progress = heard.recv().await.unwrap();
    assert!(progress.of > 0 && progress.read <= progress.of, "{progress:?}");
    assert_eq!(progress.process, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_closed_although_a_script_goes_on_for_ever() {
    let directory = directory();
    let mut process = Process::start(directory.path(), "").await;
    process.tell("run for ever").await;
    let closed = process.until("closed after").await;
    let (milliseconds, outcome) = closed.split_once(" ms: ").unwrap();
    assert!(milliseconds.parse::<u64>().unwrap() < 6000, "{closed}");
    assert!(
        outcome.starts_with("Err") && outcome.contains("script"),
        "{closed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_of_a_directory_whose_journal_failed_says_why_to_everybody() {
    let directory = directory();
    let mut holding = Process::start_in_a_narrow_place(directory.path()).await;
    let oxherd = open(directory.path()).await;
    let health = oxherd.store().health().await;
    assert_eq!(health.writes_refused, None);
    let persistence = health.persistence.unwrap();
    assert_eq!(persistence.fsync.as_deref(), Some("always"));
    assert!(persistence.log_bytes.is_some() && persistence.failure.is_none());

    holding.tell("add").await;
    let refused = holding.until("refused:").await;
    assert!(refused.contains("MISCONF"), "{refused}");
    let reason = eventually_some("the health says it", PATIENCE, async || {
        oxherd.store().health().await.writes_refused
    })
    .await;
    assert!(reason.contains("File too large"), "{reason}");
    let health = oxherd.store().health().await;
    assert!(health.round_trip.is_some(), "it answers all the same");
    assert!(health.persistence.unwrap().log_bytes.unwrap() > 0);

    // Whoever comes next goes on from what is durable.
    let added = holding.leave().await;
    assert!(!added.is_empty());
    until_held_by(directory.path(), std::process::id()).await;
    let queue = oxherd.queue("q").unwrap();
    for id in added {
        assert!(queue.job(&JobId::existing(id)).await.unwrap().is_some());
    }
    queue.add("n", ()).await.unwrap();
    eventually("all is well again", PATIENCE, async || {
        oxherd.store().health().await.writes_refused.is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_of_a_redis_that_cannot_keep_its_data_says_so() {
    let server = RedisServer::start().await;
    let store = Store::open(&server.url()).await.unwrap();
    assert_eq!(store.health().await.writes_refused, None);
    server.break_disk().await;
    let reason = eventually_some("the health says it", PATIENCE, async || {
        store.health().await.writes_refused
    })
    .await;
    assert!(reason.contains("MISCONF"), "{reason}");
    assert!(
        store.health().await.round_trip.is_some(),
        "it answers all the same"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_took_a_directory_over_hands_it_on_to_who_needs_it() {
    let directory = directory();
    let first = Process::start(directory.path(), "").await;
    let mut second = Process::start(directory.path(), "").await;
    let oxherd = open(directory.path()).await;
    let queue = oxherd.queue("q").unwrap();
    until_watched(directory.path()).await;
    second.tell("add").await;
    second.adds(20).await;
    let mut added = first.kill().await;
    let heir = holder(directory.path()).await;
    assert!([second.number(), std::process::id()].contains(&heir));

    // It comes back, as a server does that listens for Redis clients.
    let back = Process::start_to_hold(directory.path()).await;
    assert_eq!(holder(directory.path()).await, back.number());
    second.adds(20).await;
    // The first of all holders does not hand over: who comes next joins.
    let joined = Process::start_to_hold(directory.path()).await;
    assert_eq!(holder(directory.path()).await, back.number());
    joined.leave().await;

    added.extend(back.kill().await);
    second.adds(20).await;
    assert!([second.number(), std::process::id()].contains(&holder(directory.path()).await));
    added.extend(second.leave().await);
    for id in added {
        let job = queue.job(&JobId::existing(id.as_str())).await.unwrap();
        assert!(job.is_some(), "job {id} was acknowledged");
    }
}
