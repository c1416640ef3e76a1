//! Keys that are due and not removed yet, and what is dropped without the lock.

use crate::client::Arrival;
use crate::engine::Engine;
use crate::reply::Reply;
use crate::session::{Served, Session as Client};
use crate::testing::Session;

/// More keys than commands remove in passing, and at last `last`, all of which are due.
fn many_due_keys(session: &Session, before_they_are_due: impl FnOnce()) {
    for number in 0..10_000 {
        session.ask(&format!("SET key:{number} x PX 50"));
    }
    session.ask("SET last x PX 50");
    before_they_are_due();
    session.pass(50);
}

#[test]
fn a_watched_key_that_is_due_stops_the_transaction() {
    let session = Session::new();
    many_due_keys(&session, || {
        session.ask("WATCH last");
        session.ask("MULTI");
        session.ask("PING");
    });
    assert_eq!(session.ask("EXEC"), Reply::NilArray);
}

#[test]
fn a_key_that_was_due_when_it_was_watched_does_not_stop_the_transaction() {
    let session = Session::new();
    many_due_keys(&session, || {});
    session.ask("WATCH last");
    session.engine().tick();
    session.ask("MULTI");
    session.ask("PING");
    assert_eq!(session.ask("EXEC"), Reply::Array(vec![Reply::status("PONG")]));
}

#[test]
fn keys_that_are_due_are_neither_counted_nor_picked() {
    let session = Session::new();
    many_due_keys(&session, || {});
    assert_eq!(session.ask("DBSIZE"), Reply::Int(0));
    assert_eq!(session.ask("RANDOMKEY"), Reply::Nil);
    assert_eq!(session.ask("KEYS *"), Reply::Array(Vec::new()));
}

#[test]
fn a_tick_removes_all_that_is_due() {
    let session = Session::new();
    many_due_keys(&session, || {});
    session.engine().tick();
    assert_eq!(session.engine().usage().keys, 0);
}

#[test]
fn a_key_that_is_set_to_expire_in_the_past_is_not_seen() {
    let session = Session::new();
    let script = "redis.call('SET','k','v','PXAT','1') return redis.call('GET','k')";
    assert_eq!(session.ask_args(&[b"EVAL", script.as_bytes(), b"0"]), Reply::Nil);
    session.ask("MULTI");
    session.ask("SET k v PXAT 1");
    session.ask("GET k");
    session.ask("DBSIZE");
    let replies = vec![Reply::OK, Reply::Nil, Reply::Int(0)];
    assert_eq!(session.ask("EXEC"), Reply::Array(replies));
}

#[test]
fn what_takes_time_to_drop_is_dropped_without_the_lock() {
    let engine = Engine::in_memory();
    let client = client(&engine);
    let mut batch = client.batch().unwrap();
    let fields: Vec<String> = (0..5_000).map(|number| format!("field:{number}")).collect();
    let mut fill: Vec<&[u8]> = vec![b"HSET", b"hash"];
    fill.extend(fields.iter().flat_map(|field| [field.as_bytes(), b"value"]));
    for remove in [&[b"DEL".as_slice(), b"hash"][..], &[b"FLUSHALL"], &[b"FLUSHDB"]] {
        run(&mut batch, &fill);
        run(&mut batch, remove);
        assert_eq!(batch.core().take_trash().len(), 1, "{remove:?}");
    }
    // One that expires is removed by the next command.
    run(&mut batch, &fill);
    run(&mut batch, &[b"PEXPIRE", b"hash", b"1"]);
    std::thread::sleep(std::time::Duration::from_millis(2));
    run(&mut batch, &[b"PING"]);
    assert_eq!(batch.core().take_trash().len(), 1);
}

#[test]
fn large_values_that_are_replaced_again_and_again_do_not_pile_up() {
    let engine = Engine::in_memory();
    let client = client(&engine);
    let mut batch = client.batch().unwrap();
    let value = vec![b'x'; 1 << 20];
    let items = vec![value.as_slice(); 8];
    let mut fill: Vec<&[u8]> = vec![b"RPUSH", b"list"];
    fill.extend(items);
    for _ in 0..20 {
        run(&mut batch, &fill);
        run(&mut batch, &[b"DEL", b"list"]);
    }
    let kept = batch.core().take_trash().len();
    assert!((1..=9).contains(&kept), "{kept} lists of 8 MB");
}

fn client(engine: &Engine) -> Client {
    engine.session(Arrival {
        is_authenticated: true,
        ..Arrival::default()
    })
}

fn run(batch: &mut crate::session::Batch<'_>, words: &[&[u8]]) {
    assert!(matches!(batch.run(words), Served::Reply(reply) if !reply.is_error()));
}

#[test]
fn a_change_is_counted_once_however_often_its_unit_is_settled() {
    let session = Session::new();
    session.ask("SET a 1 PX 5");
    session.advance(5);
    let mut core = session.engine().shared().lock();
    let counted = core.stats.changes;
    core.settle();
    assert_eq!((counted, core.stats.changes), (2, 2));
}

#[test]
fn the_index_of_a_list_that_is_only_searched_is_charged() {
    let session = Session::new();
    for number in 0..2_000 {
        session.ask(&format!("RPUSH l {number}"));
    }
    let before = session.engine().usage().memory;
    for _ in 0..10 {
        session.ask("LPOS l none");
    }
    assert!(session.engine().usage().memory > before + 2_000 * 8);
}
