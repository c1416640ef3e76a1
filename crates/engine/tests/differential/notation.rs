//! Commands as text: how a step is printed, and how a line of a regression file is read.
//!
//! The notation is that of `redis-cli`: words, or double quotes with `\n`, `\"` and `\x00` in them. Writing and
//! reading are each other's inverse, so a printed counterexample can be pasted into a regression file.
//! Next: `step.rs`.

/// `text` as a word if it can be one, else in double quotes.
pub(crate) fn argument(text: &[u8]) -> String {
    let is_word = !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'\''));
    if is_word {
        return String::from_utf8_lossy(text).into_owned();
    }
    quoted(text)
}

/// `text` in double quotes.
pub(crate) fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", escaped(text))
}

/// `text` as it stands between double quotes.
pub(crate) fn escaped(text: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for &byte in text {
        match byte {
            b'"' | b'\\' => escaped.extend(['\\', char::from(byte)]),
            b'\n' => escaped.push_str("\\n"),
            b'\r' => escaped.push_str("\\r"),
            b'\t' => escaped.push_str("\\t"),
            b' '..=b'~' => escaped.push(char::from(byte)),
            _ => write!(escaped, "\\x{byte:02x}").expect("a string takes all"),
        }
    }
    escaped
}

/// The arguments of one line.
///
/// # Panics
/// On a quote that is not closed.
pub(crate) fn arguments(line: &str) -> Vec<Vec<u8>> {
    let mut rest = line.trim().as_bytes();
    let mut arguments = Vec::new();
    while let Some(&first) = rest.first() {
        let (argument, after) = if first == b'"' {
            quoted_argument(rest)
        } else {
            word(rest)
        };
        arguments.push(argument);
        rest = after.trim_ascii_start();
    }
    arguments
}

fn word(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = text.split_at(end.unwrap_or(text.len()));
    (word.to_vec(), rest)
}

fn quoted_argument(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut argument = Vec::new();
    let mut at = 1;
    loop {
        match text[at] {
            b'"' => return (argument, &text[at + 1..]),
            b'\\' => {
                at += 1;
                match text[at] {
                    b'n' => argument.push(b'\n'),
                    b'r' => argument.push(b'\r'),
                    b't' => argument.push(b'\t'),
                    b'x' => {
                        let digits = std::str::from_utf8(&text[at + 1..at + 3]).expect("two digits");
                        argument.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                        at += 2;
                    }
                    other => argument.push(other),
                }
            }
            byte => argument.push(byte),
        }
        at += 1;
    }
}

#[test]
fn what_is_written_is_read_again() {
    let all: Vec<Vec<u8>> = vec![
        (0..=255).collect(),
        b"plain".to_vec(),
        Vec::new(),
        b"two words".to_vec(),
        b"a\"b\\c".to_vec(),
        b"'".to_vec(),
    ];
    let line: Vec<String> = all.iter().map(|text| argument(text)).collect();
    assert_eq!(arguments(&line.join(" ")), all);
}
