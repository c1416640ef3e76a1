//! What is remembered of readers, and for how long.

use std::time::{Duration, Instant};

use super::Tracking;
use crate::client::{Arrival, Clients, Message};
use crate::engine::Engine;
use crate::inbox::{Mail, inbox};
use crate::reply::Reply;
use crate::session::{Served, Session};

fn listener(engine: &Engine) -> (Session, Mail) {
    let (inbox, messages) = inbox(None);
    let session = engine.session(Arrival {
        is_authenticated: true,
        inbox: Some(inbox),
        ..Arrival::default()
    });
    ask(&session, "HELLO 3");
    (session, messages)
}

fn ask(session: &Session, line: &str) -> Reply {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    match session.run(&words) {
        Served::Reply(reply) => reply,
        other => panic!("{line} was not answered: {other:?}"),
    }
}

#[test]
fn many_changed_keys_are_told_at_once() {
    let engine = Engine::in_memory();
    let (session, mut messages) = listener(&engine);
    ask(&session, "CLIENT TRACKING ON BCAST");
    let pairs: Vec<String> = (0..100_000).map(|number| format!("key:{number:06} x")).collect();
    let start = Instant::now();
    ask(&session, &format!("MSET {} key:000007 y", pairs.join(" ")));
    let Message::Push(Reply::Push(parts)) = messages.try_recv().unwrap().message else {
        panic!("nothing was told");
    };
    let Reply::Array(keys) = &parts[1] else {
        panic!("no keys");
    };
    assert_eq!(keys.len(), 100_000);
    assert!(
        keys.windows(2)
            .all(|pair| format!("{:?}", pair[0]) != format!("{:?}", pair[1]))
    );
    // Each key compared with each other would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn no_more_keys_are_remembered_than_may_be() {
    let engine = Engine::in_memory();
    let (session, _messages) = listener(&engine);
    ask(&session, "CLIENT TRACKING ON");
    for part in 0..11 {
        let keys: Vec<String> = (0..100_000).map(|number| format!("{part}:{number}")).collect();
        ask(&session, &format!("EXISTS {}", keys.join(" ")));
    }
    assert_eq!(engine.shared().lock().tracking.keys(), 1_000_000);
}

#[test]
fn readers_who_have_left_are_forgotten() {
    let (mut tracking, mut clients) = (Tracking::default(), Clients::default());
    for id in 1..=10_000 {
        let seat = clients.connect(id, Arrival::default(), 0);
        let mut client = clients.take(seat).unwrap();
        client.tracking = Some(Box::default());
        tracking.read(&client, [b"key"], &clients, &mut fastrand::Rng::with_seed(1));
        clients.put_back(client);
        clients.disconnect(seat);
    }
    let readers = tracking.readers.get(b"key").unwrap();
    assert!(readers.len() < 16, "{} readers", readers.len());
}
