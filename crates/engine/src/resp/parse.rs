//! Finds requests in what a client sent: arrays of bulk strings, or lines typed by hand.
//!
//! The parser owns no bytes. It remembers where it stopped, so a request that arrives in a thousand pieces is read once,
//! and it hands out places in the buffer. How the input is cut into pieces never changes what comes out.
//! Oddities are Redis's own: a line is over at its `\r` whatever byte follows, the two bytes after a bulk string
//! are not looked at, and a NUL hides the end of its line. Next: `request.rs` (the buffer), `inline.rs` (quotes).

use memchr::memchr2;

use super::inline::split_line;
use super::limits::{MAX_ARGUMENTS_UNAUTHENTICATED, MAX_BULK_UNAUTHENTICATED, MAX_LINE, RequestLimits};
use super::violation::Violation;

/// Place of one argument, counted from the start of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) length: usize,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// A request of this many bytes; its arguments are in [`Parser::arguments`].
    Request(usize),
    /// This many bytes ask for nothing (an empty line or array).
    Nothing(usize),
    /// The request goes on in bytes that have not arrived.
    Incomplete,
}

/// Where the reading of one client's requests stands.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Bytes of the current request that are dealt with.
    position: usize,
    /// Bytes after `position` that are known to hold no line end.
    searched: usize,
    /// Arguments of the current array that are not complete; 0 between requests.
    missing: usize,
    /// Length of the argument at `position`, once it is known.
    bulk: Option<usize>,
    arguments: Vec<Span>,
}

impl Parser {
    /// The arguments of the request just found, or of the unfinished one as far as they are complete.
    pub(super) fn arguments(&self) -> &[Span] {
        &self.arguments
    }

    /// Least number of bytes still to arrive, as far as that can be known.
    pub(super) fn wanted(&self, available: usize) -> usize {
        let Some(length) = self.bulk else { return 1 };
        (self.position + length + 2).saturating_sub(available).max(1)
    }

    /// Reads on in `input`, which starts at the first byte of the current request.
    ///
    /// `is_trusted` says that the client may use the full limits. After `Request` and `Nothing` the next call has to
    /// pass the bytes behind them, after `Incomplete` the same bytes and more.
    pub(super) fn advance(
        &mut self,
        input: &mut [u8],
        limits: &RequestLimits,
        is_trusted: bool,
    ) -> Result<Progress, Violation> {
        if self.missing == 0 {
            match input.first() {
                None => return Ok(Progress::Incomplete),
                Some(b'*') => {}
                Some(_) => return self.inline(input),
            }
            if self.position == 0 {
                self.arguments.clear();
            }
            match self.array_length(input, limits, is_trusted)? {
                None => return Ok(Progress::Incomplete),
                Some(0) => return Ok(Progress::Nothing(self.finish())),
                Some(count) => self.missing = count,
            }
        }
        while self.missing > 0 {
            if !self.argument(input, limits, is_trusted)? {
                return Ok(Progress::Incomplete);
            }
            self.missing -= 1;
        }
        Ok(Progress::Request(self.finish()))
    }

    /// Gives back room that an unusually long request took.
    pub(super) fn shrink(&mut self) {
        if self.missing == 0 && self.arguments.capacity() > 4096 {
            self.arguments = Vec::new();
        }
    }

    fn finish(&mut self) -> usize {
        self.searched = 0;
        std::mem::take(&mut self.position)
    }

    fn inline(&mut self, input: &mut [u8]) -> Result<Progress, Violation> {
        let Some(end) = self.line_end(input, b'\n', Violation::TooBigInline)? else {
            return Ok(Progress::Incomplete);
        };
        self.arguments.clear();
        let line = input.get_mut(..end).unwrap_or_default();
        let line = match line {
            [rest @ .., b'\r'] => rest,
            whole => whole,
        };
        split_line(line, 0, &mut self.arguments).map_err(|_| Violation::UnbalancedQuotes)?;
        self.searched = 0;
        Ok(if self.arguments.is_empty() {
            Progress::Nothing(end + 1)
        } else {
            Progress::Request(end + 1)
        })
    }

    /// The number behind `*`; an array of nothing or less is 0.
    fn array_length(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
        is_trusted: bool,
    ) -> Result<Option<usize>, Violation> {
        let Some(digits) = self.line(input, Violation::TooBigMultibulkCount)? else {
            return Ok(None);
        };
        let count =
            parse_integer(digits.get(1..).unwrap_or_default()).ok_or(Violation::InvalidMultibulkLength)?;
        let count = usize::try_from(count.max(0)).map_err(|_| Violation::InvalidMultibulkLength)?;
        if count > limits.max_arguments {
            return Err(Violation::InvalidMultibulkLength);
        }
        if count > MAX_ARGUMENTS_UNAUTHENTICATED && !is_trusted {
            return Err(Violation::UnauthenticatedMultibulkLength);
        }
        Ok(Some(count))
    }

    /// Takes the argument at `position`, and says whether it is complete.
    fn argument(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
        is_trusted: bool,
    ) -> Result<bool, Violation> {
        let length = match self.bulk {
            Some(length) => length,
            None => {
                let Some(length) = self.bulk_length(input, limits, is_trusted)? else {
                    return Ok(false);
                };
                length
            }
        };
        if input.len() - self.position < length + 2 {
            self.bulk = Some(length);
            return Ok(false);
        }
        self.bulk = None;
        self.arguments.push(Span {
            start: self.position,
            length,
        });
        self.position += length + 2;
        Ok(true)
    }

    fn bulk_length(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
        is_trusted: bool,
    ) -> Result<Option<usize>, Violation> {
        let Some(line) = self.line(input, Violation::TooBigBulkCount)? else {
            return Ok(None);
        };
        let digits = match line {
            [b'$', digits @ ..] => digits,
            // The `\r` that ends the line is what an empty line shows.
            other => return Err(Violation::ExpectedBulk(other.first().copied().unwrap_or(b'\r'))),
        };
        let length = parse_integer(digits)
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length <= limits.max_bulk)
            .ok_or(Violation::InvalidBulkLength)?;
        if length > MAX_BULK_UNAUTHENTICATED && !is_trusted {
            return Err(Violation::UnauthenticatedBulkLength);
        }
        Ok(Some(length))
    }

    /// The line at `position`, without its end; steps behind it.
    fn line<'a>(&mut self, input: &'a [u8], too_long: Violation) -> Result<Option<&'a [u8]>, Violation> {
        let Some(end) = self.line_end(input, b'\r', too_long)? else {
            return Ok(None);
        };
        // The byte after `\r` belongs to the line end whatever it is, but it has to be there.
        if input.len() < end + 2 {
            return Ok(None);
        }
        let line = input.get(self.position..end).unwrap_or_default();
        self.position = end + 2;
        self.searched = 0;
        Ok(Some(line))
    }

    /// Where in `input` the line at `position` ends.
    fn line_end(&mut self, input: &[u8], end: u8, too_long: Violation) -> Result<Option<usize>, Violation> {
        let unread = input.get(self.position..).unwrap_or_default();
        let fresh = unread.get(self.searched..).unwrap_or_default();
        match find(fresh, end) {
            Some((found, byte)) => {
                self.searched += found;
                if self.searched <= MAX_LINE && byte == end {
                    return Ok(Some(self.position + self.searched));
                }
            }
            None => self.searched = unread.len(),
        }
        if unread.len() > MAX_LINE {
            Err(too_long)
        } else {
            Ok(None)
        }
    }
}

/// The first `end` or NUL.
fn find(bytes: &[u8], end: u8) -> Option<(usize, u8)> {
    // Lengths are short: looking at each byte beats setting up a vectorised search.
    for (index, byte) in bytes.iter().copied().take(12).enumerate() {
        if byte == end || byte == 0 {
            return Some((index, byte));
        }
    }
    let rest = bytes.get(12..)?;
    let index = memchr2(end, 0, rest)?;
    Some((index + 12, rest.get(index).copied()?))
}

/// A number as Redis reads lengths: no plus, no blanks, no zeros in front.
fn parse_integer(digits: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match digits {
        [b'0'] => return Some(0),
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.len() > 19 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Downwards, because there is one negative number more than there are positive ones.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if is_negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}
