//! The socket is cut after the server did what it was asked and before it can say so.
//!
//! `OXHERD_CHAOS_CUTS` sets how often (default 200; the published run uses 1,000), `OXHERD_CHAOS_SEED` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oxherd::{NewJob, Oxherd, Worker};
use oxherd_testkit::{FaultProxy, RedisServer, contains, eventually};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

/// What the handlers did to each job, and whether two ran one at the same time.
#[derive(Default)]
struct Effects {
    running: HashMap<String, u32>,
    runs: HashMap<String, u32>,
    overlaps: Vec<String>,
}

async fn worker(url: &str, effects: &Arc<Mutex<Effects>>) -> Worker {
    let oxherd = Oxherd::connect(url).await.unwrap();
    let effects = Arc::clone(effects);
    oxherd
        .worker("chaos")
        .unwrap()
        .concurrency(10)
        // Whoever needs the stall check to go on would never finish this test.
        .stalled_interval(Duration::from_secs(3600))
        .handle_any(move |_, context| {
            let effects = Arc::clone(&effects);
            async move {
                let id = context.id().to_string();
                {
                    let mut effects = effects.lock().unwrap();
                    *effects.runs.entry(id.clone()).or_default() += 1;
                    let running = effects.running.entry(id.clone()).or_default();
                    *running += 1;
                    if *running > 1 {
                        effects.overlaps.push(id.clone());
                    }
                }
                tokio::task::yield_now().await;
                *effects.lock().unwrap().running.entry(id).or_default() -= 1;
                Ok(Value::Null)
            }
        })
        .start()
        .await
        .unwrap()
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_or_run_twice_when_replies_are() {
    let cuts = setting("OXHERD_CHAOS_CUTS", 200);
    let seed = setting("OXHERD_CHAOS_SEED", rand::random());
    println!("OXHERD_CHAOS_SEED={seed} OXHERD_CHAOS_CUTS={cuts}");

    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let steady = Oxherd::connect(&server.url()).await.unwrap();
    let queue = steady.queue("chaos").unwrap();
    let effects = Arc::new(Mutex::new(Effects::default()));
    let workers = [
        worker(&proxy.url(), &effects).await,
        worker(&proxy.url(), &effects).await,
    ];

    let started = Instant::now();
    proxy.lose_replies_where(0.2, seed, contains("EVALSHA"));
    let mut added = 0_u64;
    while proxy.lost_replies() < cuts {
        let batch = (0..20)
            .map(|number| NewJob::new("work", &json!({"number": added + number})).unwrap())
            .collect();
        for job in queue.add_many(batch).await.unwrap() {
            job.unwrap();
            added += 1;
        }
        // Keeps the producer no further ahead than the workers can follow.
        eventually("the workers follow", PATIENCE, async || {
            queue.counts().await.unwrap().waiting < 100
        })
        .await;
    }
    proxy.stop_losing();
    eventually("every job completes", PATIENCE, async || {
        queue.counts().await.unwrap().completed == added
    })
    .await;
    let took = started.elapsed();
    for worker in workers {
        let report = worker.stop(PATIENCE).await;
        assert_eq!(report.unreported, 0);
    }

    let counts = queue.counts().await.unwrap();
    assert_eq!((counts.waiting, counts.active, counts.failed), (0, 0, 0));
    let effects = effects.lock().unwrap();
    println!(
        "{} replies lost, {added} jobs, {} runs, {took:?}",
        proxy.lost_replies(),
        effects.runs.values().sum::<u32>()
    );
    assert!(
        effects.overlaps.is_empty(),
        "run by two at once: {:?}",
        effects.overlaps
    );
    assert_eq!(effects.runs.len() as u64, added, "every job ran");
    let repeated: Vec<_> = effects.runs.iter().filter(|(_, runs)| **runs != 1).collect();
    assert!(repeated.is_empty(), "run more than once: {repeated:?}");
}
