//! Sets as clients see them; the expected texts are those of Redis 7.0.15.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
use crate::reply::{Fault, Reply};
use crate::testing::Session;

fn refused(text: &'static str) -> Reply {
    Reply::Error(Fault::of(text))
}

/// A reply of members, sorted.
fn members(reply: Reply) -> Vec<String> {
    let (Reply::Set(items) | Reply::Array(items)) = reply else {
        panic!("{reply:?}")
    };
    let text = |item| match item {
        Reply::Bulk(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    };
    let mut members: Vec<String> = items.into_iter().map(text).collect();
    members.sort();
    members
}

#[test]
fn members_are_added_found_and_removed() {
    let session = Session::new();
    assert_eq!(session.ask("SADD s 3 1 2 1"), Reply::Int(3));
    assert_eq!(session.ask("OBJECT ENCODING s"), Reply::bulk("intset"));
    assert_eq!(session.ask("SADD s a 1"), Reply::Int(1));
    assert_eq!(session.ask("OBJECT ENCODING s"), Reply::bulk("hashtable"));
    assert_eq!(members(session.ask("SMEMBERS s")), ["1", "2", "3", "a"]);
    assert_eq!(session.ask("SISMEMBER s 2"), Reply::Int(1));
    assert_eq!(
        session.ask("SMISMEMBER s 2 02 a"),
        Reply::Array(vec![Reply::Int(1), Reply::Int(0), Reply::Int(1)])
    );
    assert_eq!(session.ask("SREM s 1 none 2 3 a"), Reply::Int(4));
    assert_eq!(session.ask("EXISTS s"), Reply::Int(0));
}

#[test]
fn a_member_moves_from_one_set_to_another() {
    let session = Session::new();
    session.ask("SADD from a b");
    session.ask("SET text x");
    assert_eq!(session.ask("SMOVE from to a"), Reply::Int(1));
    assert_eq!(session.ask("SMOVE from to none"), Reply::Int(0));
    assert_eq!(session.ask("SMOVE from from b"), Reply::Int(1));
    assert_eq!(session.ask("SMOVE none text b"), Reply::Int(0));
    assert_eq!(
        session.ask("SMOVE from text b"),
        refused("WRONGTYPE Operation against a key holding the wrong kind of value")
    );
    assert_eq!(session.ask("SMOVE from to b"), Reply::Int(1));
    assert_eq!(session.ask("EXISTS from"), Reply::Int(0));
    assert_eq!(members(session.ask("SMEMBERS to")), ["a", "b"]);
}

#[test]
fn sets_are_intersected_united_and_subtracted() {
    let session = Session::new();
    session.ask("SADD a 1 2 3 4");
    session.ask("SADD b 2 4 x");
    session.ask("SADD c 4 x y");
    assert_eq!(members(session.ask("SINTER a b c")), ["4"]);
    assert_eq!(members(session.ask("SINTER a none b")), [""; 0]);
    assert_eq!(
        members(session.ask("SUNION a none c")),
        ["1", "2", "3", "4", "x", "y"]
    );
    assert_eq!(members(session.ask("SDIFF a b c")), ["1", "3"]);
    assert_eq!(members(session.ask("SDIFF a b a")), [""; 0]);
    assert_eq!(session.ask("SUNIONSTORE a a b"), Reply::Int(5));
    assert_eq!(session.ask("SDIFFSTORE a a b"), Reply::Int(2));
    assert_eq!(session.ask("OBJECT ENCODING a"), Reply::bulk("intset"));
    assert_eq!(session.ask("SINTERSTORE a a b"), Reply::Int(0));
    assert_eq!(session.ask("EXISTS a"), Reply::Int(0));
}

#[test]
fn a_long_subtraction_is_the_same_either_way() {
    let session = Session::new();
    for number in 0..200 {
        session.ask(&format!("SADD large {number}"));
    }
    // Many small sets make removing from a copy the cheaper way.
    let mut line = "SDIFF large".to_owned();
    for number in 0..20 {
        session.ask(&format!("SADD small{number} {number} {}", number + 100));
        line += &format!(" small{number}");
    }
    assert_eq!(members(session.ask(&line)).len(), 160);
}

#[test]
fn a_count_of_common_members_ends_at_its_limit() {
    let session = Session::new();
    session.ask("SADD a 1 2 3");
    session.ask("SADD b 1 2 3");
    assert_eq!(session.ask("SINTERCARD 2 a b"), Reply::Int(3));
    assert_eq!(session.ask("SINTERCARD 2 a b LIMIT 2"), Reply::Int(2));
    assert_eq!(session.ask("SINTERCARD 2 a b LIMIT 0"), Reply::Int(3));
    for (line, text) in [
        ("SINTERCARD 0 a", "ERR numkeys should be greater than 0"),
        ("SINTERCARD x a", "ERR numkeys should be greater than 0"),
        (
            "SINTERCARD 2 a",
            "ERR Number of keys can't be greater than number of args",
        ),
        ("SINTERCARD 1 a LIMIT -1", "ERR LIMIT can't be negative"),
        ("SINTERCARD 1 a LIMIT", "ERR syntax error"),
        ("SINTERCARD 1 a b", "ERR syntax error"),
    ] {
        assert_eq!(session.ask(line), refused(text), "{line}");
    }
}

#[test]
fn popped_members_are_gone() {
    let session = Session::new();
    for number in 0..1000 {
        session.ask(&format!("SADD s m{number}"));
    }
    let mut popped = members(session.ask("SPOP s 400"));
    while let Reply::Bulk(member) = session.ask("SPOP s") {
        popped.push(String::from_utf8(member).unwrap());
        if popped.len() == 700 {
            break;
        }
    }
    assert_eq!(session.ask("SCARD s"), Reply::Int(300));
    popped.extend(members(session.ask("SPOP s 1000")));
    assert_eq!(session.ask("EXISTS s"), Reply::Int(0));
    popped.sort();
    popped.dedup();
    assert_eq!(popped.len(), 1000);
    assert_eq!(session.ask("SPOP s"), Reply::Nil);
    assert_eq!(session.ask("SPOP s 2"), Reply::Set(Vec::new()));
    assert_eq!(
        session.ask("SPOP s -1"),
        refused("ERR value is out of range, must be positive")
    );
    assert_eq!(session.ask("SPOP s 1 2"), refused("ERR syntax error"));
}

#[test]
fn random_members_stay_where_they_are() {
    let session = Session::new();
    session.ask("SADD s a b c");
    assert_eq!(members(session.ask("SRANDMEMBER s 2")).len(), 2);
    assert_eq!(members(session.ask("SRANDMEMBER s 9")), ["a", "b", "c"]);
    assert_eq!(members(session.ask("SRANDMEMBER s -9")).len(), 9);
    assert_eq!(session.ask("SCARD s"), Reply::Int(3));
}

#[test]
fn a_scan_finds_every_member_once() {
    let session = Session::new();
    for number in 0..1000 {
        session.ask(&format!("SADD s {number}"));
    }
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let reply = session.ask(&format!("SSCAN s {cursor} COUNT 30"));
        let Reply::Array(parts) = reply else {
            panic!("{reply:?}")
        };
        let [Reply::Bulk(next), items] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        found.extend(members(items.clone()));
        cursor = String::from_utf8(next.clone()).unwrap();
        if cursor == "0" {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 1000);
}
