//! A script that runs too long and was sent by a client: the endpoint's only thread and the engine's lock are taken.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oxherd_engine::{Engine, Limits, Options};

use crate::scene::{Scene, Wire, bulk, loopback, request};

const BUSY: &str =
    "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n";
const ENDLESS: &[u8] = b"redis.call('set', KEYS[1], 'written') while true do end";
const KILLED: &str = "-ERR Script killed by user with SCRIPT KILL...";

fn options() -> Options {
    Options::default().busy_after(Duration::from_millis(30))
}

fn scene() -> Scene {
    Scene::with(options(), Limits::default())
}

/// A client that sends a script which ends only when it is killed, and it is running.
fn endless(scene: &Scene) -> Wire {
    let mut wire = scene.connect();
    wire.ask("PING\r\n", "+PONG\r\n");
    wire.request(&[b"EVAL", ENDLESS, b"1", b"key"]);
    wire
}

/// Asks until the engine is busy: the script may not have begun yet.
fn wait_for_busy(wire: &mut Wire) {
    loop {
        wire.send("STRLEN key\r\n");
        match wire.line().as_str() {
            ":0" | ":7" => {}
            line => return assert_eq!(format!("{line}\r\n"), BUSY),
        }
    }
}

/// Kills the script of `first`, and sees it end.
fn kill<S: Read + Write>(killer: &mut Wire<S>, first: &mut Wire<S>) {
    killer.ask("SCRIPT KILL\r\n", "+OK\r\n");
    let line = first.line();
    assert!(line.starts_with(KILLED), "{line}");
}

#[test]
fn a_client_that_comes_while_a_script_runs_too_long_can_kill_it() {
    let scene = scene();
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    let mut third = scene.connect();
    third.ask("GET key\r\nPING\r\n", [BUSY, BUSY].concat());
    kill(&mut second, &mut first);
    for wire in [&mut first, &mut second, &mut third] {
        wire.ask("GET key\r\n", bulk(b"written"));
        wire.ask("CLIENT GETNAME\r\n", "$-1\r\n");
    }
    second.ask(
        "SCRIPT KILL\r\n",
        "-NOTBUSY No scripts in execution right now.\r\n",
    );
}

#[test]
fn a_client_that_was_there_before_is_told_too() {
    let scene = scene();
    let mut other = scene.connect();
    other.ask("SET a 1\r\n", "+OK\r\n");
    let mut first = endless(&scene);
    wait_for_busy(&mut other);
    // A request in two parts.
    other.send("*2\r\n$3\r\nGET\r\n");
    other.send("$1\r\na\r\n");
    other.expect(BUSY);
    kill(&mut other, &mut first);
    other.ask("GET a\r\n", bulk(b"1"));
}

#[test]
fn the_password_is_asked_for_all_the_same() {
    let scene = Scene::with(options().password("secret"), Limits::default());
    scene.engine.set_password("newer");
    let mut first = scene.connect();
    first.ask("AUTH newer\r\n", "+OK\r\n");
    first.request(&[b"EVAL", ENDLESS, b"1", b"key"]);
    let mut second = scene.connect();
    second.ask("SCRIPT KILL\r\n", "-NOAUTH Authentication required.\r\n");
    second.ask(
        "AUTH secret\r\n",
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    );
    second.ask("AUTH newer\r\n", "+OK\r\n");
    wait_for_busy(&mut second);
    kill(&mut second, &mut first);
    second.ask("GET key\r\n", bulk(b"written"));
}

#[test]
fn a_stranger_does_not_get_in_while_the_engine_is_busy() {
    let scene = Scene::with(options().password("secret"), Limits::default());
    let mut first = scene.connect();
    first.ask("AUTH secret\r\n", "+OK\r\n");
    let mut stranger = scene.connect();
    stranger.ask("GET key\r\n", "-NOAUTH Authentication required.\r\n");
    first.request(&[b"EVAL", ENDLESS, b"1", b"key"]);
    let mut second = scene.connect();
    second.ask("AUTH secret\r\n", "+OK\r\n");
    wait_for_busy(&mut second);
    for _ in 0..3 {
        stranger.ask("SCRIPT KILL\r\n", "-NOAUTH Authentication required.\r\n");
    }
    second.ask("GET key\r\n", BUSY);
    kill(&mut second, &mut first);
    stranger.ask("GET key\r\n", "-NOAUTH Authentication required.\r\n");
}

#[test]
fn what_a_client_says_of_itself_meanwhile_holds_afterwards() {
    let scene = scene();
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    second.send("HELLO 3 SETNAME late\r\n");
    assert_eq!(second.line(), "%7");
    let mut reply = String::new();
    while !reply.ends_with("modules*0") {
        reply.push_str(&second.line());
    }
    assert!(reply.contains("proto:3$2id:"), "{reply}");
    kill(&mut second, &mut first);
    second.ask("CLIENT GETNAME\r\n", bulk(b"late"));
    second.ask("GET nothing\r\n", "_\r\n");
}

#[test]
fn a_transaction_of_which_a_command_was_refused_does_not_run() {
    let scene = scene();
    let mut before = scene.connect();
    before.ask("MULTI\r\nSET a 1\r\n", "+OK\r\n+QUEUED\r\n");
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    before.ask("SET b 1\r\n", BUSY);
    second.ask("MULTI\r\nSET c 1\r\n", ["+OK\r\n", BUSY].concat());
    let mut third = scene.connect();
    let aborted = format!("-EXECABORT Transaction discarded because of: {}", &BUSY[1..]);
    third.ask(
        "MULTI\r\nSET d 1\r\nEXEC\r\n",
        ["+OK\r\n", BUSY, &aborted].concat(),
    );
    kill(&mut third, &mut first);
    let refused = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    before.ask("EXEC\r\n", refused);
    second.ask("EXEC\r\n", refused);
    third.ask("EXISTS a b c d\r\n", ":0\r\n");
}

#[test]
fn leaving_and_mistakes_are_answered_as_ever() {
    let scene = scene();
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    let mut third = scene.connect();
    third.ask(
        "FOO\r\nGET\r\nQUIT\r\nGET a\r\n",
        "-ERR unknown command 'FOO', with args beginning with: \r\n-ERR wrong number of arguments for 'get' command\r\n+OK\r\n",
    );
    let mut broken = scene.connect();
    broken.ask("*1\r\n!\r\n", "-ERR Protocol error: expected '$', got '!'\r\n");
    kill(&mut second, &mut first);
    third.expect_closed();
    broken.expect_closed();
}

#[test]
fn a_script_that_has_written_nothing_is_stopped_by_itself() {
    let scene = scene();
    let mut first = scene.connect();
    let mut second = scene.connect();
    first.request(&[b"EVAL", b"while true do end", b"0"]);
    let stopped = first.line();
    assert!(
        stopped.starts_with("-ERR Script stopped after running longer than 30 milliseconds"),
        "{stopped}"
    );
    first.ask("PING\r\n", "+PONG\r\n");
    second.ask("PING\r\n", "+PONG\r\n");
}

#[test]
fn many_clients_keep_their_order_over_the_end_of_a_script() {
    let scene = scene();
    let mut first = endless(&scene);
    let mut last = scene.connect();
    wait_for_busy(&mut last);
    let mut clients: Vec<Wire> = (0..50).map(|_| scene.connect()).collect();
    for wire in &mut clients {
        for number in 0..300 {
            wire.request(&[b"ECHO", format!("{number}").as_bytes()]);
        }
    }
    kill(&mut last, &mut first);
    for wire in &mut clients {
        let mut is_busy = true;
        for number in 0..300 {
            let line = wire.line();
            if line.starts_with("-BUSY") {
                assert!(is_busy, "busy again after an answer");
            } else {
                is_busy = false;
                assert_eq!(line, format!("${}", number.to_string().len()));
                assert_eq!(wire.line(), number.to_string());
            }
        }
        wire.ask("PING\r\n", "+PONG\r\n");
    }
}

#[test]
fn a_script_of_this_process_does_not_silence_the_endpoint() {
    let scene = scene();
    let mut other = scene.connect();
    other.ask("PING\r\n", "+PONG\r\n");
    let mut connection = scene.engine.connect();
    let script = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let script = String::from_utf8(ENDLESS.to_vec()).unwrap();
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg("key");
        runtime
            .block_on(eval.query_async::<()>(&mut connection))
            .unwrap_err()
    });
    wait_for_busy(&mut other);
    // One client leaves: its seat is given back under the lock, on the thread that serves all others.
    drop(other);
    let mut second = scene.connect();
    second.ask("GET key\r\n", BUSY);
    second.ask("SCRIPT KILL\r\n", "+OK\r\n");
    assert!(script.join().unwrap().to_string().contains("Script killed"));
    second.ask("GET key\r\n", bulk(b"written"));
}

#[test]
fn clients_of_a_unix_socket_and_of_a_runtime_of_the_program_are_told_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let engine: Engine = options().start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime
        .block_on(async {
            engine
                .endpoint()
                .listen_on(path.clone())
                .listen_on(loopback())
                .spawn()
        })
        .unwrap();
    let mut first: Wire<UnixStream> = Wire::unix(&path);
    first.send(request(&[b"EVAL", ENDLESS, b"1", b"key"]));
    let mut second = Wire::unix(&path);
    loop {
        second.send("STRLEN key\r\n");
        if second.line().starts_with("-BUSY") {
            break;
        }
    }
    kill(&mut second, &mut first);
    second.ask("GET key\r\n", bulk(b"written"));
    runtime.block_on(server.shutdown());
    second.expect_closed();
}

#[test]
fn the_endpoint_can_be_stopped_during_and_after_a_script() {
    let Scene { engine, server } = scene();
    let scene = Scene {
        engine: engine.clone(),
        server,
    };
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    let address = scene.address();
    drop(scene.server);
    // Who is connected is still heard until the script has ended, or is closed; a new engine client can kill it.
    let mut connection = engine.connect();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(
            redis::cmd("SCRIPT")
                .arg("KILL")
                .query_async::<()>(&mut connection),
        )
        .unwrap();
    let _ = first.rest();
    let _ = second.rest();
    let start = Instant::now();
    while engine.endpoint().listen_on(address).spawn_thread().is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "the address is not free"
        );
        std::thread::yield_now();
    }
}

#[test]
fn who_leaves_while_a_script_runs_too_long_does_not_wait_for_it() {
    let scene = scene();
    let mut local = scene.engine.connect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut waiter = scene.engine.connect();
    let waiting = redis::cmd("BLPOP").arg("list").arg(0).to_owned();
    let mut waiting = Box::pin(async move { waiting.query_async::<()>(&mut waiter).await });
    runtime.block_on(async {
        redis::cmd("PING").exec_async(&mut local).await.unwrap();
        assert!(futures_util::poll!(&mut waiting).is_pending());
    });
    let mut first = endless(&scene);
    let mut second = scene.connect();
    wait_for_busy(&mut second);
    let (done, ended) = std::sync::mpsc::channel();
    let engine = scene.engine.clone();
    std::thread::spawn(move || {
        drop((local, waiting));
        done.send(engine.usage()).unwrap();
    });
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
    kill(&mut second, &mut first);
    second.ask("RPUSH list 1\r\nLLEN list\r\n", ":1\r\n:1\r\n");
    second.send("CLIENT LIST\r\n");
    let length: usize = second.line().split_off(1).parse().unwrap();
    let list = String::from_utf8(second.bytes(length)).unwrap();
    assert!(!list.contains("in-process"), "{list}");
}
