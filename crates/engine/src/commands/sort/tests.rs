//! SORT as clients see it; the expected replies are those of Redis 7.0.15.
use crate::reply::{Fault, Reply};
use crate::testing::Session;

const NOT_NUMBERS: &str = "ERR One or more scores can't be converted into double";

fn with_data() -> Session {
    let session = Session::new();
    session.ask("RPUSH list 3 1 2");
    session.ask("SADD set b a c");
    session.ask("ZADD sorted 1 c 2 a 3 b");
    session.ask("MSET weight_1 9 weight_2 8");
    session.ask("HSET item_1 weight 5 name one");
    session.ask("HSET item_2 weight 4 name two");
    session
}

#[test]
fn elements_are_sorted_as_numbers_or_as_texts() {
    let session = with_data();
    for (line, expected) in [
        ("SORT list", "1 2 3"),
        ("SORT list DESC", "3 2 1"),
        ("SORT list ASC DESC ASC LIMIT 1 1", "2"),
        ("SORT list LIMIT -1 2", "1 2"),
        ("SORT list LIMIT 1 -5", "2 3"),
        ("SORT set ALPHA DESC", "c b a"),
        ("SORT sorted ALPHA", "a b c"),
        ("SORT list BY weight_*", "3 2 1"),
        ("SORT list BY item_*->weight DESC", "1 2 3"),
        ("SORT list BY weight_* ALPHA", "3 2 1"),
    ] {
        assert_eq!(session.ask(line), Reply::bulks(expected.split(' ')), "{line}");
    }
    for line in ["SORT none", "SORT list LIMIT 5 2", "SORT list LIMIT 0 0"] {
        assert_eq!(session.ask(line), Reply::Array(Vec::new()), "{line}");
    }
}

#[test]
fn a_pattern_without_a_star_keeps_the_order() {
    let session = with_data();
    for (line, expected) in [
        ("SORT list BY nosort", "3 1 2"),
        ("SORT list BY nosort DESC LIMIT 0 2", "2 1"),
        ("SORT sorted BY nosort", "c a b"),
        ("SORT sorted BY nosort DESC LIMIT 1 2", "a c"),
    ] {
        assert_eq!(session.ask(line), Reply::bulks(expected.split(' ')), "{line}");
    }
    // What is stored of a set must not depend on chance.
    assert_eq!(session.ask("SORT set BY nosort STORE target"), Reply::Int(3));
    assert_eq!(
        session.ask("SORT target BY nosort"),
        Reply::bulks(["a", "b", "c"])
    );
}

#[test]
fn other_keys_are_shown_in_the_order_of_the_elements() {
    let session = with_data();
    let (three, two, one) = (Reply::Nil, Reply::bulk("two"), Reply::bulk("one"));
    assert_eq!(
        session.ask("SORT list BY item_*->weight GET item_*->name"),
        Reply::Array(vec![three, two, one])
    );
    assert_eq!(
        session.ask("SORT list LIMIT 0 1 GET # GET item_*-> GET nostar"),
        Reply::Array(vec![Reply::bulk("1"), Reply::Nil, Reply::Nil])
    );
    assert_eq!(
        session.ask("SORT list GET item_*->name STORE target"),
        Reply::Int(3)
    );
    assert_eq!(
        session.ask("LRANGE target 0 -1"),
        Reply::bulks(["one", "two", ""])
    );
}

#[test]
fn an_empty_result_removes_the_target() {
    let session = with_data();
    assert_eq!(session.ask("SORT none STORE weight_1"), Reply::Int(0));
    assert_eq!(session.ask("EXISTS weight_1"), Reply::Int(0));
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    let session = Session::new();
    session.ask_args(&[b"RPUSH", b"odd", b"", b"1", b" 2", b"0x10", b"3\0x", b"-inf"]);
    let expected: [&[u8]; 6] = [b"-inf", b"", b"1", b" 2", b"3\0x", b"0x10"];
    assert_eq!(session.ask("SORT odd"), Reply::bulks(expected));
    for element in ["\"3 \"", "nan", "1e400", "1e-400", "x"] {
        session.ask("DEL list");
        session.ask(&format!("RPUSH list {element}"));
        assert_eq!(
            session.ask("SORT list"),
            Reply::Error(Fault::of(NOT_NUMBERS)),
            "{element}"
        );
    }
}

#[test]
fn wrong_options_are_refused() {
    let session = with_data();
    for (line, text) in [
        ("SORT list LIMIT 1", "ERR syntax error"),
        (
            "SORT list LIMIT x 1",
            "ERR value is not an integer or out of range",
        ),
        ("SORT list BY", "ERR syntax error"),
        ("SORT none FOO", "ERR syntax error"),
        ("SORT_RO list STORE target", "ERR syntax error"),
        (
            "SORT item_1",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("SORT set", NOT_NUMBERS),
    ] {
        assert_eq!(session.ask(line), Reply::Error(Fault::of(text)), "{line}");
    }
}

#[test]
fn a_window_of_many_is_the_window_of_all_sorted() {
    let session = Session::new();
    for number in 0..500 {
        session.ask(&format!("RPUSH list {}", number * 7 % 500));
    }
    let expected = (100..110).map(|number| number.to_string());
    assert_eq!(session.ask("SORT list LIMIT 100 10"), Reply::bulks(expected));
}
