//! How often a key is there: look it up, put it in when it is not.
//!
//! The scans read keys that never come again. The hit ratio counts the other reads alone: a scan cannot hit, what
//! matters is what it throws out.

use std::sync::Arc;

use serde_json::json;

use crate::Outcome;
use crate::peer::{self, Peer, Value};
use crate::trace::{self, KEYS};

const LENGTH: usize = 1_000_000;
/// Reads in between two scans, and reads of a scan.
const TURN: usize = 20_000;
const SEED: u64 = 23;
/// Evicting takes it so long that a trace takes minutes; with 1,000 entries it hits as often as least recently used.
const TOO_SLOW: &str = "amalgam";

/// Prints a line for each peer, trace and capacity.
pub(crate) fn run() -> Outcome {
    let reads = trace::zipf(KEYS, LENGTH, SEED);
    for capacity in [KEYS / 100, KEYS / 20, KEYS / 5] {
        for trace in ["zipf", "zipf_scan"] {
            for peer in peer::all(capacity)?.iter().filter(|peer| peer.name() != TOO_SLOW) {
                let ratio = play(peer.as_ref(), &reads, trace == "zipf_scan");
                let line = json!({
                    "bench": "hit_ratio", "peer": peer.name(), "trace": trace, "keys": KEYS, "capacity": capacity,
                    "ratio": (ratio * 10_000.0).round() / 10_000.0,
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// The share of hits in the second half: the first fills the cache.
fn play(peer: &dyn Peer, reads: &[usize], has_scans: bool) -> f64 {
    let (mut hits, mut scanned) = (0, KEYS);
    for (place, &number) in reads.iter().enumerate() {
        let is_hit = read(peer, number);
        hits += usize::from(is_hit && place >= reads.len() / 2);
        if has_scans && place % TURN == TURN - 1 {
            for number in scanned..scanned + TURN {
                read(peer, number);
            }
            scanned += TURN;
        }
    }
    hits as f64 / (reads.len() - reads.len() / 2) as f64
}

fn read(peer: &dyn Peer, number: usize) -> bool {
    let text = trace::text(number);
    if peer.get(&text).is_some() {
        return true;
    }
    peer.put(&text, Arc::new(Value::new(number)));
    false
}
