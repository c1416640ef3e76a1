//! An engine with an endpoint, and clients that speak in bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use oxherd_engine::{Address, Engine, Limits, Options, Server};

/// Long enough for a loaded machine, short enough to fail.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) server: Server,
}

/// A socket, and nothing else.
pub(crate) struct Wire<S = TcpStream> {
    stream: S,
}

pub(crate) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::with(Options::default(), limits)
    }

    pub(crate) fn with(options: Options, limits: Limits) -> Self {
        let engine = options.start();
        let server = engine
            .endpoint()
            .listen_on(loopback())
            .limits(limits)
            .spawn_thread()
            .unwrap();
        Self { engine, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.server.addresses() {
            [Address::Tcp(address)] => *address,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn connect(&self) -> Wire {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Wire { stream }
    }
}

impl Wire<UnixStream> {
    pub(crate) fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream }
    }
}

impl Wire {
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn try_clone(&self) -> Self {
        Self {
            stream: self.stream.try_clone().unwrap(),
        }
    }
}

impl<S: Read + Write> Wire<S> {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends what the other side takes; false when it has closed.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a request as an array.
    pub(crate) fn request(&mut self, arguments: &[&[u8]]) {
        self.send(request(arguments));
    }

    /// Reads just these bytes.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let mut room = vec![0; (expected.len() - seen.len()).min(64 * 1024)];
            let read = self
                .stream
                .read(&mut room)
                .unwrap_or_else(|error| panic!("{error} after {}", show(&seen)));
            assert!(read > 0, "closed after {}, not {}", show(&seen), show(expected));
            seen.extend_from_slice(&room[..read]);
        }
        assert!(seen == expected, "{} is not {}", show(&seen), show(expected));
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>, answer: impl AsRef<[u8]>) {
        self.send(bytes);
        self.expect(answer);
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads one line, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// Everything until the other side closes; a reset counts as closing.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut seen = Vec::new();
        let mut room = vec![0; 64 * 1024];
        loop {
            match self.stream.read(&mut room) {
                Ok(0) => return seen,
                Ok(read) => seen.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return seen,
                Err(error) => panic!("{error} after {}", show(&seen)),
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{}", show(&rest));
    }
}

pub(crate) fn request(arguments: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        out.extend_from_slice(&bulk(argument));
    }
    out
}

pub(crate) fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn show(bytes: &[u8]) -> String {
    format!(
        "{} bytes '{}'",
        bytes.len(),
        bytes[..bytes.len().min(200)].escape_ascii()
    )
}
