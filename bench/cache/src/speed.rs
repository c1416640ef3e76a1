//! What a hit costs: a look-up, and the call that would load on a miss, of keys that are all there.
//!
//! Rounds go over all peers in turn, because the speed of a shared machine drifts; the best round of each is given
//! beside the median.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use serde_json::json;

use crate::Outcome;
use crate::peer::{self, Peer, Value};
use crate::trace::{self, KEYS};

const LENGTH: usize = 1 << 18;
const SEED: u64 = 11;

struct Figure {
    peer: usize,
    bench: &'static str,
    trace: &'static str,
    threads: usize,
    nanos: Vec<f64>,
}

/// Prints a line for each peer, trace, call and number of threads. Without names all take part.
pub(crate) fn run(rounds: usize, names: &[String]) -> Outcome {
    let texts: Vec<String> = (0..KEYS).map(trace::text).collect();
    let traces = [
        ("zipf", trace::zipf(KEYS, LENGTH, SEED)),
        ("hot", trace::even(1_000, LENGTH, SEED)),
    ]
    .map(|(name, numbers)| {
        (
            name,
            numbers
                .iter()
                .filter_map(|&number| texts.get(number))
                .collect::<Vec<_>>(),
        )
    });
    let mut peers = peer::all(KEYS * 2)?;
    peers.retain(|peer| names.is_empty() || names.iter().any(|name| name == peer.name()));
    for peer in &peers {
        for (number, text) in texts.iter().enumerate() {
            peer.put(text, Arc::new(Value::new(number)));
        }
    }
    let mut figures: Vec<Figure> = Vec::new();
    for round in 0..rounds.max(1) {
        let mut place = 0;
        for (trace, keys) in &traces {
            for threads in [1, 4] {
                for (bench, call) in [("l1_get", get as Call), ("get_or_load_hit", get_or_load)] {
                    for (index, peer) in peers.iter().enumerate() {
                        let nanos = measure(peer.as_ref(), call, keys, threads);
                        if round == 0 {
                            figures.push(Figure {
                                peer: index,
                                bench,
                                trace,
                                threads,
                                nanos: Vec::new(),
                            });
                        }
                        if let Some(figure) = figures.get_mut(place) {
                            figure.nanos.push(nanos);
                        }
                        place += 1;
                    }
                }
            }
        }
    }
    for figure in &mut figures {
        figure.nanos.sort_by(f64::total_cmp);
        let (Some(peer), Some(best)) = (peers.get(figure.peer), figure.nanos.first()) else {
            continue;
        };
        let median = figure.nanos.get(figure.nanos.len() / 2).unwrap_or(best);
        let line = json!({
            "bench": figure.bench, "peer": peer.name(), "ttl": peer.has_ttl(), "single_flight": peer.has_flights(),
            "trace": figure.trace, "keys": KEYS, "threads": figure.threads,
            "ns": round(*median), "best_ns": round(*best),
            "per_second": (figure.threads as f64 * 1e9 / median) as u64,
        });
        println!("{line}");
    }
    Ok(())
}

type Call = fn(&dyn Peer, &str) -> Option<Arc<Value>>;

fn get(peer: &dyn Peer, key: &str) -> Option<Arc<Value>> {
    peer.get(key)
}

fn get_or_load(peer: &dyn Peer, key: &str) -> Option<Arc<Value>> {
    peer.get_or_load(key)
}

/// Nanoseconds of a thread for one call, while all do the same from different places of the trace.
fn measure(peer: &dyn Peer, call: Call, keys: &[&String], threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let took = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let (later, first) = keys.split_at(keys.len() / threads * thread);
                    start.wait();
                    let began = Instant::now();
                    let mut misses = 0;
                    for key in first.iter().chain(later) {
                        misses += u32::from(black_box(call(peer, key)).is_none());
                    }
                    assert!(
                        misses == 0,
                        "{}: {misses} of {} were not there",
                        peer.name(),
                        keys.len()
                    );
                    began.elapsed().as_nanos() as f64
                })
            })
            .collect();
        // A thread that failed has said so; its figure would be worth nothing.
        runs.into_iter()
            .map(|run| run.join().unwrap_or(f64::NAN))
            .sum::<f64>()
    });
    took / threads as f64 / keys.len() as f64
}

fn round(nanos: f64) -> f64 {
    (nanos * 10.0).round() / 10.0
}
