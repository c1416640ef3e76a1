//! Where a test plays: a store of its own, and the raw data beside it.

use std::time::Duration;

use oxherd::{Clock, ManualClock, Oxherd, Queue, Store, Timestamp, Worker};
use oxherd_testkit::{Double, RedisServer};
use redis::{Cmd, FromRedisValue};

/// How long a test waits for what should happen at once, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A store that nobody else uses, and the clock its queues read.
pub(crate) struct Scene {
    pub(crate) oxherd: Oxherd,
    pub(crate) clock: ManualClock,
    raw: Raw,
    _server: Option<RedisServer>,
}

#[derive(Clone)]
enum Raw {
    Redis(redis::aio::MultiplexedConnection),
    Double(oxherd_testkit::DoubleConnection),
}

impl Scene {
    pub(crate) async fn on_redis() -> Self {
        let server = RedisServer::start().await;
        let store = Store::open(&server.url()).await.unwrap();
        let raw = Raw::Redis(server.connection().await);
        Self::new(store, raw, Some(server))
    }

    pub(crate) async fn on_double() -> Self {
        let double = Double::new();
        let store = Store::in_process(double.connect(), "bull").await.unwrap();
        Self::new(store, Raw::Double(double.connect()), None)
    }

    fn new(store: Store, raw: Raw, server: Option<RedisServer>) -> Self {
        // The machine's time to begin with, so that a real BullMQ client on the same data would agree.
        let (clock, handle) = Clock::manual(Clock::system().now());
        Self { oxherd: Oxherd::on(store).with_clock(clock), clock: handle, raw, _server: server }
    }

    pub(crate) fn queue(&self, name: &str) -> Queue {
        self.oxherd.queue(name).unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Asks the store itself, past the library.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let (name, arguments) = command.split_first().expect("a command has a name");
        let mut cmd: Cmd = redis::cmd(name);
        for argument in arguments {
            cmd.arg(argument);
        }
        let reply = match self.raw.clone() {
            Raw::Redis(mut raw) => cmd.query_async(&mut raw).await,
            Raw::Double(mut raw) => cmd.query_async(&mut raw).await,
        };
        reply.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The fields of a stored job.
    pub(crate) async fn hash(&self, key: &str) -> std::collections::BTreeMap<String, String> {
        self.ask(&["HGETALL", key]).await
    }

    /// The names of a queue's events so far, in order.
    pub(crate) async fn event_names(&self, queue: &str) -> Vec<String> {
        let entries: Vec<(String, Vec<String>)> = self.ask(&["XRANGE", &format!("bull:{queue}:events"), "-", "+"]).await;
        entries.into_iter().map(|(_, fields)| fields[1].clone()).collect()
    }
}

/// Ends a worker whose jobs are all done.
pub(crate) async fn stop(worker: Worker) {
    worker.stop(PATIENCE).await;
}

/// Writes one behaviour as a test on a real Redis and one on the in-memory double.
macro_rules! on_every_store {
    ($(#[$attribute:meta])* async fn $name:ident($scene:ident: Scene) $body:block) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            async fn behaviour($scene: crate::scene::Scene) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_redis() {
                behaviour(crate::scene::Scene::on_redis().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_the_double() {
                behaviour(crate::scene::Scene::on_double().await).await;
            }
        }
    };
}
pub(crate) use on_every_store;
