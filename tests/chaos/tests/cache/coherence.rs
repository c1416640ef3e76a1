//! Readers and writers in three processes, while processes, the store and the network between them fail at random.
//!
//! Next: `judge.rs` (what may be answered), `src/cache/space.rs` (the namespaces).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use oxherd_testkit::{FaultProxy, RedisServer, TestStore, contains};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::sleep;

use crate::crew::Process;
use crate::judge::Judge;
use crate::now;
use crate::source::Source;

const PROCESSES: usize = 3;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The processes, and what they are told.
struct Scene {
    source: Arc<Source>,
    judge: Arc<Judge>,
    /// What each process knows as the store.
    urls: Vec<String>,
    processes: Vec<Process>,
    random: StdRng,
    trace: bool,
    began: Instant,
}

impl Scene {
    async fn begin(urls: Vec<String>) -> Self {
        let seed = setting("OXHERD_CACHE_CHAOS_SEED", rand::random());
        println!("OXHERD_CACHE_CHAOS_SEED={seed}");
        let mut scene = Self {
            source: Arc::new(Source::start().await),
            judge: Arc::default(),
            urls,
            processes: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            trace: std::env::var_os("OXHERD_CACHE_CHAOS_TRACE").is_some(),
            began: Instant::now(),
        };
        for number in 0..PROCESSES {
            let process = scene.start(number).await;
            scene.processes.push(process);
        }
        scene
    }

    async fn start(&self, number: usize) -> Process {
        self.judge.started(number);
        let judge = Arc::clone(&self.judge);
        let hear = Arc::new(move |process, line: &str| judge.hear(process, line));
        let arguments = ["mill", &self.urls[number], self.source.address()];
        Process::start(number, &arguments, hear).await
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() > Duration::from_secs(setting("OXHERD_CACHE_CHAOS_SECONDS", 20))
    }

    /// A random time below this many milliseconds.
    async fn rest(&mut self, below_ms: u64) {
        let rest = self.random.random_range(0..below_ms);
        sleep(Duration::from_millis(rest)).await;
    }

    fn say(&self, what: &str) {
        if self.trace {
            println!("{:>8} {} {what}", self.began.elapsed().as_millis(), now());
        }
    }

    /// Kills a process and starts it again.
    async fn kill(&mut self, which: usize) {
        self.say(&format!("kill process {which}"));
        self.processes[which].kill().await;
        self.rest(500).await;
        self.processes[which] = self.start(which).await;
    }

    /// Stops a process for a while, in the middle of whatever it does.
    async fn pause(&mut self, which: usize) {
        self.say(&format!("pause process {which}"));
        let process = &self.processes[which];
        let began = now();
        process.stop(true);
        self.rest(2_500).await;
        self.processes[which].stop(false);
        // What was said meanwhile is heard soon after.
        self.judge.paused(which, began, now() + 1_000_000_000);
    }

    fn any(&mut self) -> usize {
        self.random.random_range(0..PROCESSES)
    }

    /// Evicts a few keys that may be evicted without breaking a promise: all but fences and announcements.
    async fn evict(&mut self, url: &str) {
        self.say("evict");
        let Ok(client) = redis::Client::open(url) else {
            return;
        };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return;
        };
        let keys: redis::RedisResult<Vec<Vec<u8>>> = redis::cmd("KEYS")
            .arg("*:cache:{*")
            .query_async(&mut connection)
            .await;
        for key in keys.unwrap_or_default() {
            let kind = key
                .split(|byte| *byte == b'}')
                .nth(1)
                .and_then(|rest| rest.get(1))
                .copied();
            if matches!(kind, Some(b'e' | b't' | b'n' | b's' | b'l')) && self.random.random_bool(0.15) {
                let _ = redis::cmd("DEL").arg(key).exec_async(&mut connection).await;
            }
        }
    }

    /// Removes everything the store has, while it runs.
    async fn flush(&mut self, url: &str) {
        self.say("flush");
        let Ok(client) = redis::Client::open(url) else {
            return;
        };
        let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
            return;
        };
        let began = now();
        let _ = redis::cmd("FLUSHALL").exec_async(&mut connection).await;
        self.judge.wiped(began, now());
    }

    /// Judges in the background until it is dropped.
    fn judging(&self) -> tokio::task::JoinHandle<()> {
        let (judge, source) = (Arc::clone(&self.judge), Arc::clone(&self.source));
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                judge.judge(source.commits(), false);
            }
        })
    }

    async fn end(mut self, store: &str) {
        // Everything has come back: whatever was missed is made good by now, or never.
        sleep(Duration::from_secs(4)).await;
        for process in &mut self.processes {
            process.kill().await;
        }
        self.judge.judge(self.source.commits(), true);
        println!(
            "{store}, {} s\n{}",
            self.began.elapsed().as_secs(),
            self.judge.report()
        );
        self.judge.sentence();
    }
}

async fn on_a_server(server: RedisServer, name: &str) {
    let mut proxies = Vec::new();
    for _ in 0..PROCESSES {
        proxies.push(FaultProxy::start(server.addr()).await);
    }
    let mut scene = Scene::begin(proxies.iter().map(FaultProxy::url).collect()).await;
    let judging = scene.judging();
    while !scene.is_over() {
        scene.rest(1_500).await;
        let which = scene.any();
        let proxy = &proxies[which];
        match scene.random.random_range(0..12) {
            0 | 1 => scene.kill(which).await,
            2 => scene.pause(which).await,
            3 => {
                scene.say("kill the store");
                server.kill();
                scene.rest(1_500).await;
                server.restart().await;
                scene.say("it is back");
            }
            4 => restart_empty(&server, &mut scene).await,
            5 => scene.flush(&server.url()).await,
            6 => scene.evict(&server.url()).await,
            7 => {
                scene.say(&format!("cut process {which} off"));
                proxy.cut_all();
            }
            8 => {
                scene.say(&format!("refuse process {which}"));
                proxy.refuse(true);
                proxy.cut_all();
                scene.rest(2_500).await;
                proxy.refuse(false);
                scene.say("accept it again");
            }
            9 => {
                scene.say(&format!("swallow all of process {which}"));
                proxy.blackhole(true);
                scene.rest(2_500).await;
                proxy.blackhole(false);
                scene.say("swallow no more");
            }
            10 => {
                scene.say("lose replies");
                for _ in 0..5 {
                    proxy.lose_next_reply_where(contains("EVALSHA"));
                    scene.rest(200).await;
                }
                proxy.stop_losing();
            }
            _ => {
                scene.say("freeze the store");
                server.freeze();
                scene.rest(2_000).await;
                server.thaw();
            }
        }
    }
    scene.end(name).await;
    judging.abort();
}

/// As a server does that keeps nothing.
async fn restart_empty(server: &RedisServer, scene: &mut Scene) {
    scene.say("restart the store empty");
    let mut connection = server.connection().await;
    let directory = redis::cmd("CONFIG")
        .arg(&["GET", "dir"])
        .query_async(&mut connection)
        .await;
    let (_, directory): (String, String) = directory.unwrap();
    let began = now();
    server.kill();
    std::fs::remove_dir_all(PathBuf::from(directory).join("appendonlydir")).unwrap();
    scene.rest(1_000).await;
    server.restart().await;
    scene.judge.wiped(began, now());
    scene.say("it is back");
}

async fn in_a_directory(store: TestStore) {
    let socket = format!(
        "unix:{}",
        store.directory().unwrap().join("oxherd.sock").display()
    );
    let lock = store.directory().unwrap().join("lock");
    let mut scene = Scene::begin(vec![store.url(); PROCESSES]).await;
    let judging = scene.judging();
    while !scene.is_over() {
        scene.rest(1_500).await;
        let which = scene.any();
        let holder = std::fs::read_to_string(&lock)
            .ok()
            .and_then(|id| id.trim().parse::<u32>().ok());
        let holder = scene.processes.iter().position(|process| process.id() == holder);
        match scene.random.random_range(0..9) {
            0 | 1 => scene.kill(which).await,
            2..5 => scene.kill(holder.unwrap_or(which)).await,
            5 => scene.pause(which).await,
            6 => {
                scene.say("kill all");
                for which in 0..PROCESSES {
                    scene.processes[which].kill().await;
                }
                for which in 0..PROCESSES {
                    scene.processes[which] = scene.start(which).await;
                }
            }
            7 => scene.flush(&socket).await,
            _ => scene.evict(&socket).await,
        }
    }
    scene.end("embedded").await;
    judging.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_promised_is_read_on_redis() {
    on_a_server(RedisServer::builder().append_only().start().await, "redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_promised_is_read_on_valkey() {
    on_a_server(
        RedisServer::builder().valkey().append_only().start().await,
        "valkey",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_older_than_promised_is_read_in_a_directory() {
    in_a_directory(TestStore::on_disk()).await;
}
