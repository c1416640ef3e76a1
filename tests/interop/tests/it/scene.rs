//! One store, a Node peer on it, and Oxherd on it.
//!
//! A directory is held by Oxherd in this process, with every answer on the disk before it leaves; Node uses a port of
//! the engine in it, other Oxherd processes the directory's socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use oxherd::engine::{Address, Server};
use oxherd::{JobContext, Outcome, Oxherd, Queue, Worker};
use oxherd_interop::Peer;
use oxherd_testkit::{TestStore, eventually};
use redis::FromRedisValue;
use serde_json::{Value, json};

/// How long a test waits for what should happen at once, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The queue most tests play on.
pub(crate) const QUEUE: &str = "mail";

pub(crate) struct Scene {
    pub(crate) peer: Peer,
    pub(crate) oxherd: Oxherd,
    pub(crate) store: TestStore,
    /// Where Redis clients reach a directory.
    port: Option<Server>,
}

impl Scene {
    pub(crate) async fn new(store: TestStore) -> Self {
        let oxherd = Oxherd::connect(&store.url()).await.unwrap();
        let port = oxherd.store().engine().map(|engine| {
            let endpoint = engine.endpoint();
            let endpoint = endpoint.listen_on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            endpoint.spawn_thread().unwrap()
        });
        let peer = Peer::start(&url_for_node(&store, port.as_ref())).await;
        Self {
            peer,
            oxherd,
            store,
            port,
        }
    }

    /// The store as Redis clients reach it.
    pub(crate) fn url_for_node(&self) -> String {
        url_for_node(&self.store, self.port.as_ref())
    }

    /// Oxherd's handle on the queue.
    pub(crate) fn queue(&self) -> Queue {
        self.oxherd.queue(QUEUE).unwrap()
    }

    /// Has Node do something on the queue.
    pub(crate) async fn node(&self, op: &str, mut arguments: Value) -> Value {
        if arguments.get("queue").is_none() {
            arguments["queue"] = json!(QUEUE);
        }
        self.peer.call(op, arguments).await
    }

    /// Has Node add a job, and answers its id.
    pub(crate) async fn node_adds(&self, name: &str, data: Value, opts: Value) -> String {
        let job = self
            .node("queue.add", json!({"name": name, "data": data, "opts": opts}))
            .await;
        job["id"].as_str().unwrap().to_owned()
    }

    /// The job as Node reads it, its state included.
    pub(crate) async fn node_job(&self, id: &str) -> Value {
        self.node("job.get", json!({"job": id})).await
    }

    /// Waits until Node sees the job in this state, and answers the job.
    pub(crate) async fn node_sees(&self, id: &str, state: &str) -> Value {
        eventually(&format!("node sees job {id} {state}"), PATIENCE, async || {
            self.node("job.state", json!({"job": id})).await == state
        })
        .await;
        self.node_job(id).await
    }

    /// Waits until so many jobs are in this state, as Node counts them.
    pub(crate) async fn node_counts(&self, state: &str, count: u64) {
        eventually(
            &format!("node counts {count} jobs {state}"),
            PATIENCE,
            async || self.node("queue.counts", json!({"states": [state]})).await[state] == count,
        )
        .await;
    }

    /// Starts a Node worker named `node` on the queue.
    pub(crate) async fn node_works(&self, handler: Value, options: Value) {
        self.node(
            "worker.start",
            json!({"worker": "node", "handler": handler, "options": options}),
        )
        .await;
    }

    /// Waits until so many idle workers block on the marker.
    pub(crate) async fn until_listening(&self, workers: usize) {
        eventually(&format!("{workers} idle workers listen"), PATIENCE, async || {
            let clients: String = self.ask(&["CLIENT", "LIST"]).await;
            clients
                .lines()
                .filter(|client| client.contains("cmd=bzpopmin"))
                .count()
                == workers
        })
        .await;
    }

    /// Asks the store itself, past both libraries.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let (name, arguments) = command.split_first().expect("a command has a name");
        let mut cmd = redis::cmd(name);
        cmd.arg(arguments);
        cmd.query_async(&mut self.store.connection().await)
            .await
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }
}

fn url_for_node(store: &TestStore, port: Option<&Server>) -> String {
    match port.map(Server::addresses) {
        None => store.url(),
        Some([Address::Tcp(address)]) => format!("redis://{address}"),
        Some(other) => panic!("the engine listens on {other:?}"),
    }
}

/// Returns what it was given, as the peer's handler of that name.
pub(crate) async fn echo(data: Value, _context: JobContext) -> Outcome<Value> {
    Ok(data)
}

/// Ends a worker whose jobs are all done.
pub(crate) async fn stop(worker: Worker) {
    let report = worker.stop(PATIENCE).await;
    assert_eq!((report.given_back, report.unreported), (0, 0), "{report:?}");
}
