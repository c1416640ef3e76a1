//! What lists answer, and who gets an item that several wait for.

use crate::reply::Reply;
use crate::testing::Session;

fn bulks(items: &[&str]) -> Reply {
    Reply::bulks(items)
}

#[test]
fn items_leave_at_either_end_and_an_empty_list_is_no_key() {
    let session = Session::new();
    assert_eq!(session.ask("RPUSH list a b c"), Reply::Int(3));
    assert_eq!(session.ask("LPUSH list z"), Reply::Int(4));
    assert_eq!(session.ask("LRANGE list 0 -1"), bulks(&["z", "a", "b", "c"]));
    assert_eq!(session.ask("LPOP list"), Reply::bulk("z"));
    assert_eq!(session.ask("RPOP list 2"), bulks(&["c", "b"]));
    assert_eq!(session.ask("LPOP list 0"), bulks(&[]));
    assert_eq!(session.ask("LPOP list 9"), bulks(&["a"]));
    assert_eq!(session.ask("EXISTS list"), Reply::Int(0));
    assert_eq!(session.ask("LPOP list"), Reply::Nil);
    assert_eq!(session.ask("LPOP list 1"), Reply::NilArray);
    assert_eq!(session.ask("LPUSHX list a"), Reply::Int(0));
}

#[test]
fn a_value_is_removed_from_the_end_that_was_asked_for() {
    let session = Session::new();
    session.ask("RPUSH list a x b x c x");
    assert_eq!(session.ask("LREM list -1 x"), Reply::Int(1));
    assert_eq!(session.ask("LRANGE list 0 -1"), bulks(&["a", "x", "b", "x", "c"]));
    assert_eq!(session.ask("LREM list 1 x"), Reply::Int(1));
    assert_eq!(session.ask("LRANGE list 0 -1"), bulks(&["a", "b", "x", "c"]));
    assert_eq!(session.ask("LPOS list x RANK -1"), Reply::Int(2));
    assert_eq!(session.ask("LREM list 0 x"), Reply::Int(1));
    assert_eq!(session.ask("LPOS list x COUNT 0"), bulks(&[]));
}

#[test]
fn the_longest_waiting_client_gets_the_item() {
    let first = Session::new();
    let (second, pusher) = (first.other(), first.other());
    let mut earlier = first.wait("BLPOP list other 0");
    let mut later = second.wait("BRPOP list 0");
    pusher.ask("RPUSH list a b c");
    assert_eq!(answer(&mut earlier), Some(bulks(&["list", "a"])));
    assert_eq!(answer(&mut later), Some(bulks(&["list", "c"])));
    assert_eq!(pusher.ask("LRANGE list 0 -1"), bulks(&["b"]));
}

#[test]
fn a_move_that_waited_wakes_who_waits_for_its_target() {
    let first = Session::new();
    let (second, pusher) = (first.other(), first.other());
    let mut popping = first.wait("BLMPOP 0 1 target LEFT COUNT 5");
    let mut moving = second.wait("BLMOVE source target LEFT RIGHT 0");
    pusher.ask("RPUSH source item");
    assert_eq!(answer(&mut moving), Some(Reply::bulk("item")));
    assert_eq!(
        answer(&mut popping),
        Some(Reply::Array(vec![Reply::bulk("target"), bulks(&["item"])]))
    );
    assert_eq!(pusher.ask("EXISTS source target"), Reply::Int(0));
}

#[test]
fn a_move_to_another_type_is_refused_and_leaves_the_item() {
    let session = Session::new();
    let pusher = session.other();
    pusher.ask("SET target text");
    let mut moving = session.wait("BRPOPLPUSH source target 0");
    pusher.ask("RPUSH source item");
    assert!(answer(&mut moving).is_some_and(|reply| reply.is_error()));
    assert_eq!(pusher.ask("LLEN source"), Reply::Int(1));
}

#[test]
fn a_wait_ends_with_nothing_when_its_time_is_over() {
    let session = Session::new();
    let mut popping = session.wait("BLPOP list 0.1");
    let mover = session.other();
    let mut moving = mover.wait("BLMOVE list target LEFT LEFT 0.1");
    session.advance(99);
    assert_eq!(answer(&mut popping), None);
    session.advance(1);
    assert_eq!(answer(&mut popping), Some(Reply::NilArray));
    assert_eq!(answer(&mut moving), Some(Reply::NilArray));
}

/// The answer that is there already, if any.
fn answer(waiting: &mut crate::session::Waiting) -> Option<Reply> {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    match std::pin::Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    }
}
