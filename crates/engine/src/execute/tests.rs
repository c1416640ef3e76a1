//! Units of work: who is served and told, when, and what a panic leaves.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::engine::Options;
use crate::reply::Reply;
use crate::session::Waiting;
use crate::testing::Session;

/// The answer that is there already, if any.
fn answer(waiting: &mut Waiting) -> Option<Reply> {
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(reply) => Some(reply),
        Poll::Pending => None,
    }
}

fn transaction(session: &Session) -> Reply {
    session.ask("MULTI");
    session.ask("PING");
    session.ask("EXEC")
}

#[test]
fn a_served_move_marks_the_client_that_watches_its_target_and_no_other() {
    let session = Session::new();
    let (pusher, third) = (session.other(), session.other());
    session.ask("WATCH target");
    let mut moving = session.wait("BLMOVE source target LEFT LEFT 0");
    pusher.ask("RPUSH source item");
    assert_eq!(answer(&mut moving), Some(Reply::bulk("item")));
    assert_eq!(transaction(&third), Reply::Array(vec![Reply::status("PONG")]));
    assert_eq!(transaction(&session), Reply::NilArray);
}

#[test]
fn a_client_that_was_killed_takes_nothing_any_more() {
    let session = Session::new();
    let killer = session.other();
    let Reply::Int(id) = session.ask("CLIENT ID") else {
        panic!("no id");
    };
    let mut waiting = session.wait("BLPOP list 0");
    assert_eq!(killer.ask(&format!("CLIENT KILL ID {id}")), Reply::Int(1));
    killer.ask("RPUSH list item");
    assert_eq!(killer.ask("LLEN list"), Reply::Int(1));
    assert_eq!(answer(&mut waiting), None);
}

#[test]
fn who_waits_is_answered_when_the_batch_was_handed_over() {
    let held: Arc<Mutex<Option<Waiting>>> = Arc::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (watched, noted) = (Arc::clone(&held), Arc::clone(&seen));
    let session = Session::with(Options::default().on_change(move |_| {
        if let Some(waiting) = watched.lock().unwrap().as_mut() {
            noted.lock().unwrap().push(answer(waiting));
        }
    }));
    *held.lock().unwrap() = Some(session.wait("BLMOVE source target LEFT LEFT 0"));
    session.other().ask("RPUSH source item");
    assert_eq!(*seen.lock().unwrap(), [None]);
    let mut waiting = held.lock().unwrap().take().unwrap();
    assert_eq!(answer(&mut waiting), Some(Reply::bulk("item")));
}

#[test]
fn a_panic_of_who_takes_the_changes_costs_one_batch() {
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    let session = Session::with(Options::default().on_change(move |_| {
        let mut count = counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *count += 1;
        assert!(*count != 1, "the first batch is too much");
    }));
    assert!(catch_unwind(AssertUnwindSafe(|| session.ask("SET a 1"))).is_err());
    assert_eq!(session.ask("SET b 1"), Reply::OK);
    assert_eq!(session.ask("MGET a b"), Reply::bulks(["1", "1"]));
    assert_eq!(
        *count.lock().unwrap_or_else(std::sync::PoisonError::into_inner),
        2
    );
}

#[test]
fn a_panic_of_who_takes_the_changes_does_not_end_the_housekeeping() {
    use futures_util::FutureExt as _;
    let engine = Options::default()
        .on_change(|batch| {
            let is_expiry = batch
                .iter()
                .any(|effect| matches!(effect, crate::effect::Effect::Gone { .. }));
            assert!(!is_expiry, "a key has expired");
        })
        .start();
    let (mut connection, mut other) = (engine.connect(), engine.connect());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Expires while nobody calls.
        let _: () = redis::cmd("SET")
            .arg(&["a", "1", "PX", "1"])
            .query_async(&mut connection)
            .await
            .unwrap();
        let start = Instant::now();
        while engine.shared().lock().next_expiry() != crate::keyspace::NEVER {
            assert!(start.elapsed() < Duration::from_secs(10), "nothing expires");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut command = redis::cmd("BLPOP");
        command.arg(&["list", "0.05"]);
        let waited = command.query_async::<redis::Value>(&mut other);
        let answered = tokio::time::timeout(Duration::from_secs(10), waited.boxed()).await;
        assert_eq!(answered.unwrap().unwrap(), redis::Value::Nil);
    });
}

#[test]
fn a_client_may_wait_for_many_keys() {
    let session = Session::new();
    let keys: Vec<String> = (0..100_000).map(|number| format!("list:{number}")).collect();
    let start = Instant::now();
    let mut waiting = session.wait(&format!("BLPOP {} list:7 0", keys.join(" ")));
    session.other().ask("RPUSH list:99999 item");
    assert_eq!(answer(&mut waiting), Some(Reply::bulks(["list:99999", "item"])));
    // Each key compared with each other would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn serving_who_waits_is_no_command_of_its_own() {
    let session = Session::new();
    let (second, pusher) = (session.other(), session.other());
    let _first = session.wait("BLPOP list 0");
    let _second = second.wait("BLPOP list 0");
    pusher.ask("RPUSH list item");
    let Reply::Verbatim(text) = pusher.ask("INFO commandstats") else {
        panic!("no text");
    };
    assert!(text.contains("cmdstat_blpop:calls=2,"), "{text}");
}
