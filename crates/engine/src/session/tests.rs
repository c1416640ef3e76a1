//! What a client does while others have the lock.

use std::time::{Duration, Instant};

use crate::client::Arrival;
use crate::engine::Engine;
use crate::reply::Reply;
use crate::session::{Served, Session};

fn client(engine: &Engine) -> Session {
    engine.session(Arrival {
        is_authenticated: true,
        ..Arrival::default()
    })
}

fn reply(served: Served) -> Reply {
    match served {
        Served::Reply(reply) => reply,
        other => panic!("not answered at once: {other:?}"),
    }
}

#[test]
fn a_wait_that_is_being_dropped_takes_nothing() {
    let engine = Engine::in_memory();
    let (first, second) = (client(&engine), client(&engine));
    let Served::Waiting(waiting) = first.run(&[b"BLPOP", b"list", b"0"]) else {
        panic!("did not wait");
    };
    let id = waiting.id;
    // The wait is dropped while somebody else, who pushes then, has the lock.
    let mut batch = second.batch().unwrap();
    let dropping = std::thread::spawn(move || drop(waiting));
    let start = Instant::now();
    while batch.core.blocked.get_mut(id).unwrap().is_wanted() && start.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    assert_eq!(reply(batch.run(&[b"RPUSH", b"list", b"item"])), Reply::Int(1));
    drop(batch);
    dropping.join().unwrap();
    assert_eq!(reply(second.run(&[b"LLEN", b"list"])), Reply::Int(1));
}

#[test]
fn a_client_that_is_silent_is_silent_while_the_engine_is_busy() {
    let engine = Engine::in_memory();
    let client = client(&engine);
    assert!(matches!(
        client.run(&[b"CLIENT", b"REPLY", b"SKIP"]),
        Served::Silent
    ));
    assert!(matches!(client.run_aside(&[b"GET", b"key"]), Served::Silent));
    assert!(matches!(
        client.run_aside(&[b"GET", b"key"]),
        Served::Reply(Reply::Error(_))
    ));
    assert_eq!(reply(client.run(&[b"GET", b"key"])), Reply::Nil);
    assert!(matches!(
        client.run(&[b"CLIENT", b"REPLY", b"OFF"]),
        Served::Silent
    ));
    assert!(matches!(client.run_aside(&[b"GET", b"key"]), Served::Silent));
    assert!(matches!(client.run_aside(&[b"GET", b"key"]), Served::Silent));
    assert!(matches!(client.run(&[b"GET", b"key"]), Served::Silent));
}

#[test]
fn nothing_is_killed_when_no_script_is_slow() {
    let engine = Engine::in_memory();
    let client = client(&engine);
    let refusal = client.run_aside(&[b"SCRIPT", b"KILL"]);
    assert!(
        matches!(&refusal, Served::Reply(Reply::Error(fault)) if fault.code() == "NOTBUSY"),
        "{refusal:?}"
    );
}
