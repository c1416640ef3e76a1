//! A redis-server of its own, driven over its Unix socket.
//!
//! A Unix socket hands bytes over at once, so whatever the server wrote before it answered a PING is there to be
//! read. The server looks at all readable clients in one round and writes all replies before the next; hence two
//! PINGs on a connection of our own, one after the other, prove that everything sent before them was executed and
//! answered. No sleeping is needed.
//! Next: `runner.rs`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use oxherd_testkit::RedisServer;

use crate::frame::Frame;
use crate::side::{SILENCE, Side};
use crate::step::{Protocol, encode};

/// An unblocked client's next command waits one round more.
const ROUNDS_TO_SETTLE: usize = 3;

pub(crate) struct RealServer {
    server: RedisServer,
    control: Link,
    clients: Vec<Link>,
}

impl RealServer {
    pub(crate) fn start(runtime: &tokio::runtime::Runtime) -> Self {
        let server = runtime.block_on(
            RedisServer::builder()
                .unix_socket()
                .config("enable-debug-command", "yes")
                .start(),
        );
        let mut control = Link::open(&server);
        // Keys must expire by being looked at, because the moment of the background sweep is not ours to choose.
        control.call(&[b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0"]);
        Self { server, control, clients: Vec::new() }
    }
}

impl Side for RealServer {
    fn name(&self) -> &'static str {
        "redis-server"
    }

    fn begin(&mut self, protocols: &[Protocol]) {
        self.clients.clear();
        self.settle();
        self.control.call(&[b"FLUSHALL"]);
        self.control.call(&[b"SCRIPT", b"FLUSH"]);
        for protocol in protocols {
            let mut link = Link::open(&self.server);
            if *protocol == Protocol::Resp3 {
                link.call(&[b"HELLO", b"3"]);
            }
            let Frame::Integer(id) = link.call(&[b"CLIENT", b"ID"]) else {
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
        self.clients[client].write(bytes);
    }

    fn replies(&mut self, client: usize, count: usize) -> Vec<Frame> {
        self.clients[client].replies(count)
    }

    fn settle(&mut self) {
        for _ in 0..ROUNDS_TO_SETTLE {
            self.control.call(&[b"PING"]);
        }
    }

    fn arrived(&mut self, client: usize) -> Vec<Frame> {
        self.clients[client].arrived()
    }

    fn set_time(&mut self, _now_ms: u64) {}
}

/// One connection.
struct Link {
    stream: UnixStream,
    id: i64,
    input: Vec<u8>,
    /// How much of the input was parsed.
    parsed: usize,
}

impl Link {
    fn open(server: &RedisServer) -> Self {
        let url = server.unix_url();
        let path = url.strip_prefix("unix:").expect("the URL of a Unix socket");
        let stream = UnixStream::connect(path).expect("the server listens on its socket");
        stream.set_read_timeout(Some(SILENCE)).expect("a time-out can be set");
        Self { stream, id: 0, input: Vec::new(), parsed: 0 }
    }

    fn write(&mut self, bytes: &[u8]) {
        // A server that has closed the connection (QUIT) leaves nothing to read, which the comparison sees.
        let _ = self.stream.write_all(bytes);
    }

    fn call(&mut self, arguments: &[&[u8]]) -> Frame {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|text| text.to_vec()).collect();
        let mut bytes = Vec::new();
        encode(&arguments, &mut bytes);
        self.write(&bytes);
        self.replies(1).pop().expect("the server answers")
    }

    fn replies(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(count);
        let mut missing = count;
        let start = Instant::now();
        while missing > 0 && start.elapsed() < SILENCE {
            match self.parsed_frame() {
                Some(frame) => {
                    missing -= usize::from(!matches!(frame, Frame::Push(_)));
                    frames.push(frame);
                }
                None if !self.read_some() => break,
                None => {}
            }
        }
        frames
    }

    fn arrived(&mut self) -> Vec<Frame> {
        self.stream.set_nonblocking(true).expect("a socket can be non-blocking");
        while self.read_some() {}
        self.stream.set_nonblocking(false).expect("a socket can be blocking");
        std::iter::from_fn(|| self.parsed_frame()).collect()
    }

    fn parsed_frame(&mut self) -> Option<Frame> {
        let parsed = Frame::parse(&self.input[self.parsed..]);
        match parsed {
            Some((frame, length)) => {
                self.parsed += length;
                Some(frame)
            }
            None => {
                self.input.drain(..self.parsed);
                self.parsed = 0;
                None
            }
        }
    }

    fn read_some(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(length) => {
                    self.input.extend_from_slice(&chunk[..length]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }
}
