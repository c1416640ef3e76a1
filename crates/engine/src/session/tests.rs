//! What a client does while others have the lock.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::client::Arrival;
use crate::engine::{Engine, Shared};
use crate::reply::Reply;
use crate::session::{Served, Session};
use crate::testing::Session as Typing;

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

/// A task that takes the engine's lock when it is woken, and when it is let go.
struct Task {
    shared: Arc<Shared>,
    woken: AtomicUsize,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        assert!(self.shared.is_free());
        self.woken.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        assert!(self.shared.is_free());
    }
}

#[test]
fn who_is_answered_hears_of_it_when_the_lock_is_free() {
    let first = Typing::new();
    let clients: Vec<Typing> = (0..3).map(|_| first.other()).collect();
    let mut waits: Vec<_> = clients.iter().map(|client| client.wait("BLPOP list 1")).collect();
    let task = Arc::new(Task {
        shared: Arc::clone(first.engine().shared()),
        woken: AtomicUsize::new(0),
    });
    let waker = Waker::from(Arc::clone(&task));
    for wait in &mut waits {
        let polled = Pin::new(wait).poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(waker);
    first.ask("RPUSH list 1");
    assert_eq!(task.woken.load(Ordering::Relaxed), 1);
    // Its client leaves.
    let mut clients = clients;
    drop(clients.pop());
    assert_eq!(task.woken.load(Ordering::Relaxed), 2);
    drop(task);
    // Only the last wait knows the task now, and its time is over.
    first.advance(1_000);
    let last = Pin::new(&mut waits[1]).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(last, Poll::Ready(Reply::NilArray)));
}
