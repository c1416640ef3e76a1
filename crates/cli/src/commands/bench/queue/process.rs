//! Jobs that wait, processed by one worker.
//!
//! A job's time runs from the start of its handler to the store's acknowledgement that it is completed, since the
//! time from adding to completion would only tell how long the line was.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use oxherd::{JobContext, JobId, Worker, WorkerEvent, WorkerEvents};
use serde_json::Value;

use super::figures::Measured;
use super::run::Scene;
use super::scratch::{JOB_NAME, calls, job};
use crate::exit::Failure;

/// How often we look whether the queue is empty, in case the worker's events were too many for us.
const LOOK: Duration = Duration::from_millis(250);
/// Handlers do nothing, so what runs at the end is about to be told to the store.
const GRACE: Duration = Duration::from_secs(5);

/// When each job's handler started, by the number in the job's data.
type Starts = Arc<Vec<OnceLock<Instant>>>;

pub(super) async fn measure(scene: &mut Scene<'_>) -> Result<Measured, Failure> {
    scene.bar.set_message("filling");
    scene.bar.set_length(u64::from(scene.jobs));
    let numbers = fill(scene).await?;
    let starts: Starts = Arc::new((0..scene.jobs).map(|_| OnceLock::new()).collect());
    scene.bar.set_message("process");
    scene.begin(scene.jobs).await?;
    let started = Instant::now();
    let worker = start_worker(scene, &starts).await?;
    let events = worker.events();
    let outcome = follow(scene, events, &numbers, &starts).await;
    worker.stop(GRACE).await;
    let (times, last) = outcome?;
    Ok(Measured {
        jobs: u64::from(scene.jobs),
        took: last.duration_since(started),
        times,
    })
}

/// Adds the jobs and remembers which id has which number.
async fn fill(scene: &Scene<'_>) -> Result<HashMap<JobId, usize>, Failure> {
    let mut numbers = HashMap::new();
    for call in calls(scene.jobs) {
        if scene.is_over() {
            break;
        }
        let jobs: Vec<_> = call.map(job).collect::<Result<_, _>>()?;
        for added in scene.queue.add_many(jobs).await? {
            numbers.insert(added?.id, numbers.len());
            scene.bar.inc(1);
        }
    }
    Ok(numbers)
}

async fn start_worker(scene: &Scene<'_>, starts: &Starts) -> Result<Worker, Failure> {
    let starts = Arc::clone(starts);
    let handler = move |data: Value, _context: JobContext| {
        let starts = Arc::clone(&starts);
        async move {
            let number = data
                .get("i")
                .and_then(Value::as_u64)
                .and_then(|number| usize::try_from(number).ok());
            if let Some(start) = number.and_then(|number| starts.get(number)) {
                start.get_or_init(Instant::now);
            }
            Ok(Value::Null)
        }
    };
    let worker = Worker::on(scene.queue)
        .concurrency(scene.concurrency)
        .handle_json(JOB_NAME, handler);
    Ok(worker.start().await?)
}

/// Waits until every job is completed; says each job's time and when the last one was done.
async fn follow(
    scene: &Scene<'_>,
    mut events: WorkerEvents,
    numbers: &HashMap<JobId, usize>,
    starts: &Starts,
) -> Result<(Vec<Duration>, Instant), Failure> {
    let mut times = Vec::with_capacity(numbers.len());
    let mut last = Instant::now();
    let mut look = tokio::time::interval(LOOK);
    let mut known_when_empty = None;
    while times.len() < numbers.len() {
        tokio::select! {
            event = events.next() => match event {
                Some(WorkerEvent::Completed { id, .. }) => {
                    last = Instant::now();
                    let start = numbers.get(&id).and_then(|number| starts.get(*number)).and_then(OnceLock::get);
                    times.extend(start.map(|start| last.duration_since(*start)));
                    scene.bar.inc(1);
                }
                Some(WorkerEvent::Failed { reason, .. }) => {
                    return Err(Failure::failed("a job of the bench failed").because(reason));
                }
                Some(_) => {}
                None => return Err(Failure::failed("the bench's worker stopped by itself")),
            },
            _ = look.tick() => {
                let counts = scene.queue.counts().await?;
                let is_empty = counts.waiting + counts.active == 0;
                // Empty, and not one more event since we saw that it is: the missing ones were skipped.
                if is_empty && known_when_empty == Some(times.len()) {
                    break;
                }
                known_when_empty = is_empty.then_some(times.len());
            }
            () = scene.interrupted.cancelled() => break,
        }
    }
    Ok((times, last))
}
