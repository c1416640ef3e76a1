//! More is changed than the disk can take: what is in flight is bounded, whoever it comes from.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use futures_util::FutureExt as _;
use redis::Value;
use redis::aio::ConnectionLike as _;

use super::super::Fsync;
use super::super::storage::crash::{Call, Fault};
use super::Stage;
use super::held::connect;
use crate::reply::Reply;

const VALUE: usize = 100_000;
/// The bound of tests is 1 MiB, and one command may go beyond it.
const BOUND: usize = (1 << 20) + 2 * VALUE;

fn set(key: usize) -> redis::Cmd {
    let mut command = redis::cmd("SET");
    command.arg(format!("key:{key}")).arg(vec![b'v'; VALUE]);
    command
}

fn held(stage: &Stage) -> usize {
    stage.engine().usage().memory
}

#[test]
fn who_writes_without_waiting_for_answers_waits_for_the_disk() {
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        let mut stage = Stage::new(fsync);
        let mut connection = stage.engine().connect();
        for key in 0..50 {
            // Dropped when it has begun.
            connection.req_packed_command(&set(key)).now_or_never();
        }
        assert!((BOUND / 2..BOUND).contains(&held(&stage)), "{}", held(&stage));
        // What is read changes nothing.
        let mut reader = stage.engine().connect();
        let get = redis::cmd("STRLEN").arg("key:0").to_owned();
        let read = reader.req_packed_command(&get).now_or_never();
        assert!(read.is_some() || fsync == Fsync::Always);
        let command = set(0);
        let mut waiting = connection.req_packed_command(&command);
        assert!((&mut waiting).now_or_never().is_none());
        stage.writer.keep();
        let done = (&mut waiting).now_or_never();
        if fsync == Fsync::Always {
            assert!(done.is_none());
            stage.writer.keep();
            assert_eq!(waiting.now_or_never().unwrap().unwrap(), Value::Okay);
        } else {
            assert_eq!(done.unwrap().unwrap(), Value::Okay);
        }
    }
}

#[test]
fn a_pipeline_and_a_script_are_bounded_too() {
    let mut stage = Stage::new(Fsync::Never);
    let mut connection = stage.engine().connect();
    let mut pipeline = redis::pipe();
    (0..50).for_each(|key| {
        pipeline.add_command(set(key));
    });
    let mut running = connection.req_packed_commands(&pipeline, 0, 50);
    let mut rounds = 0;
    while (&mut running).now_or_never().is_none() {
        rounds += 1;
        assert!(held(&stage) < (rounds + 1) * BOUND);
        stage.writer.keep();
    }
    assert!(rounds >= 3, "{rounds}");
    drop(running);
    // A unit that changes much with few words.
    stage.writer.keep();
    stage.client.ask("SET large 1");
    stage.client.ask("SETRANGE large 2000000 x");
    let more = set(0);
    assert!(connection.req_packed_command(&more).now_or_never().is_none());
    stage.writer.keep();
    stage.client.ask("SET small 1");
    assert!(connection.req_packed_command(&more).now_or_never().is_some());
}

#[test]
fn a_client_that_wants_no_replies_is_not_read_while_the_disk_is_behind() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let mut wire = connect(&server);
    wire.send("CLIENT REPLY OFF\r\n");
    wire.0
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let value = vec![b'v'; VALUE];
    let mut sent = 0;
    // Beyond what sockets hold.
    for key in 0..400 {
        let mut request = format!("*3\r\n$3\r\nSET\r\n$7\r\nkey:{key:03}\r\n${VALUE}\r\n").into_bytes();
        request.extend_from_slice(&value);
        request.extend_from_slice(b"\r\n");
        match wire.0.write_all(&request) {
            Ok(()) => sent += 1,
            Err(error) => {
                assert!(matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut
                ));
                break;
            }
        }
    }
    assert!(sent < 400, "all was taken");
    assert!(held(&stage) < BOUND, "{}", held(&stage));
    let before = held(&stage);
    stage.writer.keep();
    stage.until(|core| core.data_memory() > before + BOUND / 4);
}

#[test]
fn who_waits_for_room_goes_on_when_the_journal_fails() {
    let mut stage = Stage::new(Fsync::Always);
    let mut connection = stage.engine().connect();
    for key in 0..50 {
        connection.req_packed_command(&set(key)).now_or_never();
    }
    let more = set(0);
    let mut waiting = connection.req_packed_command(&more);
    assert!((&mut waiting).now_or_never().is_none());
    stage.machine.fail(Some(Call::Write), 0, Fault::NoSpace);
    stage.writer.keep();
    let Value::ServerError(refused) = waiting.now_or_never().unwrap().unwrap() else {
        panic!("it was written");
    };
    assert_eq!(refused.code(), "MISCONF");
    assert_eq!(stage.client.ask("DBSIZE"), Reply::Int(0));
}

#[test]
fn what_is_made_anew_counts_although_nothing_grows() {
    let stage = Stage::new(Fsync::Never);
    let mut connection = stage.engine().connect();
    let mut writer = stage.writer;
    for key in [0, 1] {
        assert!(connection.req_packed_command(&set(key)).now_or_never().is_some());
    }
    writer.keep();
    let mut copy = redis::cmd("COPY");
    copy.arg("key:0").arg("key:1").arg("REPLACE");
    let mut done = 0;
    while connection.req_packed_command(&copy).now_or_never().is_some() {
        done += 1;
        assert!(done <= BOUND / VALUE, "nothing bounds it");
    }
    writer.keep();
    assert!(connection.req_packed_command(&copy).now_or_never().is_some());
}
