//! All that npm bullmq and Bull Board do, on Redis, on the engine in memory and on the engine in a directory: the
//! documents of what they observed must be equal.
//!
//! The programs are in `node/tour`; each runs on a server of its own, one after the other.
//! Next: `tour/tools.rs` (redis-cli and redis-benchmark).

mod tools;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use oxherd_engine::{Address, Engine, Fsync, Options, Server};
use oxherd_interop::{keys, observed};
use oxherd_testkit::RedisServer;
use serde_json::Value;
use tempfile::TempDir;

/// An engine of its own with a port; it ends with the value.
struct Candidate {
    server: Server,
    directory: Option<TempDir>,
}

impl Candidate {
    fn in_memory() -> Self {
        Self::on(&Engine::in_memory(), None)
    }

    /// Every answer is on the disk before it leaves.
    fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let engine = Options::default().fsync(Fsync::Always).open(directory.path());
        Self::on(&engine.unwrap(), Some(directory))
    }

    fn on(engine: &Engine, directory: Option<TempDir>) -> Self {
        let endpoint = engine.endpoint();
        let server = endpoint.listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self {
            server: server.spawn_thread().unwrap(),
            directory,
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    fn port(&self) -> u16 {
        match self.server.addresses() {
            [Address::Tcp(address)] => address.port(),
            other => panic!("the engine listens on {other:?}"),
        }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.directory.is_some() {
            "in a directory"
        } else {
            "in memory"
        })
    }
}

/// Runs the program on Redis and on the candidates, and compares what it observed.
async fn observes_the_same(program: &str, package: &str, version: &str) {
    let redis = RedisServer::start().await;
    let expected = observed(program, package, &redis.url()).await;
    drop(redis);
    assert_eq!(
        expected["bullmq"], version,
        "wrong bullmq: run `npm ci` in tests/interop/node"
    );
    assert_complete(&expected);
    for candidate in [Candidate::in_memory(), Candidate::on_disk()] {
        let found = observed(program, package, &candidate.url()).await;
        let differences = keys::differences_between(["redis", "engine"], &expected, &found);
        assert!(
            differences.is_empty(),
            "{program} {package} observed something else on the engine {candidate} than on Redis:\n{differences}"
        );
    }
}

/// A program that ends early on both sides would prove nothing.
fn assert_complete(document: &Value) {
    let text = document.to_string();
    assert!(
        !text.contains("ends early"),
        "the program does not run through on Redis: {text:.2000}"
    );
}

#[tokio::test]
async fn the_tour_on_the_engine_equals_the_tour_on_redis() {
    observes_the_same("tour.mjs", "bullmq", "6.7.0").await;
}

#[tokio::test]
async fn the_tour_of_version_5_on_the_engine_equals_the_tour_on_redis() {
    observes_the_same("tour.mjs", "bullmq-5", "5.81.5").await;
}

#[tokio::test]
async fn bull_board_on_the_engine_equals_bull_board_on_redis() {
    observes_the_same("board.mjs", "bullmq", "6.7.0").await;
}

#[tokio::test]
async fn bull_board_with_version_5_on_the_engine_equals_the_same_on_redis() {
    observes_the_same("board.mjs", "bullmq-5", "5.81.5").await;
}
