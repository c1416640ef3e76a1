//! What is held back until the journal has kept it: in what order it leaves, and that the end of an endpoint loses
//! none of it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use redis::Value;
use redis::aio::ConnectionLike as _;

use super::super::Fsync;
use super::super::storage::crash::{Call, Fault};
use super::Stage;
use crate::reply::Reply;
use crate::resp::{Address, Server};

/// Long enough for a loaded machine, short enough to fail.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long nothing may come.
const SILENCE: Duration = Duration::from_millis(50);

/// A client on a socket.
pub(super) struct Wire(pub(super) TcpStream);

impl Wire {
    pub(super) fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, text: &str) {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = vec![0; text.len()];
        self.0.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), text);
    }

    #[track_caller]
    fn expect_silence(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let read = self.0.read(&mut [0; 100]).map_err(|error| error.kind());
        assert!(
            matches!(read, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "{read:?}"
        );
    }

    #[track_caller]
    fn expect_end(&mut self) {
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

impl Stage {
    pub(super) fn listen(&self) -> Server {
        let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
        self.engine()
            .endpoint()
            .listen_on(loopback)
            .spawn_thread()
            .unwrap()
    }

    /// Waits until the engine is as it should be, on the endpoint's thread.
    pub(super) fn until(&self, is_so: impl Fn(&crate::core::Core) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_so(&self.engine().shared().lock()) {
            assert!(Instant::now() < end);
            std::thread::yield_now();
        }
    }
}

/// A client that has nothing to wait for.
fn idle(server: &Server) -> Wire {
    let mut idle = connect(server);
    idle.send("PING\r\n");
    idle.expect("+PONG\r\n");
    idle
}

pub(super) fn connect(server: &Server) -> Wire {
    let [Address::Tcp(address)] = server.addresses() else {
        panic!("{server:?}");
    };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    Wire(stream)
}

/// Stops an endpoint; returns when its clients know, as far as one of them can tell.
fn stop(server: Server, mut idle: Wire) -> JoinHandle<()> {
    let stopping = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(server.shutdown());
    });
    idle.expect_end();
    stopping
}

#[test]
fn an_element_that_was_given_to_a_waiting_client_leaves_before_the_end() {
    for (wait, give, answer) in [
        (
            "BLPOP key 0\r\n",
            "RPUSH key element",
            "*2\r\n$3\r\nkey\r\n$7\r\nelement\r\n",
        ),
        (
            "BZPOPMIN key 0\r\n",
            "ZADD key 1 element",
            "*3\r\n$3\r\nkey\r\n$7\r\nelement\r\n$1\r\n1\r\n",
        ),
    ] {
        let mut stage = Stage::new(Fsync::Always);
        let server = stage.listen();
        let idle = idle(&server);
        let mut waiting = connect(&server);
        waiting.send(wait);
        stage.until(|core| core.blocked.count() == 1);
        stage.client.ask(give);
        let stopping = stop(server, idle);
        waiting.expect_silence();
        stage.writer.keep();
        waiting.expect(answer);
        waiting.expect_end();
        stopping.join().unwrap();
    }
}

#[test]
fn replies_that_are_held_back_leave_before_the_end() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let idle = idle(&server);
    let mut wire = connect(&server);
    let before = stage.engine().shared().lock().sequence();
    wire.send("SET a 1\r\nSET b 2\r\nGET a\r\n");
    stage.until(|core| core.sequence() > before.next());
    let stopping = stop(server, idle);
    wire.expect_silence();
    stage.writer.keep();
    wire.expect("+OK\r\n+OK\r\n$1\r\n1\r\n");
    wire.expect_end();
    stopping.join().unwrap();
}

#[test]
fn a_client_that_waits_when_the_endpoint_stops_takes_nothing() {
    let stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let idle = idle(&server);
    let mut waiting = connect(&server);
    waiting.send("BLPOP key 0\r\n");
    stage.until(|core| core.blocked.count() == 1);
    stop(server, idle).join().unwrap();
    waiting.expect_end();
    assert_eq!(stage.client.ask("RPUSH key element"), Reply::Int(1));
    assert_eq!(stage.client.ask("LLEN key"), Reply::Int(1));
}

#[test]
fn an_endpoint_ends_even_if_the_journal_stands_still() {
    let stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let idle = idle(&server);
    let mut waiting = connect(&server);
    waiting.send("BLPOP key 0\r\n");
    stage.until(|core| core.blocked.count() == 1);
    stage.client.ask("RPUSH key element");
    stop(server, idle).join().unwrap();
    waiting.expect_end();
}

#[test]
fn nothing_leaves_before_what_it_may_have_seen_is_durable() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let (mut writer, mut reader, mut hearer) = (connect(&server), connect(&server), connect(&server));
    hearer.send("SUBSCRIBE news\r\n");
    hearer.expect("*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
    let before = stage.engine().shared().lock().sequence();
    writer.send("SET key 1\r\n");
    stage.until(|core| core.sequence() > before);
    // Both have seen what is not durable.
    reader.send("GET key\r\nPUBLISH news 1\r\n");
    for wire in [&mut writer, &mut reader, &mut hearer] {
        wire.expect_silence();
    }
    stage.writer.keep();
    writer.expect("+OK\r\n");
    reader.expect("$1\r\n1\r\n:1\r\n");
    hearer.expect("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\n1\r\n");
    // What comes now has seen nothing else.
    reader.send("GET key\r\n");
    reader.expect("$1\r\n1\r\n");
}

#[test]
fn earlier_replies_do_not_wait_for_later_groups() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let mut wire = connect(&server);
    let first = stage.engine().shared().lock().sequence().next();
    wire.send("SET a 1\r\n");
    stage.until(|core| core.sequence() == first);
    // Gathered and written before the second unit, whose reply stands behind the first one's.
    stage.writer.keep();
    wire.expect("+OK\r\n");
    wire.send("SET a 2\r\n");
    stage.until(|core| core.sequence() == first.next());
    wire.expect_silence();
    stage.writer.keep();
    wire.expect("+OK\r\n");
}

#[test]
fn in_the_process_too_nothing_leaves_before_it_is_durable() {
    let mut stage = Stage::new(Fsync::Always);
    let (mut hearer, mut pushes) = stage.engine().connect_with_pushes();
    let (mut writer, mut reader) = (stage.engine().connect(), stage.engine().connect());
    let command = |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command
    };
    let (subscribe, set, publish) = (
        command(&["SUBSCRIBE", "news"]),
        command(&["SET", "key", "1"]),
        command(&["PUBLISH", "news", "1"]),
    );
    hearer
        .req_packed_command(&subscribe)
        .now_or_never()
        .unwrap()
        .unwrap();
    pushes.next().now_or_never();
    let mut set = writer.req_packed_command(&set);
    assert!((&mut set).now_or_never().is_none());
    let mut publish = reader.req_packed_command(&publish);
    assert!((&mut publish).now_or_never().is_none());
    assert!(pushes.next().now_or_never().is_none());
    stage.writer.keep();
    assert_eq!(set.now_or_never().unwrap().unwrap(), Value::Okay);
    assert_eq!(publish.now_or_never().unwrap().unwrap(), Value::Int(1));
    let push = pushes.next().now_or_never().unwrap().unwrap();
    assert_eq!(push.kind, redis::PushKind::Message);
}

#[test]
fn who_waits_for_pushes_is_woken_also_when_somebody_else_looked_for_them() {
    let mut stage = Stage::new(Fsync::Always);
    let (mut hearer, mut pushes) = stage.engine().connect_with_pushes();
    let mut writer = stage.engine().connect();
    let (mut subscribe, mut publish) = (redis::cmd("SUBSCRIBE"), redis::cmd("EVAL"));
    subscribe.arg("news");
    publish
        .arg("redis.call('set', 'key', 1) return redis.call('publish', 'news', 1)")
        .arg(0);
    hearer
        .req_packed_command(&subscribe)
        .now_or_never()
        .unwrap()
        .unwrap();
    while pushes.try_next().is_some() {}
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(pushes.poll_next(&mut Context::from_waker(&waker)).is_pending());
    let mut published = writer.req_packed_command(&publish);
    assert!((&mut published).now_or_never().is_none());
    // It has come and may not leave.
    assert!(pushes.try_next().is_none());
    woken.0.store(false, Ordering::SeqCst);
    stage.writer.keep();
    assert!(woken.0.load(Ordering::SeqCst), "it may leave now");
    assert_eq!(pushes.try_next().unwrap().kind, redis::PushKind::Message);
    assert!(pushes.poll_next(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(published.now_or_never().unwrap().unwrap(), Value::Int(1));
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn what_was_lost_is_told_in_the_process_and_ends_connections_elsewhere() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let mut wire = connect(&server);
    let mut inside = stage.engine().connect();
    let (_hearer, mut pushes) = stage.engine().connect_with_pushes();
    let before = stage.engine().shared().lock().sequence();
    wire.send("SET a 1\r\n");
    stage.until(|core| core.sequence() > before);
    let mut set = redis::cmd("SET");
    set.arg("b").arg(1);
    let mut set = inside.req_packed_command(&set);
    assert!((&mut set).now_or_never().is_none());
    stage.machine.fail(Some(Call::Sync), 0, Fault::Io);
    stage.writer.keep();
    let Value::ServerError(refused) = set.now_or_never().unwrap().unwrap() else {
        panic!("it was lost");
    };
    assert_eq!(refused.code(), "MISCONF");
    wire.expect_end();
    assert!(pushes.next().now_or_never().is_none());
    let mut other = connect(&server);
    other.send("GET a\r\nGET b\r\n");
    other.expect("$-1\r\n$-1\r\n");
    other.send("SET a 1\r\n");
    other.expect("-MISCONF The journal failed (cannot sync log-0000000000000000: ");
}

#[test]
fn a_client_that_waits_for_a_key_is_told_of_a_failure() {
    let mut stage = Stage::new(Fsync::Always);
    let server = stage.listen();
    let mut wire = connect(&server);
    wire.send("BLPOP key 0\r\n");
    stage.until(|core| core.blocked.count() == 1);
    stage.machine.fail(Some(Call::Write), 0, Fault::NoSpace);
    stage.client.ask("SET key 1");
    stage.writer.keep();
    let refusal = "-MISCONF The journal failed (cannot write to log-0000000000000000: ";
    wire.expect(refusal);
}

#[test]
fn transactions_after_a_failure_say_why_they_do_not_run() {
    let mut stage = Stage::new(Fsync::Always);
    let (watching, queueing, reading) = (stage.client.other(), stage.client.other(), stage.client.other());
    stage.client.ask("SET key 1");
    assert!(stage.flush());
    watching.ask("WATCH key");
    for client in [&watching, &queueing, &reading] {
        client.ask("MULTI");
    }
    watching.ask("GET key");
    queueing.ask("SET key 2");
    reading.ask("GET key");
    stage.machine.fail(Some(Call::Sync), 0, Fault::Io);
    stage.client.ask("SET key 3");
    stage.writer.keep();
    // What it watched has been read again, so nobody can say that it has not changed.
    assert_eq!(watching.ask("EXEC"), Reply::NilArray);
    assert_eq!(reading.ask("EXEC"), Reply::Array(vec![Reply::bulk("1")]));
    let refused = format!("{:?}", queueing.ask("EXEC"));
    let reason = "EXECABORT Transaction discarded because of: MISCONF The journal failed (cannot sync ";
    assert!(refused.contains(reason), "{refused}");
    // Nothing of it is left.
    assert_eq!(queueing.ask("GET key"), Reply::bulk("1"));
    queueing.ask("MULTI");
    let refused = format!("{:?}", queueing.ask("SET key 2"));
    assert!(refused.contains("MISCONF The journal failed"), "{refused}");
    let refused = format!("{:?}", queueing.ask("EXEC"));
    let previous = "EXECABORT Transaction discarded because of previous errors.";
    assert!(refused.contains(previous), "{refused}");
}

#[test]
fn what_was_seen_to_expire_stays_gone_when_the_clock_is_set_back() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("SET gone 1 PX 50");
    stage.client.ask("SET stays 1 PX 500");
    stage.writer.keep();
    stage.client.advance(60);
    assert_eq!(stage.client.ask("GET gone"), Reply::Nil);
    stage.writer.keep();
    stage.machine.kill();
    // Its clock begins where the first one's began.
    let stage = Stage::on(stage.machine.clone(), Fsync::Always, super::clock());
    assert_eq!(stage.client.ask("EXISTS gone stays"), Reply::Int(1));
    assert_eq!(stage.client.ask("GET stays"), Reply::bulk("1"));
}

#[test]
fn who_keeps_the_engine_for_long_does_not_keep_what_is_written_from_the_disk() {
    let mut stage = Stage::new(Fsync::EverySecond);
    stage.client.ask("SET key value");
    stage.writer.keep();
    let (engine, written) = (stage.engine().clone(), stage.engine().shared().lock().sequence());
    let (has_it, taken) = std::sync::mpsc::channel();
    let keeper = std::thread::spawn(move || {
        let core = engine.shared().lock();
        has_it.send(()).unwrap();
        let until = Instant::now() + PATIENCE;
        let progress = engine.shared().progress().unwrap();
        while progress.durable() < written && Instant::now() < until {
            std::thread::yield_now();
        }
        drop(core);
        progress.durable()
    });
    taken.recv().unwrap();
    stage.writer.keep();
    assert_eq!(keeper.join().unwrap(), written);
}
