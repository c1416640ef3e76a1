//! What reaches a client unasked: messages, notices of changed keys, lines of MONITOR.

use oxherd_engine::Limits;

use crate::scene::{Scene, Wire, bulk, request};

fn resp3(scene: &Scene) -> Wire {
    let mut wire = scene.connect();
    wire.send("HELLO 3\r\n");
    while wire.line() != "*0" {}
    wire
}

#[test]
fn messages_reach_subscribers_of_both_protocols() {
    let scene = Scene::new();
    let (mut old, mut new, mut publisher) = (scene.connect(), resp3(&scene), scene.connect());
    old.ask("SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    new.ask(
        "PSUBSCRIBE a*\r\n",
        ">3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n",
    );
    publisher.ask("PUBLISH a hello\r\n", ":2\r\n");
    old.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nhello\r\n");
    new.expect(">4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$5\r\nhello\r\n");
}

#[test]
fn each_subscription_is_confirmed_where_its_command_stands() {
    let scene = Scene::new();
    let mut wire = resp3(&scene);
    wire.send("PING\r\nSUBSCRIBE a b\r\nPING\r\nUNSUBSCRIBE a\r\nPING\r\n");
    wire.expect(
        "+PONG\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
    );
    wire.expect("+PONG\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n+PONG\r\n");
}

#[test]
fn an_own_message_stands_before_the_reply() {
    let scene = Scene::new();
    let mut wire = resp3(&scene);
    wire.send("SUBSCRIBE a\r\nPUBLISH a 1\r\nPING\r\n");
    wire.expect(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    wire.expect(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n:1\r\n+PONG\r\n");
}

#[test]
fn an_own_notice_of_a_changed_key_stands_behind_the_reply() {
    let scene = Scene::new();
    let mut wire = resp3(&scene);
    wire.send("CLIENT TRACKING ON\r\nGET a\r\nSET a 1\r\nPING\r\n");
    wire.expect("+OK\r\n_\r\n+OK\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n+PONG\r\n");
}

#[test]
fn others_changes_are_noticed() {
    let scene = Scene::new();
    let (mut wire, mut other) = (resp3(&scene), scene.connect());
    wire.ask("CLIENT TRACKING ON\r\nGET a\r\n", "+OK\r\n_\r\n");
    other.ask("SET a 1\r\n", "+OK\r\n");
    wire.expect(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
}

#[test]
fn a_monitor_sees_commands() {
    let scene = Scene::new();
    let (mut monitor, mut other) = (scene.connect(), scene.connect());
    monitor.ask("MONITOR\r\n", "+OK\r\n");
    other.ask("SET a \"b c\"\r\n", "+OK\r\n");
    let line = monitor.line();
    let expected = format!(" [0 {}] \"SET\" \"a\" \"b c\"", other.local());
    assert!(line.starts_with('+') && line.ends_with(&expected), "{line}");
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped() {
    let scene = Scene::with_limits(Limits::default().max_unread_pushes(10_000_000));
    let (mut slow, mut publisher) = (scene.connect(), scene.connect());
    slow.ask("SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    let message = vec![b'm'; 1_000_000];
    let mut sent = 0;
    loop {
        publisher.request(&[b"PUBLISH", b"a", &message]);
        if publisher.line() == ":0" {
            break;
        }
        sent += 1;
        assert!(sent < 200, "a subscriber may keep 200 MB waiting");
    }
    let seen = slow.rest().len();
    assert!(seen < sent * message.len(), "{seen}");
}

#[test]
fn a_subscriber_that_leaves_too_much_unread_for_too_long_is_dropped() {
    let time = std::time::Duration::from_millis(100);
    let scene = Scene::with_limits(Limits::default().max_lasting_unread_pushes((1000, time)));
    let (mut slow, mut publisher) = (scene.connect(), scene.connect());
    slow.ask("SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    // More than any socket buffer takes, and less than the limit for one moment.
    let message = vec![b'm'; 20_000_000];
    publisher.request(&[b"PUBLISH", b"a", &message]);
    publisher.expect(":1\r\n");
    while {
        publisher.send("PUBSUB NUMSUB a\r\n");
        publisher.expect("*2\r\n$1\r\na\r\n");
        publisher.line() == ":1"
    } {}
    assert!(slow.rest().len() < message.len());
}

#[test]
fn messages_wait_until_a_long_reply_has_left() {
    let scene = Scene::new();
    let (mut wire, mut publisher) = (resp3(&scene), scene.connect());
    let value = vec![b'v'; 10_000_000];
    wire.request(&[b"SET", b"large", &value]);
    wire.expect("+OK\r\n");
    wire.ask("SUBSCRIBE a\r\n", ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    wire.send("GET large\r\n");
    assert_eq!(wire.line(), "$10000000");
    publisher.ask("PUBLISH a 1\r\n", ":1\r\n");
    wire.expect(&bulk(&value)["$10000000\r\n".len()..]);
    wire.expect(">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n");
}

#[test]
fn a_subscriber_that_reads_gets_a_pipeline_of_large_messages() {
    let scene = Scene::new();
    let (mut subscriber, mut publisher) = (scene.connect(), scene.connect());
    subscriber.ask("SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    // Together more than may be left unread.
    let (message, count) = (vec![b'm'; 1_000_000], 34);
    let reading = std::thread::spawn({
        let bulk = bulk(&message);
        move || {
            for _ in 0..count {
                subscriber.expect("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n");
                subscriber.expect(&bulk);
            }
        }
    });
    publisher.send(request(&[b"PUBLISH", b"a", &message]).repeat(count));
    publisher.expect(":1\r\n".repeat(count));
    reading.join().unwrap();
}
