//! Requests typed by hand: one line, split at blanks, with quotes.
//!
//! `"…"` knows the escapes `\n \r \t \b \a \xHH`, `'…'` knows `\'` alone. An argument is never longer than its source,
//! so it is unescaped where it stands and no byte is copied elsewhere. Next: `parse.rs`, the caller.

use super::parse::Span;

/// The quotes of the line do not match.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// Splits `line` into arguments, whose places are counted from `offset` bytes before the line.
///
/// The line is rewritten in place and holds the unescaped arguments afterwards.
pub(super) fn split_line(
    line: &mut [u8],
    offset: usize,
    arguments: &mut Vec<Span>,
) -> Result<(), Unbalanced> {
    let mut cursor = Cursor {
        line,
        read: 0,
        write: 0,
    };
    loop {
        while cursor.peek().is_some_and(is_blank) {
            cursor.read += 1;
        }
        if cursor.peek().is_none() {
            return Ok(());
        }
        cursor.write = cursor.read;
        let start = cursor.read;
        cursor.argument()?;
        arguments.push(Span {
            start: offset + start,
            length: cursor.write - start,
        });
    }
}

/// `isspace` of C.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

struct Cursor<'a> {
    line: &'a mut [u8],
    read: usize,
    write: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.get(self.read).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.read += 1;
        Some(byte)
    }

    fn put(&mut self, byte: u8) {
        if let Some(place) = self.line.get_mut(self.write) {
            *place = byte;
            self.write += 1;
        }
    }

    fn argument(&mut self) -> Result<(), Unbalanced> {
        while let Some(byte) = self.peek() {
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Ok(());
            }
            self.read += 1;
            match byte {
                b'"' => return self.double_quoted(),
                b'\'' => return self.single_quoted(),
                _ => self.put(byte),
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), Unbalanced> {
        loop {
            match self.next().ok_or(Unbalanced)? {
                b'"' => return self.closed(),
                b'\\' => {
                    let byte = self.escape().ok_or(Unbalanced)?;
                    self.put(byte);
                }
                byte => self.put(byte),
            }
        }
    }

    /// The byte that the rest of an escape stands for.
    fn escape(&mut self) -> Option<u8> {
        let byte = self.next()?;
        Some(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'a' => 0x07,
            b'x' => self.hexadecimal().unwrap_or(b'x'),
            other => other,
        })
    }

    fn hexadecimal(&mut self) -> Option<u8> {
        let (digits, _) = self.line.get(self.read..)?.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        let value = u8::try_from(high? * 16 + low?).ok()?;
        self.read += 2;
        Some(value)
    }

    fn single_quoted(&mut self) -> Result<(), Unbalanced> {
        loop {
            match self.next().ok_or(Unbalanced)? {
                b'\'' => return self.closed(),
                b'\\' if self.peek() == Some(b'\'') => {
                    self.read += 1;
                    self.put(b'\'');
                }
                byte => self.put(byte),
            }
        }
    }

    /// A closing quote ends the argument, so a blank or nothing has to follow.
    fn closed(&self) -> Result<(), Unbalanced> {
        if self.peek().is_none_or(is_blank) {
            Ok(())
        } else {
            Err(Unbalanced)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::{Unbalanced, split_line};

    fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
        let mut line = line.to_vec();
        let mut spans = Vec::new();
        split_line(&mut line, 7, &mut spans)?;
        Ok(spans
            .into_iter()
            .map(|span| line[span.start - 7..][..span.length].to_vec())
            .collect())
    }

    fn words(line: &[u8]) -> Vec<Vec<u8>> {
        split(line).unwrap()
    }

    #[test]
    fn blanks_part_arguments_and_none_are_left_over() {
        assert_eq!(words(b"  set \t key   value "), [&b"set"[..], b"key", b"value"]);
        assert_eq!(words(b" \t "), Vec::<Vec<u8>>::new());
        assert_eq!(words(b""), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_vertical_tab_is_skipped_before_an_argument_and_kept_within() {
        assert_eq!(words(b"PING \x0ba"), [&b"PING"[..], b"a"]);
        assert_eq!(words(b"PING\x0ba"), [&b"PING\x0ba"[..]]);
    }

    #[test]
    fn double_quotes_know_escapes() {
        assert_eq!(
            words(br#"PING "\x41\n\r\t\b\a\q\"\\""#)[1],
            b"A\n\r\t\x08\x07q\"\\"
        );
        assert_eq!(words(br#"PING "\x4""#)[1], b"x4");
        assert_eq!(words(br#"PING "\xzz""#)[1], b"xzz");
        assert_eq!(words(br#"PING "\xfF" next"#)[1..], [&b"\xff"[..], b"next"]);
    }

    #[test]
    fn single_quotes_know_one_escape() {
        assert_eq!(words(br"PING 'a\nb'")[1], br"a\nb");
        assert_eq!(words(br"PING 'a\'b'")[1], b"a'b");
    }

    #[test]
    fn quotes_may_be_empty_or_start_within_an_argument() {
        assert_eq!(words(br#"PING """#)[1], b"");
        assert_eq!(words(b"PING ''")[1], b"");
        assert_eq!(words(br#"PING a"b c""#)[1], b"ab c");
    }

    #[test]
    fn quotes_that_do_not_match_are_refused() {
        for line in [
            &br#"PING "a"#[..],
            br#"PING "a"b"#,
            b"PING 'a'b",
            b"PING 'a",
            br#"PING "a\"#,
            br#"PING "a\""#,
        ] {
            assert_eq!(split(line), Err(Unbalanced), "{}", line.escape_ascii());
        }
    }
}
