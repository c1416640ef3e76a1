//! A process that is killed in the midst of its work, again and again, on one directory: what it had been told stays.
//!
//! The child is this very test binary. `OXHERD_KILLS` says how often it is killed (15), at any moment: while it reads the
//! directory, works, or takes an image.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::panic, reason = "tests")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use oxherd_engine::{Engine, Options};
use redis::RedisResult;

const DIRECTORY: &str = "OXHERD_KILL_DIRECTORY";
const TASKS: u64 = 8;

/// Not a test of its own: what the child does.
#[test]
fn the_child_works_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let engine = Options::default().open(directory).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(async {
        let workers = (0..TASKS).map(|task| tokio::spawn(work(engine.clone(), task)));
        let workers: Vec<_> = workers.collect();
        let compacting = engine.clone();
        std::thread::spawn(move || {
            loop {
                compacting.compact().unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        for worker in workers {
            worker.await.unwrap().unwrap();
        }
    });
}

/// Counts in two places at once, and says each count when it has been acknowledged.
async fn work(engine: Engine, task: u64) -> RedisResult<()> {
    let mut connection = engine.connect();
    let (count, entries) = (format!("count:{task}"), format!("entries:{task}"));
    loop {
        let (counted, _length): (u64, u64) = redis::pipe()
            .atomic()
            .incr(&count, 1)
            .rpush(&entries, "an entry of the list")
            .query_async(&mut connection)
            .await?;
        let mut out = std::io::stdout().lock();
        // The parent may have closed its end just before the kill.
        let _ = writeln!(out, "acknowledged {task} {counted}").and_then(|()| out.flush());
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_works_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a child after some time, and answers the last count each of its tasks was told.
fn live_and_die(directory: &Path, time: Duration) -> HashMap<u64, u64> {
    let mut child = start(directory);
    let out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut told = HashMap::new();
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["acknowledged", task, count] = words.as_slice() {
                told.insert(task.parse().unwrap(), count.parse().unwrap());
            }
        }
        told
    });
    std::thread::sleep(time);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

async fn check(directory: &Path, told: &HashMap<u64, u64>) {
    let engine = Options::default().open(directory).unwrap();
    let mut connection = engine.connect();
    for task in 0..TASKS {
        let (count, length): (Option<u64>, u64) = redis::pipe()
            .cmd("GET")
            .arg(format!("count:{task}"))
            .cmd("LLEN")
            .arg(format!("entries:{task}"))
            .query_async(&mut connection)
            .await
            .unwrap();
        let count = count.unwrap_or(0);
        let told = told.get(&task).copied().unwrap_or(0);
        assert!(count >= told, "task {task} was told {told}, {count} is there");
        assert_eq!(count, length, "task {task}: half a transaction");
    }
}

#[tokio::test]
async fn what_a_killed_process_was_told_is_there() {
    let kills = std::env::var("OXHERD_KILLS").map_or(15, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut told = HashMap::new();
    let mut is_busy = false;
    for _ in 0..kills {
        let time = Duration::from_millis(fastrand::u64(1..150));
        let new = live_and_die(directory.path(), time);
        is_busy |= new.len() == TASKS as usize;
        told.extend(new);
        check(directory.path(), &told).await;
    }
    assert!(is_busy || kills < 15, "no child ever came to work");
}
