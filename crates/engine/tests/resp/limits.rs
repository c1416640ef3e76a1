//! Limits on each client, and what happens beyond them.

use std::time::Duration;

use oxherd_engine::{Limits, Options};

use crate::scene::{Scene, bulk, request};

#[test]
fn a_client_without_the_password_may_send_little() {
    let scene = Scene::with(Options::default().password("secret"), Limits::default());
    let mut wire = scene.connect();
    wire.ask("SET a 1\r\n", "-NOAUTH Authentication required.\r\n");
    wire.send("*11\r\n");
    assert_eq!(
        wire.rest(),
        b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    let mut wire = scene.connect();
    wire.send("*1\r\n$16385\r\n");
    assert_eq!(
        wire.rest(),
        b"-ERR Protocol error: unauthenticated bulk length\r\n"
    );
}

#[test]
fn a_value_beyond_the_limit_is_refused_by_its_announcement() {
    let scene = Scene::with_limits(Limits::default().max_bulk(1000));
    let mut wire = scene.connect();
    wire.request(&[b"SET", b"a", &[b'v'; 1000]]);
    wire.expect("+OK\r\n");
    wire.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1001\r\n");
    assert_eq!(wire.rest(), b"-ERR Protocol error: invalid bulk length\r\n");
}

#[test]
fn too_many_arguments_are_refused_by_their_announcement() {
    let scene = Scene::with_limits(Limits::default().max_arguments(5));
    let mut wire = scene.connect();
    wire.ask(
        "*5\r\n$6\r\nEXISTS\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n",
        ":0\r\n",
    );
    wire.send("*6\r\n");
    assert_eq!(wire.rest(), b"-ERR Protocol error: invalid multibulk length\r\n");
}

#[test]
fn requests_beyond_the_buffer_close_without_a_word() {
    let scene = Scene::with_limits(Limits::default().max_request_buffer(100_000));
    let mut wire = scene.connect();
    wire.send(b"*2\r\n$3\r\nGET\r\n$200000\r\n");
    wire.send(vec![b'a'; 150_000]);
    wire.expect_closed();
}

#[test]
fn a_client_that_reads_no_replies_is_dropped() {
    let scene = Scene::with_limits(Limits::default().max_unread_replies(20_000_000));
    let mut wire = scene.connect();
    let value = vec![b'v'; 1_000_000];
    wire.request(&[b"SET", b"a", &value]);
    wire.expect("+OK\r\n");
    wire.send(request(&[b"GET", b"a"]).repeat(200));
    let seen = wire.rest().len();
    assert!(seen < 200 * value.len(), "{seen}");
    scene.connect().ask("STRLEN a\r\n", ":1000000\r\n");
}

#[test]
fn a_slow_reader_gets_everything() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let value = vec![b'v'; 1_000_000];
    wire.request(&[b"SET", b"a", &value]);
    wire.expect("+OK\r\n");
    wire.send(request(&[b"GET", b"a"]).repeat(30));
    let mut other = scene.connect();
    for _ in 0..30 {
        // By the time this is answered, the other client's socket has long been full.
        other.ask("STRLEN a\r\n", ":1000000\r\n");
        wire.expect(bulk(&value));
    }
}

#[test]
fn an_idle_client_is_closed_if_asked_for() {
    let scene = Scene::with_limits(Limits::default().idle_timeout(Duration::from_millis(100)));
    let mut wire = scene.connect();
    wire.ask("SET a 1\r\n", "+OK\r\n");
    wire.expect_closed();
}

#[test]
fn a_stranger_that_reads_nothing_is_dropped_soon() {
    let scene = Scene::with(Options::default().password("secret"), Limits::default());
    let mut wire = scene.connect();
    let refused = "PING\r\n".repeat(100_000);
    let mut sent = 0;
    while wire.try_send(&refused) {
        sent += 1;
        assert!(sent < 100, "a stranger may leave 300 MB unread");
    }
}

#[test]
fn a_transaction_takes_no_more_than_the_request_buffer() {
    let scene = Scene::with_limits(Limits::default().max_request_buffer(1_000_000));
    let mut wire = scene.connect();
    wire.ask("MULTI\r\n", "+OK\r\n");
    // It may be closed before all of it has left.
    let _ = wire.try_send(request(&[b"SET", b"a", &[b'v'; 100_000]]).repeat(30));
    let answers = String::from_utf8(wire.rest()).unwrap();
    assert!(answers.lines().count() < 15, "{answers}");
    let mut wire = scene.connect();
    wire.ask("MULTI\r\n", "+OK\r\n");
    // Many small arguments take more than they have on the wire.
    let _ = wire.try_send(request(&[b"DEL".as_slice(); 1000]).repeat(1000));
    assert!(wire.rest().len() < 1000 * "+QUEUED\r\n".len() / 10);
}

#[test]
fn a_client_that_has_waited_is_not_idle_when_it_is_answered() {
    let scene = Scene::with_limits(Limits::default().idle_timeout(Duration::from_secs(1)));
    let mut wire = scene.connect();
    wire.ask("BLPOP a 1.5\r\n", "*-1\r\n");
    wire.ask("PING\r\n", "+PONG\r\n");
    wire.expect_closed();
}

#[test]
fn any_time_may_be_asked_for_as_keepalive() {
    for time in [
        Duration::ZERO,
        Duration::from_millis(10),
        Duration::from_secs(1_000_000),
    ] {
        let scene = Scene::with_limits(Limits::default().tcp_keepalive(time));
        scene.connect().ask("PING\r\n", "+PONG\r\n");
    }
}
