//! Properties over generated requests.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::super::limits::RequestLimits;
use super::{encode_request, feed, whole};

fn argument() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..12),
        1 => vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'$'), Just(b'*'), Just(0)], 0..6),
        1 => (0..40_000_usize).prop_map(|length| vec![b'v'; length]),
    ]
}

fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(argument(), 1..6)
}

/// Something that may or may not be a request.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let tokens: [&[u8]; 16] = [
        b"\r\n", b"*2\r\n", b"*1\r\n", b"$3\r\n", b"$0\r\n", b"$", b"*", b"abc", b"\r", b"\n", b" ", b"\"",
        b"'", b"\\x4", b"-1", b"\0",
    ];
    let token = (0..tokens.len()).prop_map(move |index| tokens[index]);
    vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// Cuts `input` behind each of `cuts`, taken modulo what is left.
fn cut<'a>(input: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = input;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, behind) = rest.split_at(cut % (rest.len() + 1));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

proptest! {
    #[test]
    fn what_is_sent_as_an_array_comes_out(requests in vec(request(), 0..8)) {
        let input: Vec<u8> = requests.iter().flat_map(|request| encode_request(request)).collect();
        let outcome = whole(&input);
        prop_assert_eq!(outcome.violation, None);
        prop_assert_eq!(outcome.waiting, 0);
        prop_assert_eq!(outcome.requests, requests);
    }

    #[test]
    fn cuts_change_nothing_in_valid_input(requests in vec(request(), 0..6), cuts in vec(any::<usize>(), 0..12)) {
        let input: Vec<u8> = requests.iter().flat_map(|request| encode_request(request)).collect();
        let outcome = feed(cut(&input, &cuts), RequestLimits::default(), true);
        prop_assert_eq!(outcome.requests, requests);
    }

    #[test]
    fn cuts_change_nothing_in_noise(input in noise(), cuts in vec(any::<usize>(), 0..12), is_trusted in any::<bool>()) {
        let limits = RequestLimits::default();
        prop_assert_eq!(feed(cut(&input, &cuts), limits, is_trusted), feed([&input[..]], limits, is_trusted));
    }

    #[test]
    fn single_bytes_change_nothing(input in noise()) {
        prop_assert_eq!(feed(input.chunks(1), RequestLimits::default(), true), whole(&input));
    }

    #[test]
    fn quoted_arguments_come_out_as_they_were(arguments in vec(vec(any::<u8>(), 0..20), 1..5)) {
        let mut line = Vec::new();
        for argument in &arguments {
            line.push(b'"');
            for byte in argument {
                line.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
            }
            line.extend_from_slice(b"\" ");
        }
        line.extend_from_slice(b"\r\n");
        prop_assert_eq!(whole(&line).requests, [arguments]);
    }
}
