//! A queue that is there for one bench only.

use std::time::{SystemTime, UNIX_EPOCH};

use oxherd::{NewJob, Queue, Retention, Store};
use serde::Serialize;

use crate::exit::Failure;

/// Jobs that one call adds.
pub(super) const JOBS_A_CALL: u32 = 1000;
/// The name of every job.
pub(super) const JOB_NAME: &str = "bench";

/// What every job carries.
#[derive(Serialize)]
struct Payload {
    i: u32,
    to: &'static str,
    subject: &'static str,
}

/// A queue nobody else has, and how its keys begin.
pub(super) struct Scratch {
    pub(super) queue: Queue,
    pub(super) keys_begin: String,
}

impl Scratch {
    /// Nothing is written before the first job.
    pub(super) fn new(store: &Store, bench: &str) -> Result<Self, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "oxherd-bench-{bench}-{}-{:x}",
            std::process::id(),
            now.as_micros()
        );
        let queue = Queue::new(store, &name)?;
        Ok(Self {
            keys_begin: format!("{}:{name}:", store.prefix()),
            queue,
        })
    }
}

/// Job number `i`.
pub(super) fn job(i: u32) -> Result<NewJob, Failure> {
    let payload = Payload {
        i,
        to: "a@b.c",
        subject: "hello",
    };
    let mut job = NewJob::new(JOB_NAME, &payload)?;
    job.options.remove_on_complete = Some(Retention::Remove);
    Ok(job)
}

/// The numbers of the jobs of each call.
pub(super) fn calls(jobs: u32) -> impl Iterator<Item = std::ops::Range<u32>> {
    (0..jobs.div_ceil(JOBS_A_CALL)).map(move |call| {
        let first = call * JOBS_A_CALL;
        first..(first + JOBS_A_CALL).min(jobs)
    })
}

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn calls_cover_each_job_once() {
        assert_eq!(calls(2500).collect::<Vec<_>>(), [0..1000, 1000..2000, 2000..2500]);
        assert!(calls(1).eq(std::iter::once(0..1)));
    }
}
