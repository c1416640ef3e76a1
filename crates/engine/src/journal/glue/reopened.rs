//! A real directory that changes hands within one process.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::super::storage::disk::Disk;
use super::super::storage::{Readable, Storage, Writable};
use crate::engine::{Engine, Options};
use crate::error::ErrorKind;

/// A disk whose syncs wait while it is slow.
#[derive(Debug)]
struct Slow {
    disk: Disk,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_shut: bool,
    is_parting: bool,
    waiting: usize,
}

#[derive(Debug)]
struct SlowFile(Box<dyn Writable>, Arc<Gate>);

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.waiting += 1;
        self.changed.notify_all();
        self.changed.wait_while(&mut state, |state| state.is_shut);
        state.waiting -= 1;
    }

    fn set_shut(&self, is_shut: bool) {
        self.state.lock().is_shut = is_shut;
        self.changed.notify_all();
    }

    fn until_its_last_group_waits(&self) {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.waiting == 0 || !state.is_parting);
    }
}

impl Writable for SlowFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.1.pass();
        self.0.sync()
    }
}

impl Storage for Slow {
    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let file = self.disk.create(name)?;
        Ok(Box::new(SlowFile(file, Arc::clone(&self.gate))))
    }
    fn append_to(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let file = self.disk.append_to(name)?;
        Ok(Box::new(SlowFile(file, Arc::clone(&self.gate))))
    }
    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        self.disk.read(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        self.disk.truncate(name, length)
    }
    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        self.disk.rewrite(name, from)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn free_space(&self) -> io::Result<u64> {
        self.disk.free_space()
    }
    fn part(&self) {
        self.disk.part();
        self.gate.state.lock().is_parting = true;
        self.gate.changed.notify_all();
    }
}

fn keys(engine: &Engine) -> usize {
    engine.usage().keys
}

fn set(engine: &Engine, key: &str) {
    let session = engine.session(crate::client::Arrival {
        is_authenticated: true,
        ..Default::default()
    });
    session.run(&[b"SET", key.as_bytes(), b"value"]);
}

fn slow(path: &Path) -> (Engine, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let disk = Disk::open(path).unwrap();
    let storage = Slow {
        disk,
        gate: Arc::clone(&gate),
    };
    (Options::default().open_on(Arc::new(storage)).unwrap(), gate)
}

#[test]
fn who_opens_a_directory_that_is_being_left_waits_for_the_last_group() {
    let scratch = tempfile::tempdir().unwrap();
    let (engine, gate) = slow(scratch.path());
    gate.set_shut(true);
    set(&engine, "last");
    let leaving = std::thread::spawn(move || drop(engine));
    gate.until_its_last_group_waits();
    let path = scratch.path().to_owned();
    let (done, opened) = channel();
    let opening = std::thread::spawn(move || done.send(Options::default().open(path)));
    // Longer than for one that does not seem to leave.
    let early = opened.recv_timeout(Duration::from_millis(400));
    assert!(matches!(early, Err(RecvTimeoutError::Timeout)), "{early:?}");
    gate.set_shut(false);
    let engine = opened.recv_timeout(Duration::from_secs(20)).unwrap().unwrap();
    assert_eq!(keys(&engine), 1);
    leaving.join().unwrap();
    opening.join().unwrap().unwrap();
}

#[test]
fn a_directory_that_this_process_goes_on_with_is_refused_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let engine = Options::default().open(scratch.path()).unwrap();
    let began = Instant::now();
    let refused = Options::default().open(scratch.path()).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(refused.kind(), ErrorKind::DirectoryInUse);
    let text = refused.to_string();
    let path = scratch.path().display();
    assert!(
        text.starts_with(&format!(
            "{path} is in use by another engine of this very process"
        )),
        "{text}"
    );
    set(&engine, "key");
    drop(engine);
    for round in 1..20 {
        let engine = Options::default().open(scratch.path()).unwrap();
        assert_eq!(keys(&engine), round);
        set(&engine, &format!("key:{round}"));
    }
}
