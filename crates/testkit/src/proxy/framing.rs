//! Cutting a byte stream into RESP messages, without looking inside.
//!
//! Only lengths are read: enough to know where one command ends and to which command a reply belongs. A stream that
//! does not begin like RESP commands (TLS, inline commands, another protocol) is passed on in the pieces it came in.

use bytes::{Buf as _, Bytes, BytesMut};

/// Collects bytes and gives them back message by message.
#[derive(Debug, Default)]
pub(super) struct Framing {
    buffer: BytesMut,
    /// Unknown until the first byte.
    is_resp: Option<bool>,
}

impl Framing {
    /// A stream known not to be RESP, or known to be.
    pub(super) fn of(is_resp: bool) -> Self {
        Self {
            buffer: BytesMut::new(),
            is_resp: Some(is_resp),
        }
    }

    /// Whether the client's first byte was that of a RESP array; `None` before the first byte.
    pub(super) fn is_resp(&self) -> Option<bool> {
        self.is_resp
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let (None, Some(first)) = (self.is_resp, bytes.first()) {
            self.is_resp = Some(*first == b'*');
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun, complete or not.
    pub(super) fn has_bytes(&self) -> bool {
        self.buffer.has_remaining()
    }

    /// The first byte of what comes next: the type of a RESP message.
    pub(super) fn kind(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    /// The next complete message (or everything there is, outside RESP).
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if self.buffer.is_empty() {
            return None;
        }
        let length = match self.is_resp {
            Some(true) => message_length(&self.buffer)?,
            _ => self.buffer.len(),
        };
        Some(self.buffer.split_to(length).freeze())
    }
}

/// How many bytes the first message takes; `None` while it is incomplete.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let mut position = 0;
    let mut outstanding: usize = 1;
    while outstanding > 0 {
        let rest = bytes.get(position..)?;
        let line_end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (kind, number) = rest[..line_end].split_first()?;
        position += line_end + 2;
        outstanding -= 1;
        match kind {
            b'$' | b'=' | b'!' => position += payload(number),
            b'*' | b'~' | b'>' => outstanding += count(number),
            b'%' => outstanding += 2 * count(number),
            // An attribute stands before the message it belongs to.
            b'|' => outstanding += 2 * count(number) + 1,
            _ => {}
        }
    }
    (position <= bytes.len()).then_some(position)
}

/// A negative length means null: no bytes follow.
fn payload(number: &[u8]) -> usize {
    parse(number).map_or(0, |length| length + 2)
}

fn count(number: &[u8]) -> usize {
    parse(number).unwrap_or(0)
}

fn parse(number: &[u8]) -> Option<usize> {
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_whole_however_they_arrive() {
        let stream =
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n+OK\r\n$-1\r\n%1\r\n+a\r\n:1\r\n|1\r\n+x\r\n:2\r\n_\r\n*-1\r\n";
        let mut framing = Framing::of(true);
        let mut messages = Vec::new();
        for byte in stream {
            framing.push(&[*byte]);
            messages.extend(framing.next());
        }
        let texts: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        let expected: [&[u8]; 6] = [
            b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
            b"+OK\r\n",
            b"$-1\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"|1\r\n+x\r\n:2\r\n_\r\n",
            b"*-1\r\n",
        ];
        assert_eq!(texts, expected);
        assert!(!framing.has_bytes());
    }

    #[test]
    fn a_foreign_protocol_passes_in_the_pieces_it_came_in() {
        let mut framing = Framing::default();
        framing.push(b"\x16\x03\x01");
        assert_eq!(framing.is_resp(), Some(false));
        assert_eq!(framing.next().as_deref(), Some(&b"\x16\x03\x01"[..]));
        assert_eq!(framing.next(), None);
    }
}
