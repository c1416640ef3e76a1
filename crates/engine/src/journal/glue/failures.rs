//! What clients see when the journal fails, and what is there afterwards.

use std::io;
use std::sync::Arc;

use futures_util::FutureExt as _;
use parking_lot::Mutex;

use super::super::Fsync;
use super::super::storage::crash::{Call, Fault, Machine};
use super::super::storage::{Readable, Storage, Writable};
use super::{Stage, clock};
use crate::reply::Reply;

impl Stage {
    /// Lets the next write of the log fail.
    fn fail_to_write(&mut self) {
        self.machine.fail(Some(Call::Write), 0, Fault::NoSpace);
        self.client.ask("SET what-is-refused 1");
        self.writer.keep();
        assert_eq!(self.info("aof_last_write_status"), "err");
    }

    /// Ends the process, or power, and starts again.
    fn again(self, cut: Option<u64>, fsync: Fsync) -> Self {
        match cut {
            None => self.machine.kill(),
            Some(seed) => self.machine.crash(&mut fastrand::Rng::with_seed(seed)),
        }
        let machine = self.machine.clone();
        drop(self);
        Self::on(machine, fsync, clock())
    }
}

#[track_caller]
fn assert_refused(reply: &Reply, code: &str, part: &str) {
    let Reply::Error(fault) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(fault.code(), code, "{fault:?}");
    assert!(fault.text().contains(part), "{fault:?}");
}

const REASON: &str = "The journal failed (cannot write to log-0000000000000000: ";

#[test]
fn who_waits_for_a_key_is_told_when_the_journal_fails() {
    let mut stage = Stage::new(Fsync::Always);
    let waits: Vec<_> = [
        "BLPOP list 0",
        "BZPOPMIN set 0",
        "BLMOVE from to LEFT LEFT 0",
        "XREAD BLOCK 0 STREAMS stream $",
    ]
    .into_iter()
    .map(|line| (line, stage.client.other()))
    .map(|(line, client)| (client.wait(line), client))
    .collect();
    stage.fail_to_write();
    for (waiting, _client) in waits {
        assert_refused(&waiting.now_or_never().expect("told"), "MISCONF", REASON);
    }
    assert!(stage.engine().shared().lock().blocked.is_empty());
}

#[test]
fn who_would_wait_for_what_cannot_come_is_told_at_once() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("XADD stream 1-1 field value");
    stage.flush();
    stage.fail_to_write();
    for line in ["BLPOP list 0", "XREAD BLOCK 0 STREAMS stream $"] {
        assert_refused(&stage.client.ask(line), "MISCONF", REASON);
    }
    // What is there is read.
    let read = stage.client.ask("XREAD BLOCK 0 STREAMS stream 0");
    assert!(!read.is_error() && read != Reply::NilArray, "{read:?}");
}

#[test]
fn what_was_written_before_the_disk_was_full_is_kept_whatever_fsync_says() {
    for fsync in [Fsync::Always, Fsync::EverySecond, Fsync::Never] {
        for seed in 0..20 {
            let mut stage = Stage::new(fsync);
            stage.client.ask("SET written 1");
            stage.writer.keep();
            stage.fail_to_write();
            assert_eq!(stage.client.ask("GET written"), Reply::bulk("1"), "{fsync:?}");
            assert_eq!(stage.client.ask("GET what-is-refused"), Reply::Nil);
            // It has been synced: even power may be lost.
            let stage = stage.again(Some(seed), fsync);
            assert_eq!(stage.client.ask("GET written"), Reply::bulk("1"), "{fsync:?}");
            assert_eq!(stage.client.ask("GET what-is-refused"), Reply::Nil);
        }
    }
}

#[test]
fn answers_that_waited_for_what_can_be_kept_leave_although_the_next_write_failed() {
    let mut stage = Stage::new(Fsync::EverySecond);
    stage.client.ask("SET written 1");
    stage.writer.keep();
    let written = stage.engine().shared().lock().sequence();
    let reached = stage.engine().shared().reached(written).expect("not synced");
    stage.fail_to_write();
    assert_eq!(reached.now_or_never(), Some(Ok(())));
}

#[test]
fn after_a_failed_sync_nothing_is_trusted_but_what_was_synced_before() {
    for fsync in [Fsync::Always, Fsync::EverySecond] {
        for seed in 0..20 {
            let mut stage = Stage::on(Machine::new(seed), fsync, clock());
            stage.client.ask("SET synced 1");
            assert!(stage.flush());
            stage.machine.fail(Some(Call::Sync), 0, Fault::Io);
            stage.client.ask("SET written 1");
            assert!(!stage.flush());
            let stage = if seed % 2 == 0 {
                stage
            } else {
                stage.again(None, fsync)
            };
            assert_eq!(stage.client.ask("GET synced"), Reply::bulk("1"));
            assert_eq!(stage.client.ask("GET written"), Reply::Nil, "{fsync:?} {seed}");
        }
    }
}

#[test]
fn without_syncs_what_was_written_is_read_again_even_after_a_failed_one() {
    let mut still_there = 0;
    for seed in 0..40 {
        let fsync = Fsync::Never;
        let mut stage = Stage::on(Machine::new(seed), fsync, clock());
        stage.client.ask("SET synced 1");
        assert!(stage.flush());
        stage.client.ask("SET written 1");
        stage.writer.keep();
        stage.machine.fail(Some(Call::Sync), 0, Fault::Io);
        assert!(!stage.flush());
        assert_eq!(stage.client.ask("GET synced"), Reply::bulk("1"));
        let read = stage.client.ask("GET written");
        assert!(read == Reply::Nil || read == Reply::bulk("1"), "{read:?}");
        still_there += u32::from(read != Reply::Nil);
        let stage = stage.again(None, fsync);
        assert_eq!(stage.client.ask("GET synced"), Reply::bulk("1"));
        assert_eq!(stage.client.ask("GET written"), read, "{seed}");
    }
    // The machine forgets some of what it could not write, but not always.
    assert!(still_there > 0);
}

/// Storage that tells when it is read.
struct Told {
    inner: Arc<dyn Storage>,
    hear: Arc<Mutex<Option<Hear>>>,
}

type Hear = Box<dyn FnMut() + Send>;

impl std::fmt::Debug for Told {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Told")
    }
}

impl Storage for Told {
    fn names(&self) -> io::Result<Vec<String>> {
        self.inner.names()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        self.inner.create(name)
    }
    fn append_to(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        self.inner.append_to(name)
    }
    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        if let Some(hear) = self.hear.lock().as_mut() {
            hear();
        }
        self.inner.read(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.inner.truncate(name, length)
    }
    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        self.inner.rewrite(name, from)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }
    fn free_space(&self) -> io::Result<u64> {
        self.inner.free_space()
    }
}

#[test]
fn while_the_state_is_read_again_nothing_else_is_in_memory_and_nobody_stands_still() {
    let machine = Machine::new(1);
    let hear = Arc::default();
    let told = Told {
        inner: machine.storage(),
        hear: Arc::clone(&hear),
    };
    let mut stage = Stage::with(machine, Arc::new(told), Fsync::Always, clock());
    stage.client.ask("SET key value");
    assert!(stage.flush());
    let seen = Arc::new(Mutex::new(0));
    let (other, count) = (stage.client.other(), Arc::clone(&seen));
    *hear.lock() = Some(Box::new(move || {
        assert_eq!(other.engine().usage().memory, 0);
        assert_refused(&other.ask("GET key"), "LOADING", REASON);
        assert_refused(&other.ask("SET key 1"), "MISCONF", REASON);
        assert_eq!(other.ask("PING"), Reply::status("PONG"));
        assert!(other.engine().journal().unwrap().is_loading);
        other.ask("WATCH key");
        *count.lock() += 1;
    }));
    stage.fail_to_write();
    *hear.lock() = None;
    assert!(*seen.lock() > 0);
    assert!(!stage.engine().journal().unwrap().is_loading);
    assert_eq!(stage.client.ask("GET key"), Reply::bulk("value"));
}

#[test]
fn what_cannot_be_read_again_is_refused_and_not_taken_for_empty() {
    let mut stage = Stage::new(Fsync::Always);
    stage.client.ask("SET key value");
    assert!(stage.flush());
    // The disk has lost what it had said was durable, and nothing behind it says so.
    let name = "log-0000000000000000";
    let bytes = stage.machine.contents(name).unwrap();
    stage.machine.put(name, &bytes[..bytes.len() - 40]);
    stage.fail_to_write();
    assert_refused(&stage.client.ask("GET key"), "MISCONF", "cannot be read");
    assert_refused(&stage.client.ask("SET key 1"), "MISCONF", "The journal failed");
}
