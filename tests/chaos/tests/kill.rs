//! A worker process dies without a word.

#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use oxherd::{JobState, NewJob, Oxherd};
use oxherd_testkit::{RedisServer, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_jobs_of_a_killed_process_complete_in_another_worker() {
    let server = RedisServer::start().await;
    let oxherd = Oxherd::connect(&server.url()).await.unwrap();
    let queue = oxherd.queue("chaos").unwrap();
    let jobs = (0..100)
        .map(|number| NewJob::new("work", &json!({"number": number})).unwrap())
        .collect();
    for added in queue.add_many(jobs).await.unwrap() {
        added.unwrap();
    }

    let mut doomed = Command::new(env!("CARGO_BIN_EXE_chaos-worker"))
        .args([server.url().as_str(), "chaos", "100"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut started = BufReader::new(doomed.stdout.take().unwrap()).lines();
    let mut running = BTreeSet::new();
    while running.len() < 100 {
        running.insert(started.next_line().await.unwrap().unwrap());
    }
    // SIGKILL: no destructor, no farewell.
    doomed.kill().await.unwrap();
    assert_eq!(queue.counts().await.unwrap().active, 100);

    let heir = oxherd
        .worker("chaos")
        .unwrap()
        .concurrency(100)
        .stalled_interval(Duration::from_millis(500))
        .handle_any(async |_, _| Ok(Value::Null))
        .start()
        .await
        .unwrap();
    eventually("all jobs of the killed process complete", PATIENCE, async || {
        queue.counts().await.unwrap().completed == 100
    })
    .await;
    heir.stop(PATIENCE).await;

    for job in queue.jobs(JobState::Completed, 0, 200).await.unwrap().jobs {
        assert_eq!(
            (job.stalled, job.attempts_started, job.attempts_made),
            (1, 2, 1),
            "job {}",
            job.id
        );
    }
}
