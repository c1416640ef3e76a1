//! All that npm bullmq and Bull Board do, on two servers: the documents of what they observed must be equal.
//!
//! The programs are in `node/tour`; each runs on a server of its own, one after the other.
//! Next: `tour/tools.rs` (redis-cli and redis-benchmark).

mod tools;

use std::net::{Ipv4Addr, SocketAddr};

use oxherd_engine::{Address, Engine, Server};
use oxherd_interop::{keys, observed};
use oxherd_testkit::RedisServer;
use serde_json::Value;

/// An engine of its own with a port; it ends with the value.
struct Candidate {
    server: Server,
}

impl Candidate {
    fn start() -> Self {
        let endpoint = Engine::in_memory().endpoint();
        let server = endpoint.listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self {
            server: server.spawn_thread().unwrap(),
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

/// Runs the program on Redis and on the candidate, and compares what it observed.
async fn observes_the_same(program: &str, package: &str, version: &str) {
    let redis = RedisServer::start().await;
    let expected = observed(program, package, &redis.url()).await;
    drop(redis);
    let candidate = Candidate::start();
    let found = observed(program, package, &candidate.url()).await;
    assert_eq!(
        expected["bullmq"], version,
        "wrong bullmq: run `npm ci` in tests/interop/node"
    );
    assert_complete(&expected);
    let differences = keys::differences_between(["redis", "engine"], &expected, &found);
    assert!(
        differences.is_empty(),
        "{program} {package} observed something else on the engine than on Redis:\n{differences}"
    );
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
