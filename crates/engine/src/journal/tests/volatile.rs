//! Volatile keys on a directory: never on the disk, gone after a restart, and nobody waits for them without need.
//!
//! Next: `volatile/answers.rs` (what waits).

mod answers;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use answers::Watcher;

use super::super::error::JournalError;
use super::super::snapshot::Step;
use super::super::storage::crash::{Call, Fault, Machine};
use super::super::writer::{Request, Writer};
use super::super::{Fsync, Sequence, aside::Aside};
use crate::clock::Clock;
use crate::engine::Options;
use crate::error::ErrorKind;
use crate::reply::Reply;
use crate::testing::Session;

/// An engine on a machine whose journal writes when it is told to.
struct Trial {
    machine: Machine,
    session: Session,
    writer: Writer,
    asides: std::sync::mpsc::Receiver<Aside>,
}

fn options(fsync: Fsync, volatile: &[&str]) -> (Options, crate::clock::ManualClock) {
    let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_millis(1_700_000_000_000));
    let options = Options::default().clock(clock).fsync(fsync);
    (options.volatile(volatile.iter().copied()), hands)
}

fn open(machine: Machine, fsync: Fsync, volatile: &[&str]) -> Result<Trial, JournalError> {
    let (options, hands) = options(fsync, volatile);
    let (give, asides) = std::sync::mpsc::channel();
    let helper = Box::new(move |aside| give.send(aside).unwrap());
    let (engine, writer) = options.open_by_hand(machine.storage(), helper)?;
    Ok(Trial {
        machine,
        session: Session::on(engine, hands),
        writer,
        asides,
    })
}

impl Trial {
    fn new(volatile: &[&str]) -> Self {
        open(Machine::new(1), Fsync::Always, volatile).unwrap()
    }

    fn done(&self, line: &str) -> Reply {
        let reply = self.session.ask(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
        reply
    }

    /// Ends the process, with the power or without, and starts it again.
    fn again(self, is_power_lost: bool, volatile: &[&str]) -> Self {
        let Self {
            machine,
            session,
            writer,
            ..
        } = self;
        let fsync = Fsync::Always;
        if is_power_lost {
            machine.crash(&mut fastrand::Rng::with_seed(1));
        } else {
            machine.kill();
        }
        drop((session, writer));
        open(machine, fsync, volatile).unwrap()
    }

    fn sequence(&self) -> Sequence {
        self.session.engine().shared().lock().sequence()
    }

    fn take_image(&mut self) {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.writer.serve(Request::Image(answer));
        let Aside::Image(snapshot) = self.asides.try_recv().unwrap() else {
            panic!("no image was begun");
        };
        let taken = snapshot.take().transpose().unwrap();
        self.writer.serve(Request::Taken(taken));
        answered.recv().unwrap().unwrap();
    }

    /// What is in the files.
    fn has_on_disk(&self, text: &str) -> bool {
        self.machine.names().iter().any(|name| {
            let bytes = self.machine.contents(name).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}

#[test]
fn volatile_keys_are_never_on_the_disk_and_gone_after_a_restart() {
    for is_power_lost in [false, true] {
        let mut trial = Trial::new(&["v:"]);
        trial.done("SET v:a never-on-disk");
        trial.done("HSET kept field on-disk");
        trial.writer.keep();
        trial.done("EVAL \"for i=1,500 do redis.call('RPUSH',KEYS[1],'never-on-disk') end\" 1 v:list");
        trial.done("MSET v:b never-on-disk other on-disk");
        trial.writer.keep();
        assert!(trial.has_on_disk("on-disk") && !trial.has_on_disk("never-on-disk"));
        trial.take_image();
        assert!(trial.has_on_disk("on-disk") && !trial.has_on_disk("never-on-disk"));
        let trial = trial.again(is_power_lost, &["v:"]);
        assert_eq!(trial.done("DBSIZE"), Reply::Int(2));
        assert_eq!(trial.done("HGET kept field"), Reply::bulk("on-disk"));
    }
}

#[test]
fn a_unit_that_keeps_to_volatile_keys_is_nothing_to_the_journal() {
    let trial = Trial::new(&["v:"]);
    let before = trial.sequence();
    for line in [
        "SET v:a 1",
        "INCR v:a",
        "EXPIRE v:a 100",
        "RENAME v:a v:b",
        "RPUSH v:l 1 2",
        "LPOP v:l",
        "DEL v:b",
        "EVAL \"return redis.call('SET',KEYS[1],1)\" 1 v:c",
        "SET v:t 1 PX 5",
    ] {
        trial.done(line);
        assert_eq!(trial.sequence(), before, "{line}");
    }
    trial.session.advance(10);
    assert_eq!(
        (trial.done("EXISTS v:t"), trial.sequence()),
        (Reply::Int(0), before)
    );
    trial.done("SET kept 1");
    assert_eq!(trial.sequence(), before.next());
}

#[test]
fn what_was_kept_under_a_prefix_that_is_volatile_now_is_dropped_for_good() {
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        for with_image in [false, true] {
            let mut trial = open(Machine::new(1), fsync, &[]).unwrap();
            for line in [
                "SET v:a stale",
                "SADD v:s 1 2",
                "SET kept 1",
                "SELECT 3",
                "SET v:a stale",
            ] {
                trial.done(line);
            }
            trial.writer.keep();
            if with_image {
                trial.take_image();
            }
            let (answer, _) = std::sync::mpsc::sync_channel(1);
            trial.writer.serve(Request::Flush(answer));
            // Nothing is done but to open it, and the power fails at once.
            let trial = trial.again(true, &["v:"]);
            assert_eq!(trial.done("DBSIZE"), Reply::Int(1));
            let trial = trial.again(true, &[]);
            assert_eq!(trial.done("KEYS *"), Reply::Array(vec![Reply::bulk("kept")]));
            trial.done("SET v:a new");
            let mut trial = trial;
            trial.writer.keep();
            let trial = trial.again(true, &[]);
            assert_eq!(trial.done("GET v:a"), Reply::bulk("new"));
        }
    }
}

#[test]
fn a_start_that_fails_while_it_drops_keys_can_be_made_again_with_the_prefix_or_without() {
    let prepare = || {
        let mut trial = Trial::new(&[]);
        trial.done("MSET v:a 1 v:b 2 kept 3");
        trial.writer.keep();
        let Trial {
            machine,
            session,
            writer,
            ..
        } = trial;
        machine.kill();
        drop((session, writer));
        machine
    };
    let is_one_of = |count: Reply| count == Reply::Int(1) || count == Reply::Int(3);
    let mut failures = 0;
    for fault in [Fault::PowerCut, Fault::Io, Fault::NoSpace] {
        for call in 0..40 {
            let machine = prepare();
            machine.fail(None, call, fault);
            let opened = open(machine.clone(), Fsync::Always, &["v:"]);
            failures += u32::from(opened.is_err());
            drop(opened);
            machine.crash(&mut fastrand::Rng::with_seed(call));
            let trial = open(machine, Fsync::Always, &[]).unwrap();
            assert!(is_one_of(trial.done("DBSIZE")), "{fault:?} at {call}");
            let trial = trial.again(true, &["v:"]);
            assert_eq!(trial.done("DBSIZE"), Reply::Int(1));
        }
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn what_crosses_the_border_is_on_the_disk_or_not_by_its_last_name() {
    let mut trial = Trial::new(&["v:"]);
    trial.done("EVAL \"for i=1,300 do redis.call('HSET',KEYS[1],'f'..i,i) end\" 1 v:h");
    trial.done("SET a 1");
    trial.writer.keep();
    for line in [
        "RENAME v:h h",
        "HSET h f7 new",
        "RENAME a v:a",
        "SET b 2",
        "COPY b v:b",
        "COPY v:b c",
    ] {
        trial.done(line);
        trial.writer.keep();
    }
    trial.done("HDEL h f8");
    trial.writer.keep();
    let mut trial = trial.again(true, &["v:"]);
    assert_eq!(trial.done("DBSIZE"), Reply::Int(3));
    assert_eq!(
        trial.done("HMGET h f7 f8 f9"),
        Reply::Array(vec![Reply::bulk("new"), Reply::Nil, Reply::bulk("9")])
    );
    assert_eq!(trial.done("MGET b c"), Reply::Array(vec![Reply::bulk("2"); 2]));
    for line in ["RENAME h v:h", "RENAME v:h h2", "RENAME b v:b", "HSET h2 f1 more"] {
        trial.done(line);
        trial.writer.keep();
    }
    let trial = trial.again(true, &["v:"]);
    assert_eq!(trial.done("HGET h2 f1"), Reply::bulk("more"));
    assert_eq!(trial.done("DBSIZE"), Reply::Int(2));
}

#[test]
fn when_the_journal_fails_volatile_keys_are_lost_once_and_go_on() {
    let mut trial = Trial::new(&["v:"]);
    for line in ["SET kept 1", "SET v:a 1", "RPUSH v:q 1"] {
        trial.done(line);
    }
    trial.writer.keep();
    trial.done("SET kept 2");
    trial.done("COPY kept v:b");
    trial.machine.fail(Some(Call::Sync), 0, Fault::Io);
    trial.writer.keep();
    assert!(trial.session.engine().shared().lock().is_in_trouble());
    assert_eq!(trial.done("KEYS *"), Reply::Array(vec![Reply::bulk("kept")]));
    assert_eq!(trial.done("GET kept"), Reply::bulk("1"));
    let is_refused = |line: &str| match trial.session.ask(line) {
        Reply::Error(fault) => fault.text().contains("The journal failed"),
        _ => false,
    };
    for line in [
        "SET kept 3",
        "DEL kept",
        "RENAME kept v:a",
        "COPY kept v:a",
        "MSET v:a 1 other 2",
        "SORT v:q STORE other",
        "FLUSHDB",
        "SWAPDB 0 1",
        "EVAL \"return redis.call('SET','other',1)\" 1 v:a",
        "BLMOVE v:none other LEFT RIGHT 0",
        "EVAL \"redis.call('SET',KEYS[1],1) redis.call('SET',KEYS[2],1)\" 2 v:half other",
    ] {
        assert!(is_refused(line), "{line}");
    }
    assert_eq!(trial.done("EXISTS v:half"), Reply::Int(0));
    let watcher = Watcher::of(trial.session.engine());
    for line in [
        "SET v:a 1",
        "GET v:a",
        "RENAME v:a v:c",
        "HSET v:h f 1",
        "SUNIONSTORE v:s v:t",
        "EVAL \"return redis.call('INCR',KEYS[1])\" 1 v:c",
        "MULTI",
        "INCR v:c",
        "EXEC",
    ] {
        trial.done(line);
        assert!(!watcher.waits("GET v:c"), "{line}");
    }
    assert_eq!(trial.done("GET v:c"), Reply::bulk("3"));
    let other = trial.session.other();
    let mut waiting = pin!(other.wait("BLPOP v:queue 0"));
    trial.done("RPUSH v:queue 1");
    let answer = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(Reply::Array(_))), "{answer:?}");
    // Nothing of it is on the disk.
    let trial = trial.again(true, &["v:"]);
    assert_eq!(trial.done("KEYS *"), Reply::Array(vec![Reply::bulk("kept")]));
}

#[test]
fn who_waited_before_the_journal_failed_carries_nothing_into_what_is_kept() {
    let mut trial = Trial::new(&["v:"]);
    let other = trial.session.other();
    let mut waiting = pin!(other.wait("BLMOVE v:q kept LEFT RIGHT 0"));
    trial.done("SET some 1");
    trial.machine.fail(Some(Call::Sync), 0, Fault::Io);
    trial.writer.keep();
    trial.done("RPUSH v:q one");
    let answer = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(Reply::Error(_))), "{answer:?}");
    assert_eq!(trial.done("EXISTS kept"), Reply::Int(0));
    assert_eq!(trial.done("LLEN v:q"), Reply::Int(1));
}

#[test]
fn a_value_that_becomes_volatile_while_an_image_is_taken_is_in_no_image() {
    let mut trial = Trial::new(&["v:"]);
    trial.done(
        "EVAL \"for i=1,300 do redis.call('SET','k'..i,'text') redis.call('SET','v:'..i,'text') end\" 0",
    );
    trial.writer.keep();
    let (answer, _) = std::sync::mpsc::sync_channel(1);
    trial.writer.serve(Request::Image(answer));
    let Aside::Image(snapshot) = trial.asides.try_recv().unwrap() else {
        panic!("no image was begun");
    };
    let mut snapshot = snapshot.with_budget(500);
    let mut number = 0;
    let needs = loop {
        number += 1;
        trial.done(&format!("RENAME k{number} v:from{number}"));
        trial.done(&format!("RENAME v:{number} to{number}"));
        trial.done(&format!("RENAME k{} v:swapped", 300 - number));
        trial.done(&format!("RENAME v:swapped k{}", 300 - number));
        match snapshot.step().unwrap() {
            Step::More(_) => {}
            Step::Over(needs) => break needs,
            Step::Gone => panic!("the engine is there"),
        }
    };
    assert!(number > 5, "{number}");
    let taken = snapshot.finish(needs);
    trial.writer.serve(Request::Taken(taken));
    assert!(!trial.has_on_disk("v:"));
    let trial = trial.again(true, &["v:"]);
    assert_eq!(trial.done("DBSIZE"), Reply::Int(300));
    assert_eq!(
        trial.done(&format!("EXISTS to{number} k{}", number + 1)),
        Reply::Int(2)
    );
}

#[test]
fn an_empty_prefix_is_refused_and_nothing_is_touched() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("store");
    let refused = Options::default()
        .volatile(["cache:", ""])
        .open(&path)
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Option);
    assert!(refused.to_string().contains("volatile"), "{refused}");
    assert!(!path.exists());
}

#[test]
fn a_real_directory_keeps_no_volatile_key() {
    let scratch = tempfile::tempdir().unwrap();
    let open = |volatile: &[&str]| {
        let (options, hands) = options(Fsync::Always, volatile);
        Session::on(options.open(scratch.path()).unwrap(), hands)
    };
    let session = open(&["cache:"]);
    session.ask("SET cache:a 1");
    session.ask("SET kept 1");
    assert_eq!(session.ask("GET cache:a"), Reply::bulk("1"));
    session.engine().flush().unwrap();
    drop(session);
    let session = open(&[]);
    assert_eq!(session.ask("KEYS *"), Reply::Array(vec![Reply::bulk("kept")]));
    session.ask("SET cache:a 1");
    drop(session);
    let session = open(&["cache:"]);
    assert_eq!(session.ask("DBSIZE"), Reply::Int(1));
    drop(session);
    assert_eq!(open(&[]).ask("DBSIZE"), Reply::Int(1));
}
