//! A job is added while the worker has nothing to do: how long until its handler starts?

use std::time::{Duration, Instant};

use oxherd::{JobContext, Worker, WorkerEvent, WorkerEvents};
use serde_json::Value;
use tokio::sync::mpsc;

use super::figures::Measured;
use super::run::Scene;
use super::scratch::{JOB_NAME, job};
use crate::exit::Failure;

/// One at a time takes long, and more tell no more.
const MOST_JOBS: u32 = 1000;
/// A job that nobody picks up must not hang the bench.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handlers do nothing, so what runs at the end is about to be told to the store.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Measured, Failure> {
    let (tell, mut starts) = mpsc::unbounded_channel();
    let handler = move |_data: Value, _context: JobContext| {
        // Nobody listens any more only when the bench is over.
        let _ = tell.send(Instant::now());
        async { Ok(Value::Null) }
    };
    let worker = Worker::on(scene.queue)
        .concurrency(scene.concurrency)
        .handle_json(JOB_NAME, handler);
    let worker = worker.start().await?;
    let mut events = worker.events();
    let outcome = add_one_by_one(scene, &mut starts, &mut events).await;
    worker.stop(GRACE).await;
    outcome
}

async fn add_one_by_one(
    scene: &mut Scene<'_>,
    starts: &mut mpsc::UnboundedReceiver<Instant>,
    events: &mut WorkerEvents,
) -> Result<Measured, Failure> {
    // One job before the clock runs, so that scripts are known and connections open.
    pick_up(scene, 0, starts, events).await?;
    let jobs = scene.jobs.min(MOST_JOBS);
    scene.begin(jobs).await?;
    let started = Instant::now();
    let mut times = Vec::new();
    for number in 0..jobs {
        if scene.is_over() {
            break;
        }
        times.push(pick_up(scene, number, starts, events).await?);
        scene.bar.inc(1);
    }
    Ok(Measured {
        jobs: u64::from(jobs),
        took: started.elapsed(),
        times,
    })
}

/// Adds one job, and returns once the worker is idle again.
async fn pick_up(
    scene: &Scene<'_>,
    number: u32,
    starts: &mut mpsc::UnboundedReceiver<Instant>,
    events: &mut WorkerEvents,
) -> Result<Duration, Failure> {
    let job = job(number)?;
    let called = Instant::now();
    scene.queue.add_job(job).await?;
    let rest = async {
        let start = starts.recv().await;
        let mut is_done = false;
        while let Some(event) = events.next().await {
            match event {
                WorkerEvent::Completed { .. } => is_done = true,
                WorkerEvent::Idle if is_done => return start,
                _ => {}
            }
        }
        None
    };
    match tokio::time::timeout(PATIENCE, rest).await {
        Ok(Some(start)) => Ok(start.duration_since(called)),
        Ok(None) => Err(Failure::failed("the bench's worker stopped by itself")),
        Err(_elapsed) => Err(Failure::failed(format!(
            "a job was not picked up and completed within {} s",
            PATIENCE.as_secs()
        ))),
    }
}
