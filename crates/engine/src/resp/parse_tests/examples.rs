//! Requests and breaches of the protocol, each with the outcome redis-server 7.0.15 gives it.

use super::super::limits::RequestLimits;
use super::super::parse::{Parser, Progress};
use super::super::request::RequestBuffer;
use super::{encode_request, feed, show, whole};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[track_caller]
fn assert_requests(input: &[u8], requests: &[&[&[u8]]]) {
    let outcome = whole(input);
    assert_eq!(outcome.violation, None, "{}", show(input));
    assert_eq!(outcome.requests, requests, "{}", show(input));
    assert_eq!(outcome.waiting, 0, "{}", show(input));
}

#[track_caller]
fn assert_refused(input: &[u8], text: &str) {
    assert_eq!(refusal(input, true), Some(text.to_owned()), "{}", show(input));
}

fn refusal(input: &[u8], is_trusted: bool) -> Option<String> {
    let text = feed([input], RequestLimits::default(), is_trusted).violation?;
    Some(
        text.strip_prefix("-ERR Protocol error: ")
            .unwrap()
            .strip_suffix("\\r\\n")
            .unwrap()
            .to_owned(),
    )
}

#[track_caller]
fn assert_waits(input: &[u8]) {
    let outcome = whole(input);
    assert_eq!(
        (outcome.violation, outcome.requests.len(), outcome.waiting),
        (None, 0, input.len()),
        "{}",
        show(input)
    );
}

#[test]
fn arrays_and_lines_are_requests() {
    assert_requests(PING, &[&[b"PING"]]);
    assert_requests(b"PING\r\n", &[&[b"PING"]]);
    assert_requests(b"PING\n", &[&[b"PING"]]);
    assert_requests(
        b"*2\r\n$3\r\nGET\r\n$0\r\n\r\nping 'a b'\n",
        &[&[b"GET", b""], &[b"ping", b"a b"]],
    );
}

#[test]
fn empty_requests_are_skipped() {
    for nothing in [
        &b"*0\r\n"[..],
        b"*-1\r\n",
        b"*-9223372036854775808\r\n",
        b"\r\n",
        b"\n",
        b"   \r\n",
        b"\r\n*0\r\n\n",
    ] {
        assert_requests(&[nothing, PING].concat(), &[&[b"PING"]]);
        assert_requests(nothing, &[]);
    }
}

#[test]
fn the_bytes_after_a_bulk_string_and_after_a_carriage_return_do_not_matter() {
    assert_requests(b"*1\r\n$4\r\nPINGxx", &[&[b"PING"]]);
    assert_requests(b"*1\r\n$4\rXPING\r\n", &[&[b"PING"]]);
    assert_requests(b"PING a\r\r\n", &[&[b"PING", b"a"]]);
    assert_requests(b"PING a\rb\r\n", &[&[b"PING", b"a", b"b"]]);
}

#[test]
fn unusable_array_lengths_are_refused() {
    for digits in [
        "abc",
        "",
        "+1",
        " 1",
        "01",
        "-0",
        "-",
        "1x",
        "1048577",
        "2147483648",
        "9999999999999999999999",
    ] {
        assert_refused(format!("*{digits}\r\n").as_bytes(), "invalid multibulk length");
    }
    assert_refused(b"*1\n$4\r\nPING\r\n", "invalid multibulk length");
    assert_waits(b"*1048576\r\n");
}

#[test]
fn unusable_bulk_lengths_are_refused() {
    for digits in [
        "abc",
        "",
        "-1",
        "+1",
        "01",
        "4x\n",
        "536870913",
        "4294967296",
        "11111111111111111111111111",
    ] {
        assert_refused(format!("*1\r\n${digits}\r\n").as_bytes(), "invalid bulk length");
    }
    assert_waits(b"*1\r\n$536870912\r\n");
}

#[test]
fn only_bulk_strings_may_be_arguments() {
    assert_refused(b"*1\r\n+PING\r\n", "expected \\'$\\', got \\'+\\'");
    assert_refused(b"*1\r\n:4\r\n", "expected \\'$\\', got \\':\\'");
    assert_refused(b"*1\r\n\r\n", "expected \\'$\\', got \\' \\'");
    assert_refused(b"*1\r\n\n$4\r\nPING\r\n", "expected \\'$\\', got \\' \\'");
    assert_refused(b"*1\r\n\xff\r\n", "expected \\'$\\', got \\'\\xff\\'");
    assert_waits(b"*1\r\nxxxxxxxxxx");
}

#[test]
fn quotes_that_do_not_match_are_refused() {
    assert_refused(b"PING \"a\r\n", "unbalanced quotes in request");
    assert_refused(b"PING \"a\"b\r\n", "unbalanced quotes in request");
}

#[test]
fn a_line_without_an_end_is_refused_past_its_limit() {
    assert_waits(&[b'a'; 65536]);
    assert_refused(&[b'a'; 65537], "too big inline request");
    assert_waits(&[b"*".as_slice(), &[b'1'; 65535]].concat());
    assert_refused(
        &[b"*".as_slice(), &[b'1'; 65536]].concat(),
        "too big mbulk count string",
    );
    assert_refused(
        &[b"*1\r\n$".as_slice(), &[b'1'; 65536]].concat(),
        "too big bulk count string",
    );
}

#[test]
fn the_longest_line_is_a_request_and_one_more_byte_is_too_much() {
    let line = [&[b'a'; 65535][..], b"\r\n"].concat();
    assert_eq!(whole(&line).requests, [[vec![b'a'; 65535]]]);
    assert_refused(&[b"a", &line[..]].concat(), "too big inline request");
}

#[test]
fn a_nul_hides_the_end_of_its_line() {
    for input in [
        &b"PING a\x00b\r\n"[..],
        b"\x00PING\r\n",
        b"*1\r\n\x00\r\n",
        b"*\x001\r\n",
    ] {
        let waiting = feed([input], RequestLimits::default(), true);
        assert_eq!(
            (waiting.requests.len(), waiting.violation),
            (0, None),
            "{}",
            show(input)
        );
    }
    assert_refused(
        &[b"PING \x00\r\n".as_slice(), &[b'a'; 65536]].concat(),
        "too big inline request",
    );
    assert_requests(b"*1\r\n$3\r\na\x00b\r\n", &[&[b"a\x00b"]]);
}

#[test]
fn a_client_without_a_password_has_small_limits() {
    let count = Some("unauthenticated multibulk length".to_owned());
    let length = Some("unauthenticated bulk length".to_owned());
    assert_eq!(refusal(b"*10\r\n", false), None);
    assert_eq!(refusal(b"*11\r\n", false), count);
    assert_eq!(refusal(b"*1\r\n$16384\r\n", false), None);
    assert_eq!(refusal(b"*1\r\n$16385\r\n", false), length);
}

#[test]
fn requests_before_a_breach_are_run() {
    let outcome = whole(b"PING\r\n*1\r\n$x\r\nPING\r\n");
    assert_eq!(outcome.requests, [[b"PING"]]);
    assert_eq!(
        outcome.violation.unwrap(),
        "-ERR Protocol error: invalid bulk length\\r\\n"
    );
}

#[test]
fn too_many_waiting_bytes_close_without_a_word() {
    let limits = RequestLimits {
        max_buffered: 100,
        ..RequestLimits::default()
    };
    let pieces = [&b"*1\r\n$1000\r\n"[..], &[b'a'; 80], &[b'a'; 80], b"a"];
    assert_eq!(feed(pieces, limits, true).violation, Some(String::new()));
    assert_eq!(feed(vec![PING; 100], limits, true).violation, None);
}

#[test]
fn an_announced_length_takes_no_memory() {
    let mut buffer = RequestBuffer::new(RequestLimits::default());
    buffer.space().unwrap().extend_from_slice(b"*1\r\n$536870912\r\n");
    assert!(!buffer.next(true).unwrap());
    assert!(buffer.space().unwrap().capacity() < 64 * 1024);
}

#[test]
fn memory_of_a_large_request_is_given_back() {
    let mut buffer = RequestBuffer::new(RequestLimits::default());
    buffer
        .space()
        .unwrap()
        .extend_from_slice(&encode_request(&[vec![b'a'; 4_000_000]]));
    assert!(buffer.next(true).unwrap());
    assert_eq!(buffer.arguments().next().unwrap().len(), 4_000_000);
    assert!(!buffer.next(true).unwrap());
    assert!(buffer.space().unwrap().capacity() < 64 * 1024);
}

#[test]
fn a_large_value_in_small_pieces_is_not_searched_again() {
    // Bytes already looked at are overwritten; a parser that looks twice would stumble over them.
    let limits = RequestLimits::default();
    let request = encode_request(&[b"SET".to_vec(), vec![b'\r'; 100_000], b"last".to_vec()]);
    let mut parser = Parser::default();
    let mut input = Vec::new();
    for piece in request[..request.len() - 8].chunks(64) {
        input.extend_from_slice(piece);
        assert_eq!(
            parser.advance(&mut input, &limits, true),
            Ok(Progress::Incomplete)
        );
        let kept = input.len() - input.len().min(12);
        input[..kept].fill(b'!');
    }
    input.extend_from_slice(&request[request.len() - 8..]);
    assert_eq!(
        parser.advance(&mut input, &limits, true),
        Ok(Progress::Request(request.len()))
    );
    assert_eq!(parser.arguments().len(), 3);
}

#[test]
fn an_inline_line_in_small_pieces_is_not_searched_again() {
    let limits = RequestLimits::default();
    let mut parser = Parser::default();
    let mut input = Vec::new();
    for _ in 0..100 {
        input.extend_from_slice(&[b'a'; 100]);
        assert_eq!(
            parser.advance(&mut input, &limits, true),
            Ok(Progress::Incomplete)
        );
        input.fill(b'\t');
    }
    input.push(b'\n');
    assert_eq!(
        parser.advance(&mut input, &limits, true),
        Ok(Progress::Nothing(input.len()))
    );
}
