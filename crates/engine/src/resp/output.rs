//! What a client is still to receive.
//!
//! Replies and pushes are gathered in one buffer and leave in one write. A client that does not read may keep only so
//! much waiting: what it asked for has one limit, what it subscribed to another, as in Redis.
//! Next: `connection.rs`, `limits.rs`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::encode::encode;
use super::limits::OutputLimits;
use crate::client::Protocol;
use crate::reply::Reply;

/// An empty buffer keeps at most this much memory.
const KEEP_AT_MOST: usize = 64 * 1024;

/// Bytes on their way to one client.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// How many of them have left.
    sent: usize,
    /// How many of them are pushes.
    pushed: usize,
    /// Since when more pushes wait than should.
    over_since: Option<Instant>,
}

impl Output {
    /// The buffer to append replies to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn push(&mut self, message: &Reply, protocol: Protocol) {
        let before = self.bytes.len();
        encode(message, protocol, &mut self.bytes);
        self.pushed += self.bytes.len() - before;
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting() == 0
    }

    /// Forgets what has not left.
    pub(super) fn clear(&mut self) {
        self.sent = 0;
        self.pushed = 0;
        self.over_since = None;
        self.bytes.clear();
        if self.bytes.capacity() > KEEP_AT_MOST {
            self.bytes = Vec::new();
        }
    }

    /// Writes until nothing is left (`Ready`) or the socket takes no more.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.bytes.len() {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            match Pin::new(&mut *stream).poll_write(context, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.sent += written,
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.compact();
                    return Poll::Pending;
                }
            }
        }
        if !self.bytes.is_empty() {
            self.clear();
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what the socket takes at once.
    pub(super) fn send_now(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.sent < self.bytes.len() {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            match socket.try_write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.clear();
        Ok(())
    }

    /// Moves what is left to the front once that is the smaller part, so each byte moves at most about once.
    fn compact(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether the client keeps more waiting than it may.
    pub(super) fn is_too_much(&mut self, limits: &OutputLimits) -> bool {
        let waiting = self.waiting();
        if limits.replies.is_some_and(|most| waiting > most) {
            return true;
        }
        let pushes = waiting.min(self.pushed);
        if limits.pushes.is_some_and(|most| pushes > most) {
            return true;
        }
        match limits.lasting_pushes {
            Some((most, time)) if pushes > most => {
                self.over_since.get_or_insert_with(Instant::now).elapsed() >= time
            }
            _ => {
                self.over_since = None;
                false
            }
        }
    }

    /// When too many pushes will have waited too long.
    pub(super) fn deadline(&self, limits: &OutputLimits) -> Option<Instant> {
        let (_, time): (usize, Duration) = limits.lasting_pushes?;
        self.over_since?.checked_add(time)
    }
}
