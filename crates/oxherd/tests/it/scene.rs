//! Where a test plays: a store of its own, and the raw data beside it.
//!
//! `on_every_store!` runs one behaviour on a real Redis, on the engine in memory and on the engine in a directory;
//! `on_every_store_and_valkey!` also on a real Valkey. What a test reads past the library (lists, scores, hashes, events) it reads here, with the keys written out as the layout has them.
//! Next: `gate.rs` (handlers that a test holds in its hand).

use std::collections::BTreeMap;
use std::time::Duration;

use oxherd::engine::Engine;
use oxherd::{Clock, JobId, JobRecord, JobState, ManualClock, Oxherd, Queue, Store, Timestamp, Worker};
use oxherd_testkit::{FaultProxy, RedisServer, eventually, eventually_some};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisResult};
use tempfile::TempDir;

/// How long a test waits for what should happen at once, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A store that nobody else uses, and the clock its queues read.
pub(crate) struct Scene {
    pub(crate) oxherd: Oxherd,
    pub(crate) clock: ManualClock,
    read_clock: Clock,
    raw: Raw,
    server: Option<RedisServer>,
    /// Where an embedded store lies.
    directory: Option<TempDir>,
}

#[derive(Clone)]
enum Raw {
    Redis(MultiplexedConnection),
    Engine(Engine, oxherd::engine::Connection),
}

fn embedded_in(directory: &TempDir) -> String {
    format!("embedded:{}", directory.path().display())
}

impl Scene {
    pub(crate) async fn on_redis() -> Self {
        Self::on_server(RedisServer::start().await).await
    }

    pub(crate) async fn on_valkey() -> Self {
        Self::on_server(RedisServer::start_valkey().await).await
    }

    async fn on_server(server: RedisServer) -> Self {
        let store = Store::open(&server.url()).await.unwrap();
        let raw = Raw::Redis(server.connection().await);
        Self::new(store, raw, Some(server), None)
    }

    pub(crate) async fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&embedded_in(&directory)).await.unwrap();
        let engine = store.engine().unwrap().clone();
        let raw = Raw::Engine(engine.clone(), engine.connect());
        Self::new(store, raw, None, Some(directory))
    }

    pub(crate) async fn in_memory() -> Self {
        let store = Store::open("memory:").await.unwrap();
        let engine = store.engine().unwrap().clone();
        let raw = Raw::Engine(engine.clone(), engine.connect());
        Self::new(store, raw, None, None)
    }

    fn new(store: Store, raw: Raw, server: Option<RedisServer>, directory: Option<TempDir>) -> Self {
        // The machine's time to begin with, so that a real BullMQ client on the same data would agree.
        let (read_clock, clock) = Clock::manual(Clock::system().now());
        Self {
            oxherd: Oxherd::on(store).with_clock(read_clock.clone()),
            clock,
            read_clock,
            raw,
            server,
            directory,
        }
    }

    pub(crate) fn queue(&self, name: &str) -> Queue {
        self.oxherd.queue(name).unwrap()
    }

    /// The same store and clock as another process would have them: other connections, other handles.
    pub(crate) async fn other_process(&self) -> Oxherd {
        let store = match (&self.raw, &self.directory) {
            (Raw::Redis(_), _) => Store::open(&self.server().url()).await.unwrap(),
            // It finds the directory taken and comes in through the socket.
            (_, Some(directory)) => Store::open(&embedded_in(directory)).await.unwrap(),
            (Raw::Engine(engine, _), None) => Store::on_engine(engine.clone(), &"memory:".parse().unwrap()),
        };
        Oxherd::on(store).with_clock(self.read_clock.clone())
    }

    /// A process that reaches the store at this URL.
    pub(crate) async fn process_at(&self, url: &str) -> Oxherd {
        Oxherd::on(Store::open(url).await.unwrap()).with_clock(self.read_clock.clone())
    }

    /// A process with a network before its store that can fail; only on a real Redis.
    pub(crate) async fn behind(&self, proxy: &FaultProxy) -> Oxherd {
        self.process_at(&proxy.url()).await
    }

    /// The server behind the scene; only on a real Redis.
    pub(crate) fn server(&self) -> &RedisServer {
        self.server.as_ref().expect("this test plays on a real Redis")
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks the store itself, past the library; what Redis answers with an error is an error here too.
    pub(crate) async fn try_ask<T: FromRedisValue>(&self, command: &[&[u8]]) -> RedisResult<T> {
        let mut cmd = Cmd::new();
        for part in command {
            cmd.arg(*part);
        }
        match self.raw.clone() {
            Raw::Redis(mut raw) => cmd.query_async(&mut raw).await,
            Raw::Engine(_, mut raw) => cmd.query_async(&mut raw).await,
        }
    }

    /// Asks the store itself, past the library.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let parts: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
        let reply = self.try_ask(&parts).await;
        reply.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Changes the store past the library, as another program would: a command whose words hold no space.
    pub(crate) async fn tell(&self, command: &str) {
        let words: Vec<&str> = command.split_whitespace().collect();
        self.ask::<redis::Value>(&words).await;
    }

    /// The fields of a hash.
    pub(crate) async fn hash(&self, key: &str) -> BTreeMap<String, String> {
        self.ask(&["HGETALL", key]).await
    }

    /// A list from its head to its tail; the tail is next out.
    pub(crate) async fn list(&self, key: &str) -> Vec<String> {
        self.ask(&["LRANGE", key, "0", "-1"]).await
    }

    /// A sorted set in order.
    pub(crate) async fn scores(&self, key: &str) -> Vec<(String, u64)> {
        let scores: Vec<(String, f64)> = self.ask(&["ZRANGE", key, "0", "-1", "WITHSCORES"]).await;
        // Every score of the layout is a whole number below 2^53.
        scores
            .into_iter()
            .map(|(member, score)| (member, score as u64))
            .collect()
    }

    pub(crate) async fn exists(&self, key: &str) -> bool {
        self.ask(&["EXISTS", key]).await
    }

    /// A queue's events so far, in order: the fields of each on one line, without the word `event`.
    pub(crate) async fn events(&self, queue: &str) -> Vec<String> {
        let entries: Vec<(String, Vec<String>)> = self
            .ask(&["XRANGE", &format!("bull:{queue}:events"), "-", "+"])
            .await;
        entries
            .into_iter()
            .map(|(_, fields)| {
                assert_eq!(fields[0], "event", "every entry says first what happened");
                fields[1..].join(" ")
            })
            .collect()
    }

    /// The names of a queue's events so far, in order.
    pub(crate) async fn event_names(&self, queue: &str) -> Vec<String> {
        let first_word = |event: String| event.split(' ').next().unwrap_or_default().to_owned();
        self.events(queue).await.into_iter().map(first_word).collect()
    }

    /// Everything the store holds, for comparing before and after.
    pub(crate) async fn contents(&self) -> BTreeMap<String, String> {
        let mut contents = BTreeMap::new();
        for key in self.ask::<Vec<String>>(&["KEYS", "*"]).await {
            let kind: String = self.ask(&["TYPE", &key]).await;
            let command: Vec<&str> = match kind.as_str() {
                "string" => vec!["GET", &key],
                "hash" => vec!["HGETALL", &key],
                "list" => vec!["LRANGE", &key, "0", "-1"],
                "set" => vec!["SMEMBERS", &key],
                "zset" => vec!["ZRANGE", &key, "0", "-1", "WITHSCORES"],
                "stream" => vec!["XRANGE", &key, "-", "+"],
                other => panic!("{key} is a {other}"),
            };
            let value: redis::Value = self.ask(&command).await;
            contents.insert(key.clone(), format!("{value:?}"));
        }
        contents
    }

    /// Fails unless the store holds exactly what it held before, and says which keys changed.
    pub(crate) async fn assert_unchanged(&self, before: &BTreeMap<String, String>, what: &str) {
        let mut after = self.contents().await;
        let mut changed = Vec::new();
        for (key, old) in before {
            match after.remove(key) {
                Some(new) if new == *old => {}
                Some(new) => changed.push(format!("{key}: {old:.300} became {new:.300}")),
                None => changed.push(format!("{key} is gone")),
            }
        }
        changed.extend(
            after
                .into_iter()
                .map(|(key, new)| format!("{key} is new: {new:.300}")),
        );
        assert!(changed.is_empty(), "{what} changed the store: {changed:#?}");
    }

    /// Waits until so many readers sleep in a blocking read: idle workers that listen.
    pub(crate) async fn listeners(&self, count: usize) {
        eventually("idle workers listen", PATIENCE, async || {
            let clients: String = self.ask(&["INFO", "clients"]).await;
            let blocked = clients
                .lines()
                .find_map(|line| line.strip_prefix("blocked_clients:"));
            blocked.unwrap().trim().parse::<usize>().unwrap() >= count
        })
        .await;
    }
}

/// Waits until a job is in a state, and returns what the store then knows of it.
pub(crate) async fn reaches(queue: &Queue, id: &JobId, state: JobState) -> JobRecord {
    eventually_some(&format!("job {id} becomes {state}"), PATIENCE, async || {
        let job = queue.job(id).await.unwrap()?;
        (job.state == state).then_some(job.record)
    })
    .await
}

/// Waits until a job's attempt of this number (from 1) has begun.
pub(crate) async fn until_attempt(queue: &Queue, id: &JobId, attempt: u32) {
    eventually(
        &format!("attempt {attempt} of job {id} begins"),
        PATIENCE,
        async || {
            queue
                .job(id)
                .await
                .unwrap()
                .is_some_and(|job| job.record.attempts_started >= attempt)
        },
    )
    .await;
}

/// Ends a worker whose jobs are all done.
pub(crate) async fn stop(worker: Worker) {
    worker.stop(PATIENCE).await;
}

/// Writes one behaviour as a test on each store: a real Redis, the engine in memory, the engine in a directory.
macro_rules! on_every_store {
    ($($behaviour:tt)*) => {
        crate::scene::on_stores! { [on_redis, in_memory, on_disk] $($behaviour)* }
    };
}
pub(crate) use on_every_store;

/// As `on_every_store!`, and on a real Valkey.
macro_rules! on_every_store_and_valkey {
    ($($behaviour:tt)*) => {
        crate::scene::on_stores! { [on_redis, on_valkey, in_memory, on_disk] $($behaviour)* }
    };
}
pub(crate) use on_every_store_and_valkey;

/// The names are those of the constructors of [`Scene`].
macro_rules! on_stores {
    ([$($store:ident),*] $(#[$attribute:meta])* async fn $name:ident($scene:ident: Scene) $body:block) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            async fn behaviour($scene: crate::scene::Scene) $body

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $store() {
                    behaviour(crate::scene::Scene::$store().await).await;
                }
            )*
        }
    };
}
pub(crate) use on_stores;
