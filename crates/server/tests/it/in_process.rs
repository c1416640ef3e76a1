//! A server whose store is in its own process, and what Redis clients can do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use oxherd_server::config::{Config, Flags};
use oxherd_server::serve::Server;
use oxherd_testkit::TestStore;
use redis::aio::MultiplexedConnection;

use crate::client::Client;
use crate::scene::SOON;

fn config(store: &str) -> Config {
    let flags = Flags {
        store: Some(store.to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        resp: Some("127.0.0.1:0".to_owned()),
        ..Flags::default()
    };
    Config::resolve(&flags, &BTreeMap::new(), None).unwrap()
}

async fn connect(address: &str) -> MultiplexedConnection {
    let client = redis::Client::open(format!("redis://{address}/")).unwrap();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.unwrap()
}

/// Says a command until its answer contains this.
async fn until(connection: &mut MultiplexedConnection, command: &str, wanted: &str) {
    let asking = ask_until(connection, command, wanted);
    tokio::time::timeout(SOON, asking).await.unwrap();
}

async fn ask_until(connection: &mut MultiplexedConnection, command: &str, wanted: &str) {
    loop {
        let mut cmd = redis::Cmd::new();
        command.split(' ').for_each(|word| {
            cmd.arg(word);
        });
        let said = match cmd.query_async::<redis::Value>(connection).await {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        if said.to_lowercase().contains(wanted) {
            return;
        }
    }
}

// With several threads, so that one that is kept fails the test and does not stop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_script_that_does_not_end_makes_the_server_unready_and_nothing_worse() {
    let on_disk = TestStore::on_disk();
    for store in ["memory:", &on_disk.url()] {
        is_unready_while_a_script_does_not_end(store).await;
    }
}

async fn is_unready_while_a_script_does_not_end(store: &str) {
    let server = Server::start(config(store)).await.unwrap();
    let client = Client::new(server.address());
    let address = server.resp_address().unwrap();
    let (mut first, mut second) = (connect(&address).await, connect(&address).await);
    let mut setting = redis::cmd("CONFIG");
    setting.arg("SET").arg("busy-reply-threshold").arg(50);
    setting.exec_async(&mut second).await.unwrap();
    assert_eq!(client.get("/health/ready").await.status, 200);

    let running = tokio::spawn(async move {
        let script = "redis.call('set', 'a', '1') while true do end";
        let endless = redis::cmd("EVAL").arg(script).arg(0).to_owned();
        endless.exec_async(&mut first).await
    });
    until(&mut second, "GET a", "busy").await;
    for _ in 0..3 {
        let ready = tokio::time::timeout(SOON, client.get("/health/ready"))
            .await
            .unwrap();
        assert_eq!(ready.status, 503, "{ready:?}");
    }
    assert_eq!(client.get("/health/live").await.status, 200);

    until(&mut second, "SCRIPT KILL", "ok").await;
    assert!(running.await.unwrap().is_err());
    assert_eq!(client.get("/health/ready").await.status, 200);
    tokio::time::timeout(SOON, server.stop(Duration::ZERO))
        .await
        .unwrap();
}
