//! A Unix socket to a side: bytes out, frames in.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::frame::Frame;
use crate::side::SILENCE;
use crate::step::encode;

pub(crate) struct Link {
    stream: UnixStream,
    /// The client's id on its server.
    pub(crate) id: i64,
    input: Vec<u8>,
    /// How much of the input was parsed.
    parsed: usize,
    /// Frames parsed and not taken.
    ready: VecDeque<Frame>,
}

impl Link {
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a server listens on its socket");
        stream
            .set_read_timeout(Some(SILENCE))
            .expect("a time-out can be set");
        Self {
            stream,
            id: 0,
            input: Vec::new(),
            parsed: 0,
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn set_blocking(&self, is_blocking: bool) {
        self.stream
            .set_nonblocking(!is_blocking)
            .expect("a socket can be set so");
    }

    /// Writes what the socket takes; nothing once the server has closed it, which the comparison sees.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_gone) => return bytes.len(),
            }
        }
        written
    }

    pub(crate) fn write_command(&mut self, arguments: &[&[u8]]) {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|text| text.to_vec()).collect();
        let mut bytes = Vec::new();
        encode(&arguments, &mut bytes);
        self.write(&bytes);
    }

    /// A complete frame of what was read.
    pub(crate) fn next_frame(&mut self) -> Option<Frame> {
        if self.ready.is_empty() {
            let parsed = Frame::parse(&self.input[self.parsed..]);
            match parsed {
                Some((frames, length)) => {
                    self.parsed += length;
                    self.ready.extend(frames);
                }
                None => {
                    self.input.drain(..self.parsed);
                    self.parsed = 0;
                }
            }
        }
        self.ready.pop_front()
    }

    /// Reads what is there; false when nothing is.
    pub(crate) fn read_some(&mut self) -> bool {
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
