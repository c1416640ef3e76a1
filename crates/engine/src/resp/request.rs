//! The bytes a client sent and nobody has run yet.
//!
//! One vector that is filled at its end and emptied at its front. Bytes move only when the vector would have to grow
//! otherwise, and it then gets room in proportion to what was moved, so each is moved a bounded number of times.
//! Memory follows what has arrived, never what a length announces. Next: `parse.rs`.

use super::limits::RequestLimits;
use super::parse::{Parser, Progress};
use super::violation::Violation;

/// Room that is offered to each read at least.
const READ_AT_LEAST: usize = 16 * 1024;

/// An empty buffer keeps at most this much memory.
const KEEP_AT_MOST: usize = 64 * 1024;

/// Waiting bytes of one client, and the parser that reads them.
#[derive(Debug, Default)]
pub(super) struct RequestBuffer {
    bytes: Vec<u8>,
    /// Where the current request starts.
    start: usize,
    /// Length of the request that was handed out last and is still in front.
    taken: usize,
    parser: Parser,
    limits: RequestLimits,
}

impl RequestBuffer {
    pub(super) fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Finds the next request, and says whether there is one. The previous one is gone.
    pub(super) fn next(&mut self, is_trusted: bool) -> Result<bool, Violation> {
        loop {
            self.start += std::mem::take(&mut self.taken);
            let input = self.bytes.get_mut(self.start..).unwrap_or_default();
            match self.parser.advance(input, &self.limits, is_trusted)? {
                Progress::Request(length) => {
                    self.taken = length;
                    return Ok(true);
                }
                Progress::Nothing(length) => self.start += length,
                Progress::Incomplete => return Ok(false),
            }
        }
    }

    /// The arguments of the request found last. There is at least one.
    pub(super) fn arguments(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let request = self.bytes.get(self.start..).unwrap_or_default();
        self.parser.arguments().iter().map(move |span| {
            request
                .get(span.start..)
                .and_then(|rest| rest.get(..span.length))
                .unwrap_or_default()
        })
    }

    /// Bytes that arrived and are not run.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.start - self.taken
    }

    /// The vector to append to, with room. Arguments of the last request are gone.
    pub(super) fn space(&mut self) -> Result<&mut Vec<u8>, Violation> {
        self.start += std::mem::take(&mut self.taken);
        if self.start == self.bytes.len() {
            self.release();
        }
        let waiting = self.waiting();
        if waiting > self.limits.max_buffered {
            return Err(Violation::TooMuchBuffered);
        }
        // No more than doubles what is here: an announced length alone takes no memory.
        let wanted = self.parser.wanted(waiting).min(waiting).max(READ_AT_LEAST);
        if self.bytes.capacity() - self.bytes.len() < READ_AT_LEAST {
            self.bytes.drain(..self.start);
            self.start = 0;
            // Whoever keeps much waiting must not have all of it moved for each little that was run.
            let room = wanted.max(waiting / 2);
            if self.bytes.capacity() - self.bytes.len() < room {
                self.bytes.reserve_exact(room);
            }
        }
        Ok(&mut self.bytes)
    }

    fn release(&mut self) {
        self.start = 0;
        self.bytes.clear();
        self.parser.shrink();
        if self.bytes.capacity() > KEEP_AT_MOST {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::RequestBuffer;
    use crate::resp::limits::RequestLimits;

    #[test]
    fn what_waits_is_not_moved_for_each_request_that_is_run() {
        const LENGTH: usize = 16 * 1024;
        let mut buffer = RequestBuffer::new(RequestLimits::default());
        let request = [vec![b'a'; LENGTH - 1], vec![b'\n']].concat();
        for _ in 0..1000 {
            buffer.space().unwrap().extend(&request);
        }
        // As a client that waits again and again: one request is run, one more arrives.
        let mut moved = 0;
        for _ in 0..1000 {
            assert!(buffer.next(true).unwrap());
            let place = buffer.start;
            buffer.space().unwrap().extend(&request);
            moved += if buffer.start < place { buffer.waiting() } else { 0 };
        }
        assert!(moved < 4 * 1000 * LENGTH, "{moved} bytes were moved");
    }
}
