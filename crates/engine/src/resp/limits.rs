//! How much one client may ask for, and may leave unread, before it is turned away.
//!
//! The defaults are those of Redis, but for two that keep one client from taking all memory: arguments of a request,
//! and replies that nobody reads. A request beyond a limit is answered with Redis's protocol error and closes its own
//! client, nobody else's. Next: `parse.rs` and `output.rs`, which enforce them.

use std::time::Duration;

/// Longest line of an inline request, and of a length in front of an array or a bulk string.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// Most arguments a client may send before it has authenticated.
pub(super) const MAX_ARGUMENTS_UNAUTHENTICATED: usize = 10;

/// Longest argument a client may send before it has authenticated.
pub(super) const MAX_BULK_UNAUTHENTICATED: usize = 16 * 1024;

/// Most bytes of replies that a client leaves unread before it has authenticated.
pub(super) const MAX_UNREAD_UNAUTHENTICATED: usize = 64 * 1024;

const MEGABYTE: usize = 1024 * 1024;

/// Limits on each client of an endpoint.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) request: RequestLimits,
    pub(super) output: OutputLimits,
    pub(super) idle: Option<Duration>,
    pub(super) keepalive: Option<Duration>,
}

/// Limits on what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLimits {
    pub(super) max_bulk: usize,
    pub(super) max_arguments: usize,
    pub(super) max_buffered: usize,
}

/// Limits on what a client does not read. `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OutputLimits {
    pub(super) replies: Option<usize>,
    pub(super) pushes: Option<usize>,
    pub(super) lasting_pushes: Option<(usize, Duration)>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_bulk: 512 * MEGABYTE,
            max_arguments: 1024 * 1024,
            max_buffered: 1024 * MEGABYTE,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let output = OutputLimits {
            replies: Some(1024 * MEGABYTE),
            pushes: Some(32 * MEGABYTE),
            lasting_pushes: Some((8 * MEGABYTE, Duration::from_secs(60))),
        };
        Self {
            request: RequestLimits::default(),
            output,
            idle: None,
            keepalive: Some(Duration::from_secs(300)),
        }
    }
}

impl Limits {
    /// Longest argument, 512 MB by default (`proto-max-bulk-len`).
    pub fn max_bulk(mut self, bytes: usize) -> Self {
        self.request.max_bulk = bytes;
        self
    }

    /// Most arguments of one request, 1,048,576 by default.
    pub fn max_arguments(mut self, count: usize) -> Self {
        self.request.max_arguments = count;
        self
    }

    /// Most bytes of requests that are not run yet, 1 GB by default (`client-query-buffer-limit`). Commands queued
    /// after MULTI have the same limit; beyond either the client is dropped.
    pub fn max_request_buffer(mut self, bytes: usize) -> Self {
        self.request.max_buffered = bytes;
        self
    }

    /// Most bytes of replies that a client leaves unread, 1 GB by default; beyond it the client is dropped. Before a
    /// client has said the password it is 64 KiB.
    pub fn max_unread_replies(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.output.replies = bytes.into();
        self
    }

    /// Most bytes of messages and notices that a client leaves unread, 32 MB by default; beyond it the client is
    /// dropped at once.
    pub fn max_unread_pushes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.output.pushes = bytes.into();
        self
    }

    /// Most bytes of messages and notices that a client leaves unread for this long, 8 MB for a minute by default.
    pub fn max_lasting_unread_pushes(mut self, limit: impl Into<Option<(usize, Duration)>>) -> Self {
        self.output.lasting_pushes = limit.into();
        self
    }

    /// How long a client may say nothing; by default for ever. Clients that wait or listen are not idle.
    pub fn idle_timeout(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.idle = time.into();
        self
    }

    /// After how much silence a TCP client is asked whether it lives, 300 s by default.
    pub fn tcp_keepalive(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.keepalive = time.into();
        self
    }
}
