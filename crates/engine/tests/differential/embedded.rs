//! The engine, driven over its endpoint on a Unix socket.
//!
//! The endpoint runs on a runtime that only moves while this side is asked something. A task that yields is resumed
//! after all others had their turn and after sockets were looked at, so a few yields prove that everything sent was
//! executed and answered. The engine's clock is set by hand to the machine's.
//! Next: `runner.rs`.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use oxherd_engine::{Address, Clock, Engine, ManualClock, Options, Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::frame::Frame;
use crate::link::Link;
use crate::side::{SILENCE, Side, machine_time_ms};
use crate::step::Protocol;

/// Reading, running, waking another client, its writing.
const TURNS_TO_SETTLE: usize = 6;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Embedded {
    engine: Engine,
    hands: ManualClock,
    now_ms: u64,
    clients: Vec<Link>,
    control: Link,
    socket: PathBuf,
    _server: Server,
    runtime: Runtime,
    _directory: TempDir,
}

impl Embedded {
    pub(crate) fn start(runtime: Runtime) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("engine.sock");
        let now_ms = machine_time_ms();
        let (clock, hands) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms));
        let engine = Options::default().clock(clock).start();
        let server = {
            let _inside = runtime.enter();
            engine
                .endpoint()
                .listen_on(Address::Unix(socket.clone()))
                .spawn()
                .expect("the endpoint listens")
        };
        turn(&runtime);
        let control = open(&socket);
        Self {
            engine,
            hands,
            now_ms,
            clients: Vec::new(),
            control,
            socket,
            _server: server,
            runtime,
            _directory: directory,
        }
    }

    fn call_on_control(&mut self, arguments: &[&[u8]]) -> Option<Frame> {
        self.control.write_command(arguments);
        replies(&self.runtime, &mut self.control, 1).pop()
    }

    /// Clients that have gone are noticed in their own time, and until then they are subscribed.
    fn is_alone(&mut self) -> bool {
        let listed = self.call_on_control(&[b"CLIENT", b"LIST"]);
        matches!(listed, Some(Frame::Bulk(list)) if list.iter().filter(|byte| **byte == b'\n').count() == 1)
    }
}

impl Side for Embedded {
    fn name(&self) -> &'static str {
        "the engine"
    }

    fn begin(&mut self, protocols: &[Protocol]) {
        self.clients.clear();
        let start = Instant::now();
        while !self.is_alone() {
            assert!(start.elapsed() < PATIENCE, "clients of before are still there");
            turn(&self.runtime);
        }
        self.call_on_control(&[b"FLUSHALL"]);
        self.call_on_control(&[b"SCRIPT", b"FLUSH"]);
        for protocol in protocols {
            let mut link = open(&self.socket);
            if *protocol == Protocol::Resp3 {
                link.write_command(&[b"HELLO", b"3"]);
                replies(&self.runtime, &mut link, 1);
            }
            link.write_command(&[b"CLIENT", b"ID"]);
            let answer = replies(&self.runtime, &mut link, 1).pop();
            if let Some(Frame::Integer(id)) = answer {
                link.id = id;
            }
            self.clients.push(link);
        }
    }

    fn client_id(&mut self, client: usize) -> i64 {
        self.clients[client].id
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        let mut written = 0;
        let start = Instant::now();
        while written < bytes.len() && start.elapsed() < SILENCE {
            written += self.clients[client].write(&bytes[written..]);
            if written < bytes.len() {
                turn(&self.runtime);
            }
        }
    }

    fn replies(&mut self, client: usize, count: usize) -> Vec<Frame> {
        replies(&self.runtime, &mut self.clients[client], count)
    }

    fn settle(&mut self) {
        for _ in 0..TURNS_TO_SETTLE {
            turn(&self.runtime);
        }
    }

    fn arrived(&mut self, client: usize) -> Vec<Frame> {
        let link = &mut self.clients[client];
        while link.read_some() {}
        std::iter::from_fn(|| link.next_frame()).collect()
    }

    fn set_time(&mut self, now_ms: u64) {
        if now_ms > self.now_ms {
            self.hands.advance(Duration::from_millis(now_ms - self.now_ms));
            self.now_ms = now_ms;
        }
    }

    fn end_waits(&mut self) {
        self.engine.tick();
        self.settle();
    }
}

fn open(socket: &std::path::Path) -> Link {
    let link = Link::open(socket);
    link.set_blocking(false);
    link
}

/// Lets every task of the endpoint run once.
fn turn(runtime: &Runtime) {
    runtime.block_on(tokio::task::yield_now());
}

fn replies(runtime: &Runtime, link: &mut Link, count: usize) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(count);
    let mut missing = count;
    let mut idle = 0_u32;
    let start = Instant::now();
    while missing > 0 {
        match link.next_frame() {
            Some(frame) => {
                missing -= usize::from(!matches!(frame, Frame::Push(_)));
                frames.push(frame);
            }
            None if link.read_some() => idle = 0,
            None => {
                idle += 1;
                // The endpoint runs on this thread: many turns without a reply mean that none is due.
                if idle > 2_000 && start.elapsed() > SILENCE / 10 {
                    break;
                }
                turn(runtime);
            }
        }
    }
    frames
}
