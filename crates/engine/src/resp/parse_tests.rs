//! Behaviour of the parser, with fixed examples, generated ones and a small fuzzer.
//!
//! The expected texts are what redis-server 7.0.15 answers. The fuzzer replays `tests/resp/corpus` and mutates it;
//! `OXHERD_FUZZ_SECONDS` lets it run longer, `OXHERD_FUZZ_SEED` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod examples;
mod fuzz;
mod generated;

use super::limits::RequestLimits;
use super::request::RequestBuffer;

/// What a client's bytes came to: the requests, then how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    requests: Vec<Vec<Vec<u8>>>,
    /// The error reply that closed the client.
    violation: Option<String>,
    /// Bytes that wait for more.
    waiting: usize,
}

fn show(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(400)];
    format!("{} bytes: {}", bytes.len(), start.escape_ascii())
}

/// Feeds `pieces` one after the other.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: RequestLimits, is_trusted: bool) -> Outcome {
    let mut buffer = RequestBuffer::new(limits);
    let mut outcome = Outcome {
        requests: Vec::new(),
        violation: None,
        waiting: 0,
    };
    for piece in pieces {
        let step = buffer
            .space()
            .map(|space| space.extend_from_slice(piece))
            .and_then(|()| {
                while buffer.next(is_trusted)? {
                    outcome
                        .requests
                        .push(buffer.arguments().map(<[u8]>::to_vec).collect());
                }
                Ok(())
            });
        if let Err(violation) = step {
            let mut text = Vec::new();
            violation.write(&mut text);
            outcome.violation = Some(text.escape_ascii().to_string());
            outcome.waiting = 0;
            return outcome;
        }
        outcome.waiting = buffer.waiting();
    }
    outcome
}

fn whole(input: &[u8]) -> Outcome {
    feed([input], RequestLimits::default(), true)
}

fn encode_request(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
    out
}
