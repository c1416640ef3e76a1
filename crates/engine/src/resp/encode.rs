//! Writes replies as RESP2 or RESP3 into a buffer.
//!
//! Shapes that RESP2 lacks take the form Redis gives them there: a map is a flat array, a double a bulk string,
//! a boolean an integer. Nothing is allocated but the buffer's own growth. Next: `../reply.rs`.

use memchr::memchr2;

use crate::client::Protocol;
use crate::number;
use crate::reply::Reply;

/// Appends `reply` to `out`.
pub(super) fn encode(reply: &Reply, protocol: Protocol, out: &mut Vec<u8>) {
    match (reply, protocol) {
        (Reply::Simple(text), _) => simple(text, out),
        (Reply::Error(fault), _) => error(fault.text(), out),
        (Reply::Int(number), _) => header(b':', *number, out),
        (Reply::Bulk(bytes), _) => bulk(bytes, out),
        (Reply::Nil, Protocol::Resp2) => out.extend_from_slice(b"$-1\r\n"),
        (Reply::NilArray, Protocol::Resp2) => out.extend_from_slice(b"*-1\r\n"),
        (Reply::Nil | Reply::NilArray, Protocol::Resp3) => out.extend_from_slice(b"_\r\n"),
        (Reply::Array(items), _) | (Reply::Set(items) | Reply::Push(items), Protocol::Resp2) => {
            list(b'*', items, protocol, out);
        }
        (Reply::Set(items), Protocol::Resp3) => list(b'~', items, protocol, out),
        (Reply::Push(items), Protocol::Resp3) => list(b'>', items, protocol, out),
        (Reply::Map(pairs) | Reply::Pairs(pairs), Protocol::Resp2) => {
            count(b'*', pairs.len() * 2, out);
            members(pairs, protocol, out);
        }
        (Reply::Map(pairs), Protocol::Resp3) => {
            count(b'%', pairs.len(), out);
            members(pairs, protocol, out);
        }
        (Reply::Pairs(pairs), Protocol::Resp3) => {
            count(b'*', pairs.len(), out);
            for (first, second) in pairs {
                out.extend_from_slice(b"*2\r\n");
                encode(first, protocol, out);
                encode(second, protocol, out);
            }
        }
        (Reply::Double(number), _) => double(*number, protocol, out),
        (Reply::Bool(is_so), Protocol::Resp2) => header(b':', i64::from(*is_so), out),
        (Reply::Bool(true), Protocol::Resp3) => out.extend_from_slice(b"#t\r\n"),
        (Reply::Bool(false), Protocol::Resp3) => out.extend_from_slice(b"#f\r\n"),
        (Reply::BigNumber(digits), Protocol::Resp2) => bulk(digits.as_bytes(), out),
        (Reply::BigNumber(digits), Protocol::Resp3) => one_line(b'(', digits.as_bytes(), out),
        (Reply::Verbatim(text), Protocol::Resp2) => bulk(text.as_bytes(), out),
        (Reply::Verbatim(text), Protocol::Resp3) => verbatim(text, out),
        (Reply::Several(replies), _) => replies.iter().for_each(|reply| encode(reply, protocol, out)),
    }
}

fn list(kind: u8, items: &[Reply], protocol: Protocol, out: &mut Vec<u8>) {
    count(kind, items.len(), out);
    for item in items {
        encode(item, protocol, out);
    }
}

fn members(pairs: &[(Reply, Reply)], protocol: Protocol, out: &mut Vec<u8>) {
    for (name, value) in pairs {
        encode(name, protocol, out);
        encode(value, protocol, out);
    }
}

fn header(kind: u8, number: i64, out: &mut Vec<u8>) {
    line(kind, itoa::Buffer::new().format(number).as_bytes(), out);
}

fn count(kind: u8, number: usize, out: &mut Vec<u8>) {
    line(kind, itoa::Buffer::new().format(number).as_bytes(), out);
}

fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 3);
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    count(b'$', bytes.len(), out);
    out.reserve(bytes.len() + 2);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn verbatim(text: &str, out: &mut Vec<u8>) {
    count(b'=', text.len() + 4, out);
    out.extend_from_slice(b"txt:");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn simple(text: &str, out: &mut Vec<u8>) {
    match text {
        // By far the most frequent ones.
        "OK" => out.extend_from_slice(b"+OK\r\n"),
        _ => one_line(b'+', text.as_bytes(), out),
    }
}

fn error(text: &str, out: &mut Vec<u8>) {
    one_line(b'-', text.trim_end_matches(['\r', '\n']).as_bytes(), out);
}

/// Text that must not contain a line end: a script or an echoed argument may have put one there.
fn one_line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    line(kind, text, out);
    if memchr2(b'\r', b'\n', text).is_none() {
        return;
    }
    for byte in out.iter_mut().skip(start + 1).take(text.len()) {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
}

fn double(number: f64, protocol: Protocol, out: &mut Vec<u8>) {
    let mut short = itoa::Buffer::new();
    // Scores are mostly small whole numbers, and those need no allocation.
    let is_short =
        number.abs() < 1e9 && number.fract() == 0.0 && !(number == 0.0 && number.is_sign_negative());
    let long;
    let digits = if is_short {
        short.format(number as i64)
    } else {
        long = number::double(number);
        &long
    };
    match protocol {
        Protocol::Resp2 => bulk(digits.as_bytes(), out),
        Protocol::Resp3 => line(b',', digits.as_bytes(), out),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::encode;
    use crate::client::Protocol;
    use crate::reply::{Fault, Reply};

    fn text(reply: &Reply, protocol: Protocol) -> String {
        let mut out = b"before".to_vec();
        encode(reply, protocol, &mut out);
        String::from_utf8(out)
            .unwrap()
            .strip_prefix("before")
            .unwrap()
            .to_owned()
    }

    fn both(reply: &Reply) -> (String, String) {
        (text(reply, Protocol::Resp2), text(reply, Protocol::Resp3))
    }

    fn pair(name: &str, number: i64) -> (Reply, Reply) {
        (Reply::Bulk(name.as_bytes().to_vec()), Reply::Int(number))
    }

    #[track_caller]
    fn assert_both(reply: &Reply, resp2: &str, resp3: &str) {
        assert_eq!(both(reply), (resp2.to_owned(), resp3.to_owned()));
    }

    #[test]
    fn shapes_of_both_protocols_look_alike() {
        for (reply, wire) in [
            (Reply::Simple("OK".into()), "+OK\r\n"),
            (Reply::Simple("QUEUED".into()), "+QUEUED\r\n"),
            (Reply::Error(Fault::new("ERR no")), "-ERR no\r\n"),
            (Reply::Int(i64::MIN), ":-9223372036854775808\r\n"),
            (Reply::Bulk(b"a\r\nb".to_vec()), "$4\r\na\r\nb\r\n"),
            (Reply::Bulk(Vec::new()), "$0\r\n\r\n"),
            (Reply::Array(Vec::new()), "*0\r\n"),
            (
                Reply::Array(vec![Reply::Int(1), Reply::Array(vec![Reply::Int(2)])]),
                "*2\r\n:1\r\n*1\r\n:2\r\n",
            ),
        ] {
            assert_both(&reply, wire, wire);
        }
    }

    #[test]
    fn shapes_that_resp2_lacks_are_flattened() {
        assert_both(&Reply::Nil, "$-1\r\n", "_\r\n");
        assert_both(&Reply::NilArray, "*-1\r\n", "_\r\n");
        assert_both(&Reply::Bool(true), ":1\r\n", "#t\r\n");
        assert_both(&Reply::Bool(false), ":0\r\n", "#f\r\n");
        assert_both(&Reply::BigNumber("123".into()), "$3\r\n123\r\n", "(123\r\n");
        assert_both(
            &Reply::Verbatim("hey".into()),
            "$3\r\nhey\r\n",
            "=7\r\ntxt:hey\r\n",
        );
        assert_both(&Reply::Set(vec![Reply::Int(1)]), "*1\r\n:1\r\n", "~1\r\n:1\r\n");
        assert_both(&Reply::Push(vec![Reply::Int(1)]), "*1\r\n:1\r\n", ">1\r\n:1\r\n");
        let pairs = vec![pair("a", 1), pair("b", 2)];
        let flat = "*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n";
        assert_both(
            &Reply::Map(pairs.clone()),
            flat,
            "%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n",
        );
        assert_both(
            &Reply::Pairs(pairs),
            flat,
            "*2\r\n*2\r\n$1\r\na\r\n:1\r\n*2\r\n$1\r\nb\r\n:2\r\n",
        );
    }

    #[test]
    fn a_line_end_never_leaves_a_one_line_reply() {
        assert_both(&Reply::Simple("a\r\nb\n".into()), "+a  b \r\n", "+a  b \r\n");
        assert_both(
            &Reply::Error(Fault::new("\nERR a\r\nb\r\n")),
            "- ERR a  b\r\n",
            "- ERR a  b\r\n",
        );
        assert_both(&Reply::BigNumber("12\r3".into()), "$4\r\n12\r3\r\n", "(12 3\r\n");
    }

    #[test]
    fn doubles_have_seventeen_digits() {
        assert_both(
            &Reply::Double(0.1),
            "$19\r\n0.10000000000000001\r\n",
            ",0.10000000000000001\r\n",
        );
        assert_both(&Reply::Double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
        assert_both(&Reply::Double(-3.0), "$2\r\n-3\r\n", ",-3\r\n");
        assert_both(&Reply::Double(-0.0), "$2\r\n-0\r\n", ",-0\r\n");
        assert_both(&Reply::Double(1e17), "$5\r\n1e+17\r\n", ",1e+17\r\n");
    }
}
