//! Jobs added 1,000 a call, one call after the other.

use std::time::{Duration, Instant};

use super::figures::Measured;
use super::run::Scene;
use super::scratch::{calls, job};
use crate::exit::Failure;

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Measured, Failure> {
    // The first call to a queue also writes its settings and teaches the server the script.
    fill(scene, 1).await?;
    scene.begin(scene.jobs).await?;
    let started = Instant::now();
    let times = fill(scene, scene.jobs).await?;
    Ok(Measured {
        jobs: u64::from(scene.jobs),
        took: started.elapsed(),
        times,
    })
}

/// Adds so many jobs and says how long each call took.
pub(super) async fn fill(scene: &Scene<'_>, jobs: u32) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::new();
    for numbers in calls(jobs) {
        if scene.is_over() {
            break;
        }
        let jobs: Vec<_> = numbers.map(job).collect::<Result<_, _>>()?;
        let count = u64::try_from(jobs.len()).unwrap_or(u64::MAX);
        let called = Instant::now();
        let added = scene.queue.add_many(jobs).await?;
        times.push(called.elapsed());
        for added in added {
            added?;
        }
        scene.bar.inc(count);
    }
    Ok(times)
}
