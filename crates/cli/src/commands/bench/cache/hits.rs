//! Reads that this process answers.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use oxherd::cache::Namespace;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::figures::{Figure, Of, median, nanos, per_second, rounded};
use super::run::Scene;
use super::scratch::{Row, lasting};
use crate::exit::Failure;

/// Keys that are asked for in turn: of one alone, threads would wait for each other's counting of its handles.
const KEYS: u64 = 1_000;
/// Calls between two looks at the clock, which costs half as much as a call.
pub(super) const BATCH: u32 = 1_000;

#[derive(Clone, Copy)]
enum Call {
    Get,
    GetOrLoad,
}

pub(super) async fn measure(scene: &Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let cache = scene.cache()?;
    let namespace: Namespace<u64, Row> = cache.namespace("rows").freshness(lasting()).open()?;
    for number in scene.numbers(1_000) {
        namespace.set(&number, Row::number(number)).await?;
    }
    let mut figures = Vec::new();
    for (bench, call) in [("l1_get", Call::Get), ("get_or_load_hit", Call::GetOrLoad)] {
        for threads in [1, 4] {
            let of = Of {
                threads: Some(threads),
                ..Of::default()
            };
            let (batches, took) = by(scene, &namespace, call, threads).await?;
            let each = median(batches.iter().map(|took| nanos(*took))) / f64::from(BATCH);
            let calls = batches.len() as u64 * u64::from(BATCH);
            figures.push(Figure {
                bench,
                of,
                calls,
                ns: rounded(each, 10.0),
                // Of all threads, on as many processors as there are.
                per_second: per_second(calls, took),
                ..Figure::default()
            });
        }
    }
    Ok(figures)
}

/// What one thread did.
struct Worked {
    batches: Vec<Duration>,
    began: Instant,
    ended: Instant,
}

/// How long each batch took while so many threads did the same, and how long it was from the first thread's begin to the last one's end.
async fn by(
    scene: &Scene<'_>,
    namespace: &Namespace<u64, Row>,
    call: Call,
    threads: usize,
) -> Result<(Vec<Duration>, Duration), Failure> {
    let batches = (scene.calls / 10).max(10);
    let start = Arc::new(Barrier::new(threads));
    let mut running = JoinSet::new();
    for _ in 0..threads {
        let (namespace, start) = (namespace.clone(), Arc::clone(&start));
        let interrupted = scene.interrupted.clone();
        let runtime = Handle::current();
        running.spawn_blocking(move || {
            start.wait();
            runtime.block_on(run(&namespace, call, batches, &interrupted))
        });
    }
    let worked: Vec<Worked> = running.join_all().await.into_iter().collect::<Result<_, _>>()?;
    let began = worked.iter().map(|thread| thread.began).min();
    let ended = worked.iter().map(|thread| thread.ended).max();
    let took = began.zip(ended).map(|(began, ended)| ended - began);
    let batches = worked.into_iter().flat_map(|thread| thread.batches);
    Ok((batches.collect(), took.unwrap_or_default()))
}

async fn run(
    namespace: &Namespace<u64, Row>,
    call: Call,
    batches: u32,
    interrupted: &CancellationToken,
) -> Result<Worked, Failure> {
    let mut times = Vec::new();
    let first = Instant::now();
    for _ in 0..batches {
        if interrupted.is_cancelled() {
            break;
        }
        let began = Instant::now();
        let mut missed = 0_u32;
        for number in 0..u64::from(BATCH) {
            let key = number % KEYS;
            missed += match call {
                Call::Get => u32::from(namespace.get(&key).await?.is_none()),
                Call::GetOrLoad => {
                    let loader = async || Err::<Row, _>("a hit needs no load");
                    u32::from(namespace.get_or_load(&key, loader).await.is_err())
                }
            };
        }
        times.push(began.elapsed());
        if missed > 0 {
            return Err(Failure::failed(format!(
                "{missed} of {BATCH} keys were not in this process any more"
            )));
        }
    }
    Ok(Worked {
        batches: times,
        began: first,
        ended: Instant::now(),
    })
}
