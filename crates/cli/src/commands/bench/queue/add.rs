//! Jobs added one by one, 100 in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use oxherd::Queue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bulk_add::fill;
use super::figures::Measured;
use super::run::Scene;
use super::scratch::job;
use crate::exit::Failure;

const IN_FLIGHT: usize = 100;

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Measured, Failure> {
    fill(scene, 1).await?;
    scene.begin(scene.jobs).await?;
    let started = Instant::now();
    let next = Arc::new(AtomicU32::new(0));
    let mut adding = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        adding.spawn(add_some(
            scene.queue.clone(),
            Arc::clone(&next),
            scene.jobs,
            scene.bar.clone(),
            scene.interrupted.clone(),
        ));
    }
    let mut times = Vec::new();
    let mut failure = None;
    // All are waited for, a failed one notwithstanding: none may write after the bench.
    while let Some(ended) = adding.join_next().await {
        match ended {
            Ok(Ok(some)) => times.extend(some),
            Ok(Err(error)) => failure = Some(error),
            Err(error) => {
                failure = Some(Failure::failed("a producer ended by a fault of its own").because(error));
            }
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Measured {
            jobs: u64::from(scene.jobs),
            took: started.elapsed(),
            times,
        }),
    }
}

async fn add_some(
    queue: Queue,
    next: Arc<AtomicU32>,
    jobs: u32,
    bar: ProgressBar,
    interrupted: CancellationToken,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    while !interrupted.is_cancelled() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= jobs {
            break;
        }
        let job = job(number)?;
        let called = Instant::now();
        queue.add_job(job).await?;
        times.push(called.elapsed());
        bar.inc(1);
    }
    Ok(times)
}
