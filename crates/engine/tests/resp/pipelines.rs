//! Many requests at once, requests in pieces, and large values.

use std::thread;

use crate::scene::{Scene, bulk, request};

#[test]
fn requests_sent_together_are_answered_in_order() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let mut answers = String::new();
    for number in 1..=5000 {
        wire.request(&[b"INCR", b"counter"]);
        answers.push_str(&format!(":{number}\r\n"));
    }
    wire.expect(answers);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    for byte in request(&[b"SET", b"a", b"line\r\nend"]) {
        wire.send([byte]);
    }
    wire.expect("+OK\r\n");
    wire.ask("GET a\r\n", "$9\r\nline\r\nend\r\n");
}

#[test]
fn a_large_value_goes_in_and_out() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let value: Vec<u8> = (0..20_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    wire.request(&[b"SET", b"large", &value]);
    wire.expect("+OK\r\n");
    wire.ask(
        "GET large\r\nGET none\r\n",
        [bulk(&value), b"$-1\r\n".to_vec()].concat(),
    );
}

#[test]
fn a_client_may_send_everything_before_it_reads_anything() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    let value = vec![b'v'; 10_000];
    wire.request(&[b"SET", b"a", &value]);
    wire.expect("+OK\r\n");
    let count = 3000;
    let requests = request(&[b"GET", b"a"]).repeat(count);
    wire.send(&requests);
    wire.expect(bulk(&value).repeat(count));
}

#[test]
fn a_long_pipeline_leaves_room_for_others() {
    let scene = Scene::new();
    let mut busy = scene.connect();
    let count = 400_000;
    let mut reader = busy.try_clone();
    let sending = thread::spawn(move || busy.send(request(&[b"INCR", b"counter"]).repeat(count)));
    let mut other = scene.connect();
    let mut is_between = false;
    loop {
        other.send("STRLEN counter\r\nGET counter\r\n");
        if other.line() == ":0" {
            other.expect("$-1\r\n");
            continue;
        }
        let _length = other.line();
        let seen: usize = other.line().parse().unwrap();
        if seen == count {
            break;
        }
        is_between = true;
    }
    assert!(is_between);
    sending.join().unwrap();
    let answers: String = (1..=count).map(|number| format!(":{number}\r\n")).collect();
    reader.expect(answers);
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let scene = Scene::new();
    let mut wire = scene.connect();
    wire.send("SET a 1\r\nGET a\r\n");
    wire.finish();
    assert_eq!(wire.rest(), b"+OK\r\n$1\r\n1\r\n");
}
