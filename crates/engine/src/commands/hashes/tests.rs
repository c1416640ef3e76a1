//! Hashes as clients see them; the expected texts are those of Redis 7.0.15.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use crate::reply::{Fault, Reply};
use crate::testing::Session;

fn refused(text: &'static str) -> Reply {
    Reply::Error(Fault::of(text))
}

/// A session with a hash of some fields, more than stay small.
fn with_fields(count: usize) -> Session {
    let session = Session::new();
    for number in 0..count {
        session.ask(&format!("HSET h f{number} v{number}"));
    }
    session
}

#[test]
fn fields_are_set_read_and_removed() {
    let session = Session::new();
    assert_eq!(session.ask("HSET h a 1 b 2 a 3"), Reply::Int(2));
    assert_eq!(session.ask("HSET h a 4 c 5"), Reply::Int(1));
    assert_eq!(session.ask("HMSET h d 6"), Reply::OK);
    assert_eq!(session.ask("HGET h a"), Reply::bulk("4"));
    assert_eq!(
        session.ask("HMGET h a none c"),
        Reply::Array(vec![Reply::bulk("4"), Reply::Nil, Reply::bulk("5")])
    );
    assert_eq!(session.ask("HKEYS h"), Reply::bulks(["a", "b", "c", "d"]));
    assert_eq!(session.ask("HVALS h"), Reply::bulks(["4", "2", "5", "6"]));
    assert_eq!(session.ask("HSTRLEN h a"), Reply::Int(1));
    assert_eq!(session.ask("HSETNX h a 9"), Reply::Int(0));
    assert_eq!(session.ask("HDEL h a b none a"), Reply::Int(2));
    assert_eq!(session.ask("HLEN h"), Reply::Int(2));
    assert_eq!(session.ask("HEXISTS h a"), Reply::Int(0));
}

#[test]
fn a_hash_without_fields_is_gone() {
    let session = with_fields(300);
    for number in 0..300 {
        assert_eq!(session.ask(&format!("HDEL h f{number}")), Reply::Int(1));
    }
    assert_eq!(session.ask("EXISTS h"), Reply::Int(0));
    assert_eq!(session.ask("HGETALL h"), Reply::Map(Vec::new()));
}

#[test]
fn a_field_without_a_value_is_refused() {
    let session = Session::new();
    assert_eq!(
        session.ask("HSET h a 1 b"),
        refused("ERR wrong number of arguments for 'hset' command")
    );
    assert_eq!(
        session.ask("HMSET h a 1 b"),
        refused("ERR wrong number of arguments for 'hmset' command")
    );
    assert_eq!(session.ask("EXISTS h"), Reply::Int(0));
}

#[test]
fn numbers_in_fields_are_added_to() {
    let session = Session::new();
    assert_eq!(session.ask("HINCRBY h n 5"), Reply::Int(5));
    assert_eq!(session.ask("HINCRBY h n -7"), Reply::Int(-2));
    assert_eq!(session.ask("HINCRBYFLOAT h n 0.1"), Reply::bulk("-1.9"));
    session.ask("HSET h text x most 9223372036854775807 inf inf");
    for (line, text) in [
        ("HINCRBY h text 1", "ERR hash value is not an integer"),
        ("HINCRBY h n x", "ERR value is not an integer or out of range"),
        ("HINCRBY h most 1", "ERR increment or decrement would overflow"),
        ("HINCRBYFLOAT h text 1", "ERR hash value is not a float"),
        ("HINCRBYFLOAT h n x", "ERR value is not a valid float"),
        ("HINCRBYFLOAT h n inf", "ERR value is NaN or Infinity"),
        (
            "HINCRBYFLOAT h inf 1",
            "ERR increment would produce NaN or Infinity",
        ),
    ] {
        assert_eq!(session.ask(line), refused(text), "{line}");
    }
    assert_eq!(session.ask("HGET h n"), Reply::bulk("-1.9"));
}

#[test]
fn random_fields_come_as_often_as_asked_for() {
    let session = with_fields(200);
    let count = |line: &str| match session.ask(line) {
        Reply::Array(items) => items.len(),
        Reply::Pairs(pairs) => pairs.len(),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(count("HRANDFIELD h 7"), 7);
    assert_eq!(count("HRANDFIELD h 500 WITHVALUES"), 200);
    assert_eq!(count("HRANDFIELD h -500 WITHVALUES"), 500);
    assert_eq!(count("HRANDFIELD h 0"), 0);
    assert_eq!(count("HRANDFIELD none -3"), 0);
    assert_eq!(session.ask("HRANDFIELD none"), Reply::Nil);
    for (line, text) in [
        ("HRANDFIELD h 1 WITH", "ERR syntax error"),
        ("HRANDFIELD h 1 WITHVALUES x", "ERR syntax error"),
        (
            "HRANDFIELD h -9223372036854775808",
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        (
            "HRANDFIELD h 9223372036854775807 WITHVALUES",
            "ERR value is out of range",
        ),
    ] {
        assert_eq!(session.ask(line), refused(text), "{line}");
    }
}

#[test]
fn a_scan_finds_every_field_once() {
    let session = with_fields(1000);
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let reply = session.ask(&format!("HSCAN h {cursor} MATCH f* COUNT 50"));
        let Reply::Array(parts) = reply else {
            panic!("{reply:?}")
        };
        let [Reply::Bulk(next), Reply::Array(items)] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert!(items.len() <= 102);
        found.extend(items.chunks(2).map(|pair| format!("{pair:?}")));
        cursor = String::from_utf8(next.clone()).unwrap();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1000);
}

#[test]
fn the_options_of_a_scan_are_read_only_if_there_is_a_hash() {
    let session = with_fields(1);
    let nothing = Reply::Array(vec![Reply::bulk("0"), Reply::Array(Vec::new())]);
    assert_eq!(session.ask("HSCAN none 0 COUNT x"), nothing);
    assert_eq!(session.ask("HSCAN h 0 MATCH x*"), nothing);
    for (line, text) in [
        ("HSCAN none x", "ERR invalid cursor"),
        ("HSCAN h 0 COUNT x", "ERR value is not an integer or out of range"),
        ("HSCAN h 0 COUNT 0", "ERR syntax error"),
        ("HSCAN h 0 TYPE hash", "ERR syntax error"),
    ] {
        assert_eq!(session.ask(line), refused(text), "{line}");
    }
}
