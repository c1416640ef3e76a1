//! What a client is still to receive.
//!
//! Replies and pushes are gathered in one buffer and leave in one write. A client that does not read may keep only so
//! much waiting: what it asked for has one limit, what it subscribed to another, as in Redis.
//! Next: `connection.rs`, `limits.rs`.

use std::collections::VecDeque;
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
use crate::journal::{Progress, Sequence};
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
    /// From which byte of all bytes ever on the journal must have kept what, in order.
    gates: VecDeque<(u64, Sequence)>,
    /// Bytes that have left, ever.
    left: u64,
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

    /// How many bytes were ever appended.
    pub(super) fn position(&self) -> u64 {
        self.left + self.waiting() as u64
    }

    /// What was appended from here on leaves when the journal has kept this.
    pub(super) fn hold(&mut self, from: u64, horizon: Sequence) {
        let is_held = self.gates.back().is_some_and(|(_, last)| *last >= horizon);
        if horizon != Sequence::NONE && !is_held && from < self.position() {
            self.gates.push_back((from, horizon));
        }
    }

    /// What the journal has to keep before more may leave; `None` when all may.
    pub(super) fn held_by(&mut self, progress: &Progress) -> Option<Sequence> {
        while let Some((_, horizon)) = self.gates.front() {
            if !progress.is_reached(*horizon) {
                return Some(*horizon);
            }
            self.gates.pop_front();
        }
        None
    }

    /// How many bytes have to wait for the journal.
    pub(super) fn held(&self) -> usize {
        let held = |(from, _): &(u64, Sequence)| self.position().saturating_sub(*from);
        usize::try_from(self.gates.front().map_or(0, held)).unwrap_or(usize::MAX)
    }

    /// What may leave now.
    fn open(&self) -> &[u8] {
        let end = self.bytes.len().saturating_sub(self.held());
        self.bytes.get(self.sent..end).unwrap_or_default()
    }

    fn note_sent(&mut self, count: usize) {
        self.sent += count;
        self.left += count as u64;
    }

    /// Forgets what has not left.
    pub(super) fn clear(&mut self) {
        self.left = self.position();
        self.gates.clear();
        self.sent = 0;
        self.pushed = 0;
        self.over_since = None;
        self.bytes.clear();
        if self.bytes.capacity() > KEEP_AT_MOST {
            self.bytes = Vec::new();
        }
    }

    /// Writes until nothing is left that may leave (`Ready`) or the socket takes no more. Ask `held_by` before.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.open().is_empty() {
            match Pin::new(&mut *stream).poll_write(context, self.open()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.note_sent(written),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.compact();
                    return Poll::Pending;
                }
            }
        }
        self.tidy();
        Poll::Ready(Ok(()))
    }

    /// Writes what may leave and the socket takes at once.
    pub(super) fn send_now(&mut self, socket: &TcpStream) -> io::Result<()> {
        while !self.open().is_empty() {
            match socket.try_write(self.open()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.note_sent(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.tidy();
        Ok(())
    }

    /// Gives up what has left.
    fn tidy(&mut self) {
        if self.is_empty() {
            self.clear();
        } else {
            self.compact();
        }
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
        // What has to wait for the journal is not the client's fault.
        let waiting = self.waiting() - self.held().min(self.waiting());
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
