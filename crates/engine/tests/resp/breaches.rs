//! Breaches of the protocol: answered with Redis's words, then that client is closed and no other.

use crate::scene::Scene;

/// What is sent, and all that comes back before the end.
#[track_caller]
fn assert_closed_with(input: &[u8], answer: &str) {
    let scene = Scene::new();
    let mut other = scene.connect();
    other.ask("SET a 1\r\n", "+OK\r\n");
    let mut wire = scene.connect();
    wire.send(input);
    assert_eq!(String::from_utf8(wire.rest()).unwrap(), answer);
    other.ask("GET a\r\n", "$1\r\n1\r\n");
}

#[test]
fn a_breach_is_named_and_closes_its_client_alone() {
    assert_closed_with(b"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n");
    assert_closed_with(b"*1\r\n$x\r\n", "-ERR Protocol error: invalid bulk length\r\n");
    assert_closed_with(
        b"*1\r\n+GET\r\n",
        "-ERR Protocol error: expected '$', got '+'\r\n",
    );
    assert_closed_with(
        b"GET \"a\r\n",
        "-ERR Protocol error: unbalanced quotes in request\r\n",
    );
    assert_closed_with(&[b'a'; 65_537], "-ERR Protocol error: too big inline request\r\n");
}

#[test]
fn requests_before_a_breach_are_answered_and_those_behind_it_are_not() {
    assert_closed_with(
        b"SET b 1\r\nGET b\r\n*1\r\n$x\r\nGET b\r\n",
        "+OK\r\n$1\r\n1\r\n-ERR Protocol error: invalid bulk length\r\n",
    );
}

#[test]
fn a_client_that_speaks_http_is_closed_without_a_word() {
    assert_closed_with(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 2\r\n", "");
    assert_closed_with(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET a 2\r\n", "");
}

#[test]
fn an_unknown_command_closes_nothing() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.ask(
        "foo bar\r\n",
        "-ERR unknown command 'foo', with args beginning with: 'bar' \r\n",
    );
    wire.ask("SET a 1\r\n", "+OK\r\n");
}
