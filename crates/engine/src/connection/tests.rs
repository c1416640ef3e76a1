//! What redis-rs gets from an engine in its process.

use std::sync::mpsc;
use std::time::Duration;

use redis::aio::ConnectionLike as _;
use redis::{Value, cmd, pipe};

use super::Connection;
use crate::engine::{Engine, Options};

fn ask(connection: &mut Connection, command: &redis::Cmd) -> Value {
    use futures_util::FutureExt as _;
    let asked = connection.req_packed_command(command);
    asked.now_or_never().expect("answered at once").unwrap()
}

#[test]
fn a_transaction_that_ends_itself_and_waits_stops_nobody() {
    let engine = Engine::in_memory();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let mut connection = engine.connect();
        let mut pipeline = pipe();
        pipeline.atomic().cmd("DISCARD").cmd("BLPOP").arg("list").arg(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let values = runtime.block_on(connection.req_packed_commands(&pipeline, 3, 1));
        let asked = ask(&mut engine.connect(), cmd("RPUSH").arg("list").arg("item"));
        done.send((values.is_ok(), asked)).unwrap();
    });
    let (_, pushed) = ended
        .recv_timeout(Duration::from_secs(20))
        .expect("the engine stands still");
    assert_eq!(pushed, Value::Int(1));
}

#[test]
fn a_transaction_that_cannot_begin_runs_nothing() {
    let engine = Engine::in_memory();
    let mut connection = engine.connect();
    ask(&mut connection, &cmd("MULTI"));
    let mut pipeline = pipe();
    pipeline.atomic().cmd("SET").arg("key").arg("value");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let values = runtime
        .block_on(connection.req_packed_commands(&pipeline, 2, 1))
        .unwrap();
    assert!(matches!(&values[..], [Value::ServerError(_)]), "{values:?}");
    assert_eq!(ask(&mut connection, &cmd("EXEC")), Value::Array(Vec::new()));
}

#[test]
fn what_is_answered_while_the_engine_is_busy_has_the_clients_own_shapes() {
    let engine = Options::default().busy_after(Duration::from_millis(20)).start();
    let (mut running, mut other) = (engine.connect(), engine.connect());
    assert!(matches!(ask(&mut other, cmd("HELLO").arg(3)), Value::Map(_)));
    let script = std::thread::spawn(move || {
        let script = "redis.call('set', 'k', '1') while true do end";
        ask(&mut running, cmd("EVAL").arg(script).arg(0))
    });
    while !engine.shared().outside().running.is_slow() {
        std::thread::yield_now();
    }
    assert!(matches!(ask(&mut other, cmd("HELLO").arg(3)), Value::Map(_)));
    let mut pipeline = pipe();
    pipeline.atomic().cmd("GET").arg("k");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let values = runtime
        .block_on(other.req_packed_commands(&pipeline, 2, 1))
        .unwrap();
    let [Value::ServerError(refusal)] = &values[..] else {
        panic!("{values:?}");
    };
    assert!(
        refusal.details().is_some_and(|text| text.contains("BUSY")),
        "{refusal:?}"
    );
    assert_eq!(ask(&mut other, cmd("SCRIPT").arg("KILL")), Value::Okay);
    assert!(matches!(script.join().unwrap(), Value::ServerError(_)));
}

#[test]
fn who_cannot_be_told_cannot_track_and_cannot_be_killed() {
    let engine = Options::default().password("secret").start();
    let mut deaf = engine.connect();
    let tracking = ask(&mut deaf, cmd("CLIENT").arg("TRACKING").arg("ON"));
    assert!(matches!(tracking, Value::ServerError(_)), "{tracking:?}");
    let (mut hearing, _pushes) = engine.connect_with_pushes();
    assert_eq!(
        ask(&mut hearing, cmd("CLIENT").arg("TRACKING").arg("ON")),
        Value::Okay
    );
    let Value::Int(id) = ask(&mut deaf, cmd("CLIENT").arg("ID")) else {
        panic!("no id");
    };
    let mut kill = cmd("CLIENT");
    kill.arg("KILL").arg("ID").arg(id);
    assert_eq!(ask(&mut hearing, &kill), Value::Int(0));
    // Nobody in the process is asked for the password, whatever they did.
    ask(&mut deaf, &cmd("RESET"));
    assert_eq!(ask(&mut deaf, cmd("GET").arg("key")), Value::Nil);
}

#[test]
fn pushes_of_what_was_answered_are_there_at_once() {
    let engine = Engine::in_memory();
    let (mut hearing, mut pushes) = engine.connect_with_pushes();
    let mut other = engine.connect();
    ask(&mut hearing, cmd("HELLO").arg(3));
    let mut tracking = cmd("CLIENT");
    tracking
        .arg("TRACKING")
        .arg("ON")
        .arg("BCAST")
        .arg("NOLOOP")
        .arg("PREFIX")
        .arg("x:");
    assert_eq!(ask(&mut hearing, &tracking), Value::Okay);
    assert!(pushes.try_next().is_none());
    for round in 0..300 {
        ask(&mut other, cmd("SET").arg(format!("x:{round}")).arg(1));
        ask(&mut hearing, cmd("GET").arg("key"));
        let push = pushes.try_next().unwrap();
        let key = Value::BulkString(format!("x:{round}").into_bytes());
        assert_eq!(
            (push.kind, push.data),
            (redis::PushKind::Invalidate, vec![Value::Array(vec![key])])
        );
        assert!(pushes.try_next().is_none());
    }
}
