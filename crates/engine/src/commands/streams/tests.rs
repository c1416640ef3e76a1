//! Streams as clients see them; the expected answers are those of Redis 7.0.15.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::reply::Reply;
use crate::session::Waiting;
use crate::testing::Session;

/// An answer on one line: `[` `]` around arrays and maps.
fn line(reply: &Reply) -> String {
    let joined =
        |replies: &mut dyn Iterator<Item = String>| format!("[{}]", replies.collect::<Vec<_>>().join(" "));
    match reply {
        Reply::Simple(text) => text.to_string(),
        Reply::Error(fault) => fault.text().to_owned(),
        Reply::Int(number) => number.to_string(),
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Nil => "nil".to_owned(),
        Reply::NilArray => "nil-array".to_owned(),
        Reply::Array(items) => joined(&mut items.iter().map(line)),
        Reply::Map(pairs) => joined(
            &mut pairs
                .iter()
                .map(|(key, value)| format!("{}={}", line(key), line(value))),
        ),
        other => format!("{other:?}"),
    }
}

/// Runs a conversation: commands and the answers they must get, line by line.
fn converse(session: &Session, conversation: &[(&str, &str)]) {
    for (command, expected) in conversation {
        assert_eq!(line(&session.ask(command)), *expected, "{command}");
    }
}

/// A stream `s` with one entry and the groups `g` and `h` at its end.
fn scene() -> Session {
    let session = Session::new();
    let groups = [("XGROUP CREATE s g $", "OK"), ("XGROUP CREATE s h $", "OK")];
    converse(&session, &[("XADD s 1-1 a b", "1-1")]);
    converse(&session, &groups);
    session
}

/// The answer of a waiting command, none while it waits on.
fn answer(waiting: &mut Waiting) -> Option<String> {
    match pin!(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(line(&reply)),
        Poll::Pending => None,
    }
}

const NEWS: &str = "XREAD BLOCK 0 STREAMS s $";
const SHARE: &str = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";

/// What a reader that waits hears after some commands of another client.
fn heard(reader: &str, commands: &[&str]) -> Option<String> {
    let session = scene();
    let mut waiting = session.other().wait_here(reader);
    for command in commands {
        let reply = session.ask(command);
        assert!(!reply.is_error(), "{command}: {reply:?}");
    }
    answer(&mut waiting.1)
}

impl Session {
    /// A waiting command together with the client that waits.
    fn wait_here(self, command: &str) -> (Self, Waiting) {
        let waiting = self.wait(command);
        (self, waiting)
    }
}

#[test]
fn entries_are_added_and_ranged_over() {
    let session = Session::new();
    converse(
        &session,
        &[
            ("XADD s NOMKSTREAM 1-1 a b", "nil"),
            ("XADD s * a b", "1700000000000-0"),
            ("XADD s * a b", "1700000000000-1"),
            ("XADD s 1700000000001-* a b c d", "1700000000001-0"),
            (
                "XADD s 5 a b",
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
            (
                "XADD s 0-0 a b",
                "ERR The ID specified in XADD must be greater than 0-0",
            ),
            ("XADD s * a", "ERR wrong number of arguments for 'xadd' command"),
            ("XLEN s", "3"),
            ("XRANGE s (1700000000000-0 + COUNT 1", "[[1700000000000-1 [a b]]]"),
            ("XREVRANGE s + - COUNT 1", "[[1700000000001-0 [a b c d]]]"),
            ("XRANGE s - + COUNT 0", "nil-array"),
            (
                "XRANGE s (- +",
                "ERR Invalid stream ID specified as stream command argument",
            ),
            ("XDEL s 1700000000000-1 9-9", "1"),
            ("XDEL missing nonsense", "0"),
            ("TYPE s", "stream"),
        ],
    );
}

#[test]
fn approximate_trimming_keeps_whole_nodes() {
    let session = Session::new();
    for number in 1..=250 {
        session.ask(&format!("XADD s MAXLEN ~ 20 {number}-0 n {number}"));
    }
    converse(
        &session,
        &[
            ("XLEN s", "50"),
            ("XTRIM s MAXLEN ~ 10 LIMIT 0", "0"),
            ("XTRIM s MAXLEN = 10", "40"),
            ("XTRIM s MINID 246", "5"),
            (
                "XTRIM s MAXLEN 3 LIMIT 7",
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ),
            ("XADD s MAXLEN 0 300-0 a b", "300-0"),
            ("XLEN s", "0"),
            ("EXISTS s", "1"),
        ],
    );
}

#[test]
fn a_group_hands_each_entry_to_one_consumer() {
    let session = scene();
    converse(
        &session,
        &[
            ("XADD s 2-0 a b", "2-0"),
            ("XADD s 3-0 a b", "3-0"),
            ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", "[[s [[2-0 [a b]]]]]"),
            ("XREADGROUP GROUP g d STREAMS s >", "[[s [[3-0 [a b]]]]]"),
            ("XREADGROUP GROUP g d STREAMS s >", "nil-array"),
            ("XPENDING s g", "[2 2-0 3-0 [[c 1] [d 1]]]"),
            ("XDEL s 2-0", "1"),
            ("XREADGROUP GROUP g c STREAMS s 0", "[[s [[2-0 nil-array]]]]"),
            ("XACK s g 3-0 3-0", "1"),
            ("XAUTOCLAIM s g d 0 0", "[0-0 [] [2-0]]"),
            ("XPENDING s g", "[0 nil nil nil-array]"),
            ("XCLAIM s g d 0 3-0 1-1 FORCE JUSTID", "[3-0 1-1]"),
            ("XPENDING s g - + 10 d", "[[1-1 d 0 1] [3-0 d 0 1]]"),
            ("XGROUP DELCONSUMER s g d", "2"),
            (
                "XREADGROUP GROUP nobody d STREAMS s >",
                "NOGROUP No such key 's' or consumer group 'nobody' in XREADGROUP with GROUP option",
            ),
        ],
    );
}

#[test]
fn idle_times_decide_who_may_claim() {
    let session = scene();
    session.ask("XADD s 2-0 a b");
    session.ask("XREADGROUP GROUP g c STREAMS s >");
    session.advance(500);
    converse(
        &session,
        &[
            ("XCLAIM s g d 501 2-0", "[]"),
            ("XINFO CONSUMERS s g", "[[name=c pending=1 idle=500]]"),
            ("XPENDING s g IDLE 501 - + 9", "[]"),
            ("XPENDING s g IDLE 500 - + 9", "[[2-0 c 500 1]]"),
            ("XCLAIM s g d 500 2-0 IDLE 100", "[[2-0 [a b]]]"),
            ("XPENDING s g - + 9", "[[2-0 d 100 2]]"),
        ],
    );
}

#[test]
fn lag_is_told_where_it_can_be() {
    let session = scene();
    let lag = |expected: &str| {
        let shown = line(&session.ask("XINFO GROUPS s"));
        let first = shown.split(']').next().unwrap();
        assert!(first.ends_with(expected), "{first}");
    };
    lag("entries-read=nil lag=0");
    session.ask("XADD s 2-0 a b");
    session.ask("XADD s 3-0 a b");
    session.ask("XREADGROUP GROUP g c COUNT 1 STREAMS s >");
    lag("entries-read=nil lag=nil");
    session.ask("XGROUP SETID s g 0 ENTRIESREAD 0");
    lag("entries-read=0 lag=3");
    session.ask("XDEL s 2-0");
    lag("entries-read=0 lag=nil");
}

#[test]
fn the_shape_of_a_stream_is_shown() {
    let session = scene();
    let head = "length=1 radix-tree-keys=1 radix-tree-nodes=2 last-generated-id=1-1 \
                max-deleted-entry-id=0-0 entries-added=1 recorded-first-entry-id=1-1";
    let group = "last-delivered-id=1-1 entries-read=nil lag=0 pel-count=0 pending=[] consumers=[]";
    converse(
        &session,
        &[
            (
                "XINFO STREAM s",
                &format!("[{head} groups=2 first-entry=[1-1 [a b]] last-entry=[1-1 [a b]]]"),
            ),
            (
                "XINFO STREAM s FULL COUNT 1",
                &format!("[{head} entries=[[1-1 [a b]]] groups=[[name=g {group}] [name=h {group}]]]"),
            ),
            (
                "XINFO STREAM s FULL COUNT",
                "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            ("XSETID s 9-9 ENTRIESADDED 7 MAXDELETEDID 8-8", "OK"),
            (
                "XSETID s 0-1",
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ),
        ],
    );
}

#[test]
fn a_waiting_reader_gets_what_comes() {
    for reader in [NEWS, SHARE] {
        assert_eq!(
            heard(reader, &["XADD s 2-0 a b"]).as_deref(),
            Some("[[s [[2-0 [a b]]]]]")
        );
        assert_eq!(
            heard(reader, &["XADD s MAXLEN 0 2-0 a b"]).as_deref(),
            Some("[[s []]]")
        );
        assert_eq!(
            heard(reader, &["XDEL s 1-1", "XSETID s 9-9", "XTRIM s MAXLEN 0"]),
            None
        );
    }
    assert_eq!(
        heard(NEWS, &["XADD t 9-9 a b", "RENAME t s"]).as_deref(),
        Some("[[s [[9-9 [a b]]]]]")
    );
    assert_eq!(heard("XREAD BLOCK 0 STREAMS s s 9 $", &["XADD s 2-0 a b"]), None);
}

#[test]
fn a_group_set_back_does_not_wake_its_readers() {
    assert_eq!(heard(SHARE, &["XGROUP SETID s g 0", "XACK s g 1-1"]), None);
    let served = heard(SHARE, &["XGROUP SETID s g 0", "XADD s 2-0 a b"]);
    assert_eq!(served.as_deref(), Some("[[s [[1-1 [a b]] [2-0 [a b]]]]]"));
}

#[test]
fn a_reader_of_a_group_hears_that_its_stream_or_group_is_gone() {
    let gone = Some("UNBLOCKED the stream key no longer exists".to_owned());
    for command in ["DEL s", "SET s x", "RENAME s t", "PEXPIRE s -1"] {
        assert_eq!(heard(SHARE, &[command]), gone, "{command}");
        assert_eq!(heard(NEWS, &[command]), None, "{command}");
    }
    let no_group = "NOGROUP the consumer group this client was blocked on no longer exists";
    assert_eq!(heard(SHARE, &["XGROUP DESTROY s g"]).as_deref(), Some(no_group));
    assert_eq!(
        heard(SHARE, &["XADD t 1-1 a b", "RENAME t s"]).as_deref(),
        Some(no_group)
    );
    assert_eq!(heard(SHARE, &["XGROUP DESTROY s h"]), None);
}

#[test]
fn readers_of_a_group_are_served_in_turn() {
    let session = scene();
    let mut first = session
        .other()
        .wait_here("XREADGROUP GROUP g c COUNT 1 BLOCK 0 STREAMS s >");
    let mut second = session
        .other()
        .wait_here("XREADGROUP GROUP g d NOACK COUNT 1 BLOCK 0 STREAMS s >");
    session.ask("XADD s 2-0 a b");
    assert_eq!(answer(&mut first.1).as_deref(), Some("[[s [[2-0 [a b]]]]]"));
    assert_eq!(answer(&mut second.1), None);
    session.ask("XADD s 3-0 a b");
    assert_eq!(answer(&mut second.1).as_deref(), Some("[[s [[3-0 [a b]]]]]"));
    converse(&session, &[("XPENDING s g", "[1 2-0 2-0 [[c 1]]]")]);
}

#[test]
fn a_deleted_stream_made_anew_is_read_by_those_who_waited() {
    let session = scene();
    let mut waiting = session.other().wait_here(NEWS);
    session.ask("DEL s");
    session.ask("XADD s 0-5 a b");
    assert_eq!(answer(&mut waiting.1), None);
    session.ask("XADD s 5-0 x y");
    assert_eq!(answer(&mut waiting.1).as_deref(), Some("[[s [[5-0 [x y]]]]]"));
}

#[test]
fn waiting_ends_with_its_time() {
    let session = scene();
    let mut waiting = session
        .other()
        .wait_here("XREADGROUP GROUP g c BLOCK 10 STREAMS s >");
    session.advance(9);
    assert_eq!(answer(&mut waiting.1), None);
    session.advance(1);
    assert_eq!(answer(&mut waiting.1).as_deref(), Some("nil-array"));
    converse(&session, &[("XINFO CONSUMERS s g", "[]")]);
}
