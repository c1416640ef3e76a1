//! Four processes want one key that nobody has, with 2,500 calls each, at the same time.

use std::sync::Arc;
use std::time::Duration;

use oxherd_testkit::{RedisServer, TestStore};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::crew::Process;
use crate::source::Source;
use crate::{PATIENCE, now};

const PROCESSES: usize = 4;
const CALLS: &str = "2500";
/// A dead leader's lease ends after this long.
const TERM: Duration = Duration::from_secs(3);

/// What a process says of its calls.
struct Done {
    process: usize,
    calls: u64,
    wrong: u64,
    longest_ms: u64,
    at: u64,
}

struct Herd {
    source: Source,
    processes: Vec<Process>,
    done: mpsc::UnboundedReceiver<Done>,
}

impl Herd {
    async fn gather(store: &str) -> Self {
        let source = Source::start().await;
        let (tell, done) = mpsc::unbounded_channel();
        let hear = Arc::new(move |process, line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let ["done", numbers @ ..] = words.as_slice() else {
                panic!("a process said {line:?}")
            };
            let numbers: Vec<u64> = numbers.iter().map(|number| number.parse().unwrap()).collect();
            let _ = tell.send(Done {
                process,
                calls: numbers[0],
                wrong: numbers[1],
                longest_ms: numbers[2],
                at: numbers[3],
            });
        });
        let mut processes = Vec::new();
        for number in 0..PROCESSES {
            let arguments = ["stampede", store, source.address(), CALLS];
            processes.push(Process::start(number, &arguments, hear.clone()).await);
        }
        Self {
            source,
            processes,
            done,
        }
    }

    fn go(&mut self) {
        for process in &mut self.processes {
            process.go();
        }
    }

    async fn done(&mut self, processes: usize) -> Vec<Done> {
        let mut all = Vec::new();
        while all.len() < processes {
            all.push(
                timeout(PATIENCE, self.done.recv())
                    .await
                    .expect("calls end")
                    .unwrap(),
            );
        }
        for done in &all {
            if done.wrong > 0 {
                let complaints = self.processes[done.process].complaints().await;
                panic!(
                    "{} of {} calls have no value:\n{complaints}",
                    done.wrong, done.calls
                );
            }
        }
        all
    }
}

async fn one_load(store: TestStore) {
    let mut herd = Herd::gather(&store.url()).await;
    herd.go();
    timeout(PATIENCE, herd.source.loads(1))
        .await
        .expect("somebody loads");
    // Those who have not come yet have time to.
    tokio::time::sleep(Duration::from_secs(1)).await;
    herd.source.answer(1);
    let done = herd.done(PROCESSES).await;
    let longest = done.iter().map(|done| done.longest_ms).max().unwrap();
    println!(
        "{}: 4 × {CALLS} calls, one load of 1 s; the longest call took {longest} ms",
        store.product()
    );
    assert_eq!(
        herd.source.loads(1).await.len(),
        1,
        "loads by {:?}",
        herd.source.loads(1).await
    );
}

/// Kills the process that loads; `leader` is to be it if given.
async fn a_dead_leader(store: TestStore, leader: Option<usize>) {
    let mut herd = Herd::gather(&store.url()).await;
    if let Some(leader) = leader {
        herd.processes[leader].go();
        timeout(PATIENCE, herd.source.loads(1))
            .await
            .expect("the leader loads");
    }
    herd.go();
    let loads = timeout(PATIENCE, herd.source.loads(1))
        .await
        .expect("somebody loads");
    // Everybody waits for it by now.
    tokio::time::sleep(Duration::from_secs(1)).await;
    herd.processes[loads[0]].kill().await;
    let killed = now();
    // Later loads take no time.
    herd.source.answer(usize::MAX);
    let done = herd.done(PROCESSES - 1).await;
    let loads = herd.source.loads(1).await;
    let last = done.iter().map(|done| done.at).max().unwrap();
    let after = Duration::from_nanos(last - killed);
    println!(
        "{}: leader {} of 4 killed in its load; {} loads; the others had their value {} ms after that",
        store.product(),
        loads[0],
        loads.len(),
        after.as_millis()
    );
    assert!(loads.len() <= 2, "loads by {loads:?}");
    assert!(
        after < TERM + Duration::from_secs(2),
        "{after:?} after the leader's death"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_in_four_processes_load_once_on_redis() {
    one_load(TestStore::on_redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_in_four_processes_load_once_on_valkey() {
    one_load(RedisServer::start_valkey().await.into()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_in_four_processes_load_once_in_a_directory() {
    one_load(TestStore::on_disk()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_other_loads_when_the_one_that_does_is_killed_on_redis() {
    a_dead_leader(TestStore::on_redis().await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_other_loads_when_the_one_that_does_is_killed_on_valkey() {
    a_dead_leader(RedisServer::start_valkey().await.into(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_other_loads_when_the_one_that_does_is_killed_in_a_directory() {
    a_dead_leader(TestStore::on_disk(), Some(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_other_loads_when_the_one_that_does_is_killed_and_had_the_directory() {
    a_dead_leader(TestStore::on_disk(), Some(0)).await;
}
