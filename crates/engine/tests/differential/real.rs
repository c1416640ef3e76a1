//! A redis-server of its own, driven over its Unix socket.
//!
//! A Unix socket hands bytes over at once, so whatever the server wrote before it answered a PING is there to be
//! read. The server looks at all readable clients in one round and writes all replies before the next; hence two
//! PINGs on a connection of our own, one after the other, prove that everything sent before them was executed and
//! answered. No sleeping is needed.
//! Next: `runner.rs`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use oxherd_testkit::RedisServer;

use crate::frame::Frame;
use crate::link::Link;
use crate::side::{SILENCE, Side};
use crate::step::Protocol;

/// An unblocked client's next command waits one round more.
const ROUNDS_TO_SETTLE: usize = 3;

pub(crate) struct RealServer {
    _server: RedisServer,
    socket: PathBuf,
    control: Link,
    clients: Vec<Link>,
}

impl RealServer {
    pub(crate) fn start(runtime: &tokio::runtime::Runtime) -> Self {
        let server = runtime.block_on(
            RedisServer::builder()
                .unix_socket()
                .config("enable-debug-command", "yes")
                // Where a hash loses its order is a setting, and this is the engine's.
                .config("hash-max-listpack-entries", "128")
                .start(),
        );
        let url = server.unix_url();
        let socket = PathBuf::from(url.strip_prefix("unix:").expect("the URL of a Unix socket"));
        let mut control = open(&socket);
        // Keys must expire by being looked at, because the moment of the background sweep is not ours to choose.
        call(&mut control, &[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"]);
        Self {
            _server: server,
            socket,
            control,
            clients: Vec::new(),
        }
    }
}

impl Side for RealServer {
    fn name(&self) -> &'static str {
        "redis-server"
    }

    fn begin(&mut self, protocols: &[Protocol]) {
        self.clients.clear();
        self.settle();
        // The server notices in its own time that clients have gone, and until then they are subscribed.
        while !matches!(call(&mut self.control, &[b"CLIENT", b"LIST"]), Frame::Bulk(list) if list.iter().filter(|byte| **byte == b'\n').count() == 1)
        {
        }
        call(&mut self.control, &[b"FLUSHALL"]);
        call(&mut self.control, &[b"SCRIPT", b"FLUSH"]);
        for protocol in protocols {
            let mut link = open(&self.socket);
            if *protocol == Protocol::Resp3 {
                call(&mut link, &[b"HELLO", b"3"]);
            }
            let Frame::Integer(id) = call(&mut link, &[b"CLIENT", b"ID"]) else {
                panic!("CLIENT ID is a number");
            };
            link.id = id;
            self.clients.push(link);
        }
    }

    fn client_id(&mut self, client: usize) -> i64 {
        self.clients[client].id
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        // A number out of range leaves its mark in the server's errno, and SORT would take it for its own; a cursor is
        // read with a clean one.
        if bytes.windows(4).any(|word| word.eq_ignore_ascii_case(b"sort")) {
            call(&mut self.control, &[b"SCAN", b"0", b"COUNT", b"1"]);
        }
        let written = self.clients[client].write(bytes);
        assert!(
            written == bytes.len() || written == 0,
            "the server takes what it is sent, or has closed"
        );
    }

    fn replies(&mut self, client: usize, count: usize) -> Vec<Frame> {
        replies(&mut self.clients[client], count)
    }

    fn settle(&mut self) {
        for _ in 0..ROUNDS_TO_SETTLE {
            call(&mut self.control, &[b"PING"]);
        }
    }

    fn arrived(&mut self, client: usize) -> Vec<Frame> {
        let link = &mut self.clients[client];
        link.set_blocking(false);
        while link.read_some() {}
        link.set_blocking(true);
        std::iter::from_fn(|| link.next_frame()).collect()
    }

    fn set_time(&mut self, _now_ms: u64) {}
}

fn open(socket: &Path) -> Link {
    let link = Link::open(socket);
    link.set_blocking(true);
    link
}

fn call(link: &mut Link, arguments: &[&[u8]]) -> Frame {
    link.write_command(arguments);
    replies(link, 1).pop().expect("the server answers")
}

fn replies(link: &mut Link, count: usize) -> Vec<Frame> {
    let mut frames = Vec::with_capacity(count);
    let mut missing = count;
    let start = Instant::now();
    while missing > 0 && start.elapsed() < SILENCE {
        match link.next_frame() {
            Some(frame) => {
                missing -= usize::from(!matches!(frame, Frame::Push(_)));
                frames.push(frame);
            }
            None if !link.read_some() => break,
            None => {}
        }
    }
    frames
}
