//! A reply as it came over the wire: every kind of RESP2 and RESP3 kept apart.
//!
//! Two servers agree when their frames are equal, so nothing is converted here: a nil bulk, a nil array and a
//! RESP3 null are three things, and a double is its text. A frame prints as one line, the notation of the files in
//! `tests/regressions`.
//! Next: `side.rs` (who sends frames), `compare.rs` (when two count as equal).

use std::fmt;

use crate::notation::{escaped, quoted};

/// One reply or push message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Frame {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    NilBulk,
    NilArray,
    Null,
    Double(Vec<u8>),
    Boolean(bool),
    BigNumber(Vec<u8>),
    Verbatim(Vec<u8>),
    BlobError(Vec<u8>),
    Array(Vec<Frame>),
    Set(Vec<Frame>),
    Push(Vec<Frame>),
    /// Keys and values in turn.
    Map(Vec<Frame>),
}

impl Frame {
    /// The first frame of `bytes` and its length; nothing while it is incomplete.
    ///
    /// A message inside an aggregate (a client that publishes to itself in a transaction finds it there) comes out
    /// of it, in front.
    ///
    /// # Panics
    /// On bytes that are no RESP: a side that sends such bytes is broken.
    pub(crate) fn parse(bytes: &[u8]) -> Option<(Vec<Self>, usize)> {
        let mut parser = Parser {
            bytes,
            at: 0,
            pushes: Vec::new(),
        };
        let frame = parser.frame()?;
        let mut frames = parser.pushes;
        frames.push(frame);
        Some((frames, parser.at))
    }

    /// The members of an array, set, push or map.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) | Self::Map(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a bulk, simple string, double or number.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        match self {
            Self::Bulk(text) | Self::Simple(text) | Self::Double(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string().into_bytes()),
            _ => None,
        }
    }

    /// A push that answers no command, as a confirmed subscription does.
    fn is_message(&self) -> bool {
        let Self::Push(items) = self else {
            return false;
        };
        !matches!(items.first(), Some(Self::Bulk(kind)) if kind.ends_with(b"subscribe"))
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BlobError(_))
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    pushes: Vec<Frame>,
}

impl Parser<'_> {
    fn line(&mut self) -> Option<&[u8]> {
        let rest = &self.bytes[self.at..];
        let end = memchr::memmem::find(rest, b"\r\n")?;
        self.at += end + 2;
        Some(&rest[..end])
    }

    fn frame(&mut self) -> Option<Frame> {
        let start = self.at;
        let line = self.line()?.to_vec();
        let (kind, text) = line
            .split_first()
            .unwrap_or_else(|| panic!("an empty line at byte {start} is no RESP"));
        Some(match kind {
            b'+' => Frame::Simple(text.to_vec()),
            b'-' => Frame::Error(text.to_vec()),
            b':' => Frame::Integer(number(text)),
            b',' => Frame::Double(text.to_vec()),
            b'(' => Frame::BigNumber(text.to_vec()),
            b'#' => Frame::Boolean(text == b"t"),
            b'_' => Frame::Null,
            b'$' if text == b"-1" => Frame::NilBulk,
            b'*' if text == b"-1" => Frame::NilArray,
            b'$' => Frame::Bulk(self.blob(number(text))?),
            b'=' => Frame::Verbatim(self.blob(number(text))?),
            b'!' => Frame::BlobError(self.blob(number(text))?),
            b'*' => Frame::Array(self.members(number(text))?),
            b'~' => Frame::Set(self.members(number(text))?),
            b'>' => Frame::Push(self.members(number(text))?),
            b'%' => Frame::Map(self.members(number(text) * 2)?),
            _ => panic!("no RESP: {:?}", String::from_utf8_lossy(&line)),
        })
    }

    fn blob(&mut self, length: i64) -> Option<Vec<u8>> {
        let end = self.at + usize::try_from(length).expect("a length is not negative");
        let blob = self.bytes.get(self.at..end)?.to_vec();
        let terminator = self.bytes.get(end..end + 2)?;
        assert_eq!(terminator, b"\r\n", "a blob ends with CRLF");
        self.at = end + 2;
        Some(blob)
    }

    fn members(&mut self, count: i64) -> Option<Vec<Frame>> {
        let mut members = Vec::new();
        for _ in 0..count {
            let mut member = self.frame()?;
            while member.is_message() {
                self.pushes.push(member);
                member = self.frame()?;
            }
            members.push(member);
        }
        Some(members)
    }
}

fn number(text: &[u8]) -> i64 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{:?} is no RESP number", String::from_utf8_lossy(text)))
}

impl fmt::Display for Frame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(formatter, "+{}", escaped(text)),
            Self::Error(text) => write!(formatter, "-{}", escaped(text)),
            Self::Integer(number) => write!(formatter, ":{number}"),
            Self::Bulk(text) => formatter.write_str(&quoted(text)),
            Self::NilBulk => formatter.write_str("$nil"),
            Self::NilArray => formatter.write_str("*nil"),
            Self::Null => formatter.write_str("_"),
            Self::Double(text) => write!(formatter, ",{}", escaped(text)),
            Self::Boolean(value) => write!(formatter, "#{}", if *value { 't' } else { 'f' }),
            Self::BigNumber(text) => write!(formatter, "({}", escaped(text)),
            Self::Verbatim(text) => write!(formatter, "={}", quoted(text)),
            Self::BlobError(text) => write!(formatter, "!{}", quoted(text)),
            Self::Array(items) => list(formatter, '*', items),
            Self::Set(items) => list(formatter, '~', items),
            Self::Push(items) => list(formatter, '>', items),
            Self::Map(items) => list(formatter, '%', items),
        }
    }
}

fn list(formatter: &mut fmt::Formatter<'_>, sign: char, items: &[Frame]) -> fmt::Result {
    write!(formatter, "{sign}[")?;
    for (index, item) in items.iter().enumerate() {
        let gap = if index == 0 { "" } else { " " };
        write!(formatter, "{gap}{item}")?;
    }
    formatter.write_str("]")
}
