//! Blocking commands on the double: who waits, who is served, and what a dropped future leaves behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::time::Duration;

use oxherd_testkit::{Double, DoubleConnection, eventually};
use redis::{AsyncTypedCommands as _, RedisResult, Script, cmd};

const DEADLINE: Duration = Duration::from_secs(10);

/// Id, and fields with their values.
type Entry = (String, Vec<String>);

type Popped = Option<(String, String, f64)>;

async fn pop(mut connection: DoubleConnection, key: &str, seconds: f64) -> RedisResult<Popped> {
    cmd("BZPOPMIN")
        .arg(key)
        .arg(seconds)
        .query_async(&mut connection)
        .await
}

#[tokio::test]
async fn a_blocked_pop_wakes_for_its_key() {
    let double = Double::new();
    let waiting = tokio::spawn(pop(double.connect(), "marker", 0.0));
    let mut connection = double.connect();
    eventually("the client waits", DEADLINE, async || {
        double.blocked_clients() == 1
    })
    .await;
    connection.zadd("other", "x", 1).await.unwrap();
    assert!(!waiting.is_finished());
    connection.zadd("marker", "job", 7).await.unwrap();
    let popped = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(popped, Some(("marker".to_owned(), "job".to_owned(), 7.0)));
    assert!(!connection.exists("marker").await.unwrap());
}

#[tokio::test]
async fn a_script_wakes_a_blocked_pop_once_it_is_done() {
    let double = Double::new();
    let waiting = tokio::spawn(pop(double.connect(), "marker", 0.0));
    eventually("the client waits", DEADLINE, async || {
        double.blocked_clients() == 1
    })
    .await;
    let script = Script::new("redis.call('ZADD', KEYS[1], 5, 'a') redis.call('ZADD', KEYS[1], 1, 'b')");
    let () = script
        .key("marker")
        .invoke_async(&mut double.connect())
        .await
        .unwrap();
    let popped = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(popped.unwrap().1, "b");
}

#[tokio::test]
async fn blocked_pops_are_served_in_order_of_arrival() {
    let double = Double::new();
    let (sender, mut served) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..5 {
        let (sender, connection) = (sender.clone(), double.connect());
        tokio::spawn(async move {
            let popped = pop(connection, "marker", 0.0).await.unwrap().unwrap();
            sender.send((number, popped.1)).unwrap();
        });
        eventually("the client waits", DEADLINE, async || {
            double.blocked_clients() == number + 1
        })
        .await;
    }
    let mut connection = double.connect();
    for number in 0..5 {
        connection
            .zadd("marker", format!("job{number}"), number)
            .await
            .unwrap();
        let next = tokio::time::timeout(DEADLINE, served.recv())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(next, (number, format!("job{number}")));
    }
}

#[tokio::test]
async fn a_pop_gives_up_after_its_time() {
    let double = Double::new();
    assert_eq!(pop(double.connect(), "marker", 0.02).await.unwrap(), None);
}

#[tokio::test]
async fn a_dropped_pop_takes_nothing_and_holds_nobody_up() {
    let double = Double::new();
    let first = tokio::time::timeout(Duration::from_millis(20), pop(double.connect(), "marker", 0.0)).await;
    assert!(first.is_err());
    assert_eq!(double.blocked_clients(), 0);
    let waiting = tokio::spawn(pop(double.connect(), "marker", 0.0));
    double.connect().zadd("marker", "job", 1).await.unwrap();
    let popped = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(popped.unwrap().1, "job");
}

#[tokio::test]
async fn a_blocked_read_sees_what_comes_after_the_call() {
    let double = Double::new();
    let mut connection = double.connect();
    cmd("XADD")
        .arg("events")
        .arg("1-1")
        .arg("n")
        .arg("old")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let mut reader = double.connect();
    let waiting = tokio::spawn(async move {
        let mut read = cmd("XREAD");
        read.arg("BLOCK")
            .arg(0)
            .arg("STREAMS")
            .arg("none")
            .arg("events")
            .arg("$")
            .arg("$");
        let reply: Vec<(String, Vec<Entry>)> = read.query_async(&mut reader).await.unwrap();
        reply
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    cmd("XADD")
        .arg("events")
        .arg("2-1")
        .arg("n")
        .arg("new")
        .exec_async(&mut connection)
        .await
        .unwrap();
    let reply = tokio::time::timeout(DEADLINE, waiting).await.unwrap().unwrap();
    let entry = ("2-1".to_owned(), vec!["n".to_owned(), "new".to_owned()]);
    assert_eq!(reply, [("events".to_owned(), vec![entry])]);
}

#[tokio::test]
async fn a_blocked_read_gives_up_after_its_time() {
    let mut connection = Double::new().connect();
    let mut read = cmd("XREAD");
    read.arg("BLOCK").arg(10).arg("STREAMS").arg("events").arg("$");
    let reply: Option<Vec<String>> = read.query_async(&mut connection).await.unwrap();
    assert_eq!(reply, None);
}
