//! Commands on sorted sets, as a client sees them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::reply::Reply;
use crate::testing::Session;

fn bulks(words: &str) -> Reply {
    Reply::bulks(words.split_whitespace())
}

fn refusal(reply: &Reply) -> &str {
    match reply {
        Reply::Error(fault) => fault.text(),
        other => panic!("not refused: {other:?}"),
    }
}

fn answer(waiting: crate::session::Waiting) -> Reply {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(waiting)
}

#[test]
fn scores_are_written_only_under_the_rules_given() {
    let session = Session::new();
    assert_eq!(session.ask("ZADD z 1 a 2 b"), Reply::Int(2));
    assert_eq!(session.ask("ZADD z NX CH 5 a 3 c"), Reply::Int(1));
    assert_eq!(session.ask("ZADD z XX CH 5 a 9 d"), Reply::Int(1));
    assert_eq!(session.ask("ZADD z GT CH 4 a 4 b"), Reply::Int(1));
    assert_eq!(session.ask("ZADD z LT 1 a"), Reply::Int(0));
    assert_eq!(session.ask("ZRANGE z 0 -1"), bulks("a c b"));
    assert_eq!(session.ask("ZADD z INCR GT -1 a"), Reply::Nil);
    assert_eq!(session.ask("ZADD z XX INCR 2.5 a"), Reply::Double(3.5));
    assert_eq!(session.ask("ZADD none XX 1 a"), Reply::Int(0));
    assert_eq!(session.ask("EXISTS none"), Reply::Int(0));
}

#[test]
fn contradictory_options_are_refused_as_redis_does() {
    let session = Session::new();
    let cases = [
        ("ZADD z 1", "ERR wrong number of arguments for 'zadd' command"),
        ("ZADD z 1 a 2", "ERR syntax error"),
        (
            "ZADD z NX XX 1 a",
            "ERR XX and NX options at the same time are not compatible",
        ),
        (
            "ZADD z GT LT 1 a",
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ),
        (
            "ZADD z INCR 1 a 2 b",
            "ERR INCR option supports a single increment-element pair",
        ),
        ("ZADD z 1 a x b", "ERR value is not a valid float"),
        (
            "ZRANGE z 0 1 LIMIT 0 1",
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ),
        (
            "ZRANGE z - + BYLEX WITHSCORES",
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ),
        ("ZRANGEBYSCORE z a 1", "ERR min or max is not a float"),
        ("ZLEXCOUNT z a +", "ERR min or max not valid string range item"),
        (
            "ZUNION 0 z",
            "ERR at least 1 input key is needed for 'zunion' command",
        ),
        (
            "ZINTERSTORE d 2 a b WEIGHTS 1 x",
            "ERR weight value is not a float",
        ),
        ("ZINTERCARD 1 z LIMIT -1", "ERR LIMIT can't be negative"),
        ("ZMPOP 0 z MIN", "ERR numkeys should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 0", "ERR count should be greater than 0"),
        ("ZPOPMIN z -1", "ERR value is out of range, must be positive"),
        ("BZPOPMIN z -1", "ERR timeout is negative"),
    ];
    for (command, expected) in cases {
        assert_eq!(refusal(&session.ask(command)), expected, "{command}");
    }
    assert_eq!(session.ask("EXISTS z"), Reply::Int(0));
}

#[test]
fn an_increment_that_is_no_number_changes_nothing() {
    let session = Session::new();
    session.ask("ZADD z inf a");
    assert_eq!(
        refusal(&session.ask("ZINCRBY z -inf a")),
        "ERR resulting score is not a number (NaN)"
    );
    assert_eq!(session.ask("ZSCORE z a"), Reply::Double(f64::INFINITY));
}

#[test]
fn a_key_of_another_type_is_refused() {
    let session = Session::new();
    session.ask("SET s x");
    session.ask("ZADD z 1 a");
    for command in [
        "ZADD s 1 a",
        "ZADD s XX 1 a",
        "ZSCORE s a",
        "ZUNION 2 z s BAD",
        "ZMPOP 2 s z MIN",
        "ZPOPMIN s",
    ] {
        assert!(
            refusal(&session.ask(command)).starts_with("WRONGTYPE"),
            "{command}"
        );
    }
    assert_eq!(session.ask("ZUNIONSTORE s 1 z"), Reply::Int(1));
    assert_eq!(session.ask("TYPE s"), Reply::status("zset"));
}

#[test]
fn ranges_are_read_by_rank_score_and_member_from_either_end() {
    let session = Session::new();
    session.ask("ZADD z 1 a 2 b 2 c 3 d");
    assert_eq!(session.ask("ZRANGE z 1 2"), bulks("b c"));
    assert_eq!(session.ask("ZREVRANGE z 0 1"), bulks("d c"));
    assert_eq!(session.ask("ZRANGE z (1 3 BYSCORE LIMIT 1 -1"), bulks("c d"));
    assert_eq!(
        session.ask("ZRANGE z +inf -inf BYSCORE REV LIMIT 0 2"),
        bulks("d c")
    );
    assert_eq!(session.ask("ZREVRANGEBYSCORE z 2 (1"), bulks("c b"));
    session.ask("ZADD lex 0 a 0 b 0 c 0 d");
    assert_eq!(session.ask("ZRANGEBYLEX lex (a [c"), bulks("b c"));
    assert_eq!(session.ask("ZREVRANGEBYLEX lex + (b LIMIT 1 5"), bulks("c"));
    assert_eq!(session.ask("ZLEXCOUNT lex - +"), Reply::Int(4));
    assert_eq!(session.ask("ZRANGESTORE copy lex [c + BYLEX"), Reply::Int(2));
    assert_eq!(session.ask("ZRANGESTORE copy lex 5 6"), Reply::Int(0));
    assert_eq!(session.ask("EXISTS copy"), Reply::Int(0));
}

#[test]
fn removing_the_last_member_removes_the_key() {
    let session = Session::new();
    for command in [
        "ZREM z a b",
        "ZPOPMAX z 5",
        "ZREMRANGEBYRANK z 0 -1",
        "ZREMRANGEBYSCORE z 0 9",
        "ZREMRANGEBYLEX z - +",
    ] {
        session.ask("ZADD z 1 a 1 b");
        session.ask(command);
        assert_eq!(session.ask("EXISTS z"), Reply::Int(0), "{command}");
    }
}

#[test]
fn sets_and_sorted_sets_are_combined_with_weights() {
    let session = Session::new();
    session.ask("ZADD z 1 a 2 b");
    session.ask("SADD s b c");
    let pairs = |entries: &[(&str, f64)]| {
        let pair = |(member, score): &(&str, f64)| (Reply::bulk(member), Reply::Double(*score));
        Reply::Pairs(entries.iter().map(pair).collect())
    };
    let union = session.ask("ZUNION 2 z s WEIGHTS 2 10 WITHSCORES");
    assert_eq!(union, pairs(&[("a", 2.0), ("c", 10.0), ("b", 14.0)]));
    assert_eq!(
        session.ask("ZINTER 2 z s AGGREGATE MIN WITHSCORES"),
        pairs(&[("b", 1.0)])
    );
    assert_eq!(session.ask("ZDIFF 2 z s"), bulks("a"));
    assert_eq!(session.ask("ZINTERCARD 2 z s LIMIT 5"), Reply::Int(1));
    assert_eq!(session.ask("ZINTERSTORE d 2 z missing"), Reply::Int(0));
    assert_eq!(session.ask("ZUNIONSTORE z 2 z s"), Reply::Int(3));
    assert_eq!(session.ask("ZSCORE z b"), Reply::Double(3.0));
}

#[test]
fn each_way_to_pop_has_its_own_shape() {
    let session = Session::new();
    session.ask("ZADD z 1 a 2 b 3 c 4 d");
    let entry = |member, score| [Reply::bulk(member), Reply::Double(score)];
    assert_eq!(session.ask("ZPOPMIN z"), Reply::Array(entry("a", 1.0).into()));
    assert_eq!(
        session.ask("ZPOPMAX z 1"),
        Reply::Pairs(vec![(Reply::bulk("d"), Reply::Double(4.0))])
    );
    let several = Reply::Array(vec![
        Reply::Array(entry("b", 2.0).into()),
        Reply::Array(entry("c", 3.0).into()),
    ]);
    assert_eq!(
        session.ask("ZMPOP 2 none z MIN COUNT 9"),
        Reply::Array(vec![Reply::bulk("z"), several])
    );
    assert_eq!(session.ask("ZMPOP 1 z MAX"), Reply::NilArray);
    assert_eq!(session.ask("ZPOPMIN z"), Reply::Array(Vec::new()));
}

#[test]
fn a_waiting_pop_takes_what_is_added_first_come_first_served() {
    let first = Session::new();
    let (second, adder) = (first.other(), first.other());
    let first_waits = first.wait("BZPOPMIN other z 0");
    let second_waits = second.wait("BZMPOP 0 1 z MAX COUNT 2");
    assert_eq!(adder.ask("ZADD z 1 a 2 b 3 c"), Reply::Int(3));
    assert_eq!(
        answer(first_waits),
        Reply::Array(vec![Reply::bulk("z"), Reply::bulk("a"), Reply::Double(1.0)])
    );
    let Reply::Array(parts) = answer(second_waits) else {
        panic!("no array")
    };
    assert_eq!(parts.first(), Some(&Reply::bulk("z")));
    assert_eq!(adder.ask("EXISTS z"), Reply::Int(0));
}

#[test]
fn a_waiting_pop_gives_up_in_time_and_never_waits_in_a_transaction() {
    let session = Session::new();
    let other = session.other();
    let waiting = other.wait("BZPOPMAX z 0.5");
    session.advance(500);
    assert_eq!(answer(waiting), Reply::NilArray);
    session.ask("MULTI");
    session.ask("BZPOPMIN z 0");
    assert_eq!(session.ask("EXEC"), Reply::Array(vec![Reply::NilArray]));
}

#[test]
fn random_members_are_distinct_unless_repetitions_are_asked_for() {
    let session = Session::new();
    for number in 0..300 {
        session.ask(&format!("ZADD z {number} m{number}"));
    }
    let Reply::Array(members) = session.ask("ZRANDMEMBER z 200") else {
        panic!("no array")
    };
    let mut names: Vec<_> = members.iter().map(|member| format!("{member:?}")).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 200);
    let Reply::Pairs(pairs) = session.ask("ZRANDMEMBER z -1000 WITHSCORES") else {
        panic!("no pairs")
    };
    assert_eq!(pairs.len(), 1000);
    assert_eq!(session.ask("ZRANDMEMBER none"), Reply::Nil);
    assert_eq!(session.ask("ZRANDMEMBER none 5"), Reply::Array(Vec::new()));
}

#[test]
fn a_scan_shows_whole_scores_in_full_while_the_set_is_packed() {
    let session = Session::new();
    session.ask("ZADD z 1e17 a");
    let found = |score: &str| Reply::Array(vec![Reply::bulk("0"), Reply::bulks(["a", score])]);
    assert_eq!(session.ask("ZSCAN z 0"), found("100000000000000000"));
    session.ask_args(&[b"ZADD", b"z", b"0", &[b'x'; 65]]);
    assert_eq!(session.ask("ZSCAN z 0 MATCH a"), found("1e+17"));
    assert_eq!(
        session.ask("ZSCAN none 0 BAD"),
        Reply::Array(vec![Reply::bulk("0"), Reply::Array(Vec::new())])
    );
}
