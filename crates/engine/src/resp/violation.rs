//! What a client did wrong on the wire, in the words Redis uses.
//!
//! A violation is answered once, then that client is closed: after it nobody knows where the next request starts.
//! Next: `parse.rs`, which finds them.

/// One breach of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// `*` is not followed by a usable number.
    InvalidMultibulkLength,
    /// Too many arguments for somebody who has not said a password.
    UnauthenticatedMultibulkLength,
    /// The number after `*` never ends.
    TooBigMultibulkCount,
    /// An argument does not start with `$`.
    ExpectedBulk(u8),
    /// `$` is not followed by a usable number.
    InvalidBulkLength,
    /// Too long an argument for somebody who has not said a password.
    UnauthenticatedBulkLength,
    /// The number after `$` never ends.
    TooBigBulkCount,
    /// An inline request without an end.
    TooBigInline,
    /// An inline request whose quotes do not match.
    UnbalancedQuotes,
    /// More bytes wait than a client may have waiting. Redis closes such a client without a word.
    TooMuchBuffered,
}

impl Violation {
    /// Appends the error reply, if this violation has one.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        let text: &[u8] = match self {
            Self::InvalidMultibulkLength => b"invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => b"unauthenticated multibulk length",
            Self::TooBigMultibulkCount => b"too big mbulk count string",
            Self::ExpectedBulk(byte) => return Self::write_expected_bulk(byte, out),
            Self::InvalidBulkLength => b"invalid bulk length",
            Self::UnauthenticatedBulkLength => b"unauthenticated bulk length",
            Self::TooBigBulkCount => b"too big bulk count string",
            Self::TooBigInline => b"too big inline request",
            Self::UnbalancedQuotes => b"unbalanced quotes in request",
            Self::TooMuchBuffered => return,
        };
        out.extend_from_slice(b"-ERR Protocol error: ");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }

    fn write_expected_bulk(byte: u8, out: &mut Vec<u8>) {
        // A line end inside the reply would end it early.
        let shown = if byte == b'\r' || byte == b'\n' {
            b' '
        } else {
            byte
        };
        out.extend_from_slice(b"-ERR Protocol error: expected '$', got '");
        out.push(shown);
        out.extend_from_slice(b"'\r\n");
    }
}
