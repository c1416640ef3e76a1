//! Commands that wait suspend their own client, and end with it.

use std::thread;

use crate::scene::{Scene, Wire};

/// Waits until so many clients wait.
fn until_blocked(wire: &mut Wire, count: usize) {
    let wanted = format!("blocked_clients:{count}");
    loop {
        wire.send("INFO clients\r\n");
        let length: usize = wire.line()[1..].parse().unwrap();
        let mut text = wire.bytes(length + 2);
        text.truncate(length);
        if String::from_utf8(text)
            .unwrap()
            .lines()
            .any(|line| line == wanted)
        {
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn a_waiting_client_is_served_by_another() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("BLPOP a 0\r\nPING\r\n");
    until_blocked(&mut other, 1);
    other.ask("RPUSH a 1\r\n", ":1\r\n");
    // What was sent behind the waiting command runs after it.
    waiting.expect("*2\r\n$1\r\na\r\n$1\r\n1\r\n+PONG\r\n");
}

#[test]
fn requests_that_come_while_a_client_waits_run_afterwards() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    waiting.send("RPUSH a 2\r\nLLEN a\r\n");
    other.ask("RPUSH a 1\r\n", ":1\r\n");
    waiting.expect("*2\r\n$1\r\na\r\n$1\r\n1\r\n:1\r\n:1\r\n");
}

#[test]
fn waiting_ends_in_time() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask("BLPOP a 0.05\r\nPING\r\n", "*-1\r\n+PONG\r\n");
}

#[test]
fn a_waiting_client_that_leaves_takes_nothing() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    drop(waiting);
    until_blocked(&mut other, 0);
    other.ask("RPUSH a 1\r\nLLEN a\r\n", ":1\r\n:1\r\n");
}

#[test]
fn a_waiting_client_that_is_killed_takes_nothing() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("CLIENT ID\r\n");
    let id = waiting.line().split_off(1);
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    other.ask(format!("CLIENT KILL ID {id}\r\n"), ":1\r\n");
    waiting.expect_closed();
    until_blocked(&mut other, 0);
    other.ask("RPUSH a 1\r\nLLEN a\r\n", ":1\r\n:1\r\n");
}

#[test]
fn a_waiting_client_can_be_unblocked() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("CLIENT ID\r\n");
    let id = waiting.line().split_off(1);
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    other.ask(format!("CLIENT UNBLOCK {id} ERROR\r\n"), ":1\r\n");
    waiting.ask(
        "PING\r\n",
        "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n",
    );
}

#[test]
fn notices_reach_a_waiting_client() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("HELLO 3\r\n");
    while waiting.line() != "*0" {}
    waiting.ask("CLIENT TRACKING ON\r\nGET b\r\n", "+OK\r\n_\r\n");
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    other.ask("SET b 1\r\n", "+OK\r\n");
    waiting.expect(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nb\r\n");
    other.ask("RPUSH a 1\r\n", ":1\r\n");
    waiting.expect("*2\r\n$1\r\na\r\n$1\r\n1\r\n");
}

#[test]
fn shutting_down_ends_waiting() {
    let scene = Scene::new();
    let (mut waiting, mut other) = (scene.connect(), scene.connect());
    waiting.send("BLPOP a 0\r\n");
    until_blocked(&mut other, 1);
    drop(scene.server);
    waiting.expect_closed();
}
