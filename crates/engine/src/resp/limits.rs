//! How much one client may ask for before it is turned away.
//!
//! The defaults are those of Redis. A request beyond a limit is answered with Redis's protocol error and closes its
//! own client, nobody else's. Next: `parse.rs`, which enforces them.

/// Longest line of an inline request, and of a length in front of an array or a bulk string.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// Most arguments a client may send before it has authenticated.
pub(super) const MAX_ARGUMENTS_UNAUTHENTICATED: usize = 10;

/// Longest argument a client may send before it has authenticated.
pub(super) const MAX_BULK_UNAUTHENTICATED: usize = 16 * 1024;

/// Limits on what a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLimits {
    /// Longest bulk string (`proto-max-bulk-len`).
    pub(super) max_bulk: usize,
    /// Most arguments of one request.
    pub(super) max_arguments: usize,
    /// Most bytes that wait to be run (`client-query-buffer-limit`).
    pub(super) max_buffered: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_bulk: 512 * 1024 * 1024,
            max_arguments: 1024 * 1024,
            max_buffered: 1024 * 1024 * 1024,
        }
    }
}
