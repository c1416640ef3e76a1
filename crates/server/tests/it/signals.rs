//! What ends a server that runs for the command line.

use std::net::SocketAddr;

use oxherd_server::config::Config;
use oxherd_server::serve::run;
use oxherd_testkit::{TestStore, eventually};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::scene::{SOON, config};

type Ran = JoinHandle<Option<oxherd::StopReport>>;

async fn start(settings: Config) -> (Ran, Client) {
    let (tell, started) = oneshot::channel::<SocketAddr>();
    let ran = tokio::spawn(async move {
        run(settings, |running| tell.send(running.address()).unwrap())
            .await
            .unwrap()
    });
    (ran, Client::new(started.await.unwrap()))
}

/// Sends a signal to this process, where only the server listens to it.
fn signal(name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &std::process::id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Takes connections and never says a word.
async fn silent_receiver() -> (JoinHandle<()>, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    (task, port)
}

// One test, since signals reach every server of the process.
#[tokio::test]
async fn the_first_signal_stops_in_good_order_and_the_second_at_once() {
    for store in [TestStore::on_redis().await, TestStore::on_disk()] {
        stop_in_good_order_and_at_once(&store).await;
    }
}

async fn stop_in_good_order_and_at_once(store: &TestStore) {
    let (ran, client) = start(config(store, "")).await;
    client.get("/health/ready").await;
    signal("TERM");
    let report = tokio::time::timeout(SOON, ran).await.unwrap().unwrap();
    assert_eq!(report, Some(oxherd::StopReport::default()));

    let (_receiver, port) = silent_receiver().await;
    let table = format!(
        "shutdown_grace = '60s'\n[[webhooks]]\nqueues = ['hooks']\nallow_networks = ['127.0.0.0/8']\nallow_ports = \
         [{port}]\ntimeout = '50s'\n"
    );
    let (ran, client) = start(config(store, &table)).await;
    let job = json!({"name": "x", "data": {"url": format!("http://127.0.0.1:{port}/"), "body": 1}});
    client
        .post("/api/v1/queues/hooks/jobs", &job.to_string())
        .await
        .ok(202);
    let path = "/api/v1/queues/hooks/jobs/1";
    eventually("the delivery is under way", SOON, async || {
        client.get(path).await.ok(200)["state"] == "active"
    })
    .await;
    signal("INT");
    eventually("the server drains", SOON, async || {
        client.get("/health/ready").await.status == 503
    })
    .await;
    assert_eq!(
        client.get(path).await.ok(200)["state"],
        "active",
        "the running job has its grace"
    );
    signal("TERM");
    let report = tokio::time::timeout(SOON, ran).await.unwrap().unwrap();
    let given_back = oxherd::StopReport {
        finished: 0,
        given_back: 1,
        unreported: 0,
    };
    assert_eq!(report, Some(given_back), "the grace of a minute is over at once");
    let queue = oxherd::Oxherd::connect(&store.url())
        .await
        .unwrap()
        .queue("hooks")
        .unwrap();
    let job = queue.job(&oxherd::JobId::existing("1")).await.unwrap().unwrap();
    assert_eq!(
        (job.state, job.record.attempts_made),
        (oxherd::JobState::Waiting, 0)
    );
}
