//! A bounded fuzzer: replays the corpus, then mutates it.
//!
//! What has to hold for any input: no panic, the same outcome for the whole and for any pieces, small limits kept,
//! and everything is either run, waiting or refused.

use std::path::Path;
use std::time::{Duration, Instant};

use super::super::limits::RequestLimits;
use super::{feed, show};

/// Small limits, so that mutations reach them.
const LIMITS: RequestLimits = RequestLimits {
    max_bulk: 5000,
    max_arguments: 40,
    max_buffered: 1_000_000,
};

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/resp/corpus");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn check(input: &[u8], random: &mut fastrand::Rng) {
    let is_trusted = random.bool();
    let expected = feed([input], LIMITS, is_trusted);
    let mut pieces = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let most = if random.bool() {
            rest.len()
        } else {
            rest.len().min(7)
        };
        let (piece, behind) = rest.split_at(random.usize(1..=most));
        pieces.push(piece);
        rest = behind;
    }
    assert_eq!(feed(pieces, LIMITS, is_trusted), expected, "{}", show(input));
    for request in &expected.requests {
        assert!(!request.is_empty(), "{}", show(input));
        // Lines have no limit on their words but their length.
        assert!(
            request.iter().all(|argument| argument.len() <= 65536),
            "{}",
            show(input)
        );
    }
    let run: usize = expected.requests.iter().flatten().map(Vec::len).sum();
    assert!(run + expected.waiting <= input.len(), "{}", show(input));
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut fastrand::Rng) {
    const TOKENS: [&[u8]; 14] = [
        b"\r\n",
        b"*",
        b"$",
        b"*3\r\n",
        b"$5\r\n",
        b"-1",
        b"0",
        b"\0",
        b"\"",
        b"\\",
        b"'",
        b" ",
        b"99999999999",
        b"\n",
    ];
    let place = random.usize(0..=input.len());
    let length = random.usize(0..=(input.len() - place).min(20));
    match random.u8(0..7) {
        0 if place < input.len() => input[place] = random.u8(..),
        1 if place < input.len() => input[place] ^= 1 << random.u8(..8),
        2 => drop(input.drain(place..place + length)),
        3 => input.truncate(place),
        4 => drop(input.splice(place..place, TOKENS[random.usize(..TOKENS.len())].iter().copied())),
        5 => {
            let copied = input[place..place + length].to_vec();
            input.splice(place..place, copied);
        }
        _ => {
            let other = &corpus[random.usize(..corpus.len())];
            let from = random.usize(0..=other.len());
            input.truncate(place);
            input.extend_from_slice(&other[from..]);
        }
    }
}

#[test]
fn the_corpus_is_read_alike_however_it_is_cut() {
    let mut random = fastrand::Rng::with_seed(1);
    let corpus = corpus();
    assert!(corpus.len() >= 10);
    for input in &corpus {
        for _ in 0..50 {
            check(input, &mut random);
        }
    }
}

#[test]
fn mutated_input_breaks_nothing() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = setting("OXHERD_FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("OXHERD_FUZZ_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let corpus = corpus();
    let time = setting("OXHERD_FUZZ_SECONDS").map_or(Duration::from_millis(200), Duration::from_secs);
    let start = Instant::now();
    let mut runs = 0_u64;
    while start.elapsed() < time {
        let mut input = if random.u8(..8) == 0 {
            std::iter::repeat_with(|| random.u8(..)).take(64).collect()
        } else {
            corpus[random.usize(..corpus.len())].clone()
        };
        for _ in 0..random.usize(1..8) {
            mutate(&mut input, &corpus, &mut random);
        }
        check(&input, &mut random);
        runs += 1;
    }
    println!("{runs} inputs");
}
