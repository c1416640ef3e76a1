//! Adding jobs, many at a time without anybody waiting for company.
//!
//! Each queue has one task that sends. While one call is under way the jobs of further `add`s gather, and the next
//! call carries them all, at most [`JOBS_A_CALL`] a script. An idle queue sends at once.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};

use super::QueueCore;
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Result};
use crate::job::{JobId, NewJob};
use crate::store::{JOB_ADD, decode, is_cut_off, refused};

/// Jobs one script call stores. The server does nothing else meanwhile, so it stays around a millisecond.
const JOBS_A_CALL: usize = 50;
/// Jobs one round trip carries.
const JOBS_A_TRIP: usize = 1000;
/// How long a job may wait to be sent while the store is away; then its producer is told that it was not.
pub(super) const LONGEST_QUEUEING: Duration = Duration::from_secs(8);
/// When to come back to a full queue.
const RETRY_FULL_AFTER: Duration = Duration::from_secs(1);

/// What makes adding safe to repeat.
pub(super) const REMEDY: &str = "give jobs an id to make adding safe to repeat while they are kept";

/// A job that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The job's id.
    pub id: JobId,
    /// A job with this id was there already and was left as it is.
    pub already_there: bool,
}

/// A job on its way, and who waits for it.
pub(super) struct Pending {
    pub(super) job: NewJob,
    pub(super) reply: oneshot::Sender<Result<Added>>,
    pub(super) since: Instant,
}

/// Sends gathered jobs until the queue's last handle is gone.
pub(super) async fn send_gathered(core: QueueCore, mut gathered: mpsc::Receiver<Pending>) {
    let mut batch = Vec::new();
    while gathered.recv_many(&mut batch, JOBS_A_TRIP).await > 0 {
        let (overdue, due): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .partition(|pending: &Pending| pending.since.elapsed() > LONGEST_QUEUEING);
        for pending in overdue {
            let _ = pending.reply.send(Err(not_sent(&core)));
        }
        let (jobs, replies): (Vec<_>, Vec<_>) = due
            .into_iter()
            .map(|pending| (pending.job, pending.reply))
            .unzip();
        for (reply, added) in replies.into_iter().zip(store(&core, &jobs).await) {
            // Whoever asked may be gone; the job is stored all the same.
            let _ = reply.send(added);
        }
    }
}

/// Stores jobs in order, each with its own result.
pub(super) async fn store(core: &QueueCore, jobs: &[NewJob]) -> Vec<Result<Added>> {
    let mut results = Vec::with_capacity(jobs.len());
    for trip in jobs.chunks(JOBS_A_TRIP) {
        let mut replies = send(core, trip).await;
        if matches!(&replies, Err(error) if is_cut_off(error))
            && trip.iter().all(|job| job.options.job_id.is_some())
        {
            // Own ids make adding safe to repeat.
            replies = send(core, trip).await;
        }
        match replies {
            Ok(replies) => {
                for (chunk, reply) in trip.chunks(JOBS_A_CALL).zip(replies) {
                    results.extend(read(core, chunk, reply).await);
                }
            }
            Err(error) => results.extend(trip.iter().map(|job| Err(lost(core, job, &error)))),
        }
    }
    results
}

async fn send(core: &QueueCore, jobs: &[NewJob]) -> redis::RedisResult<Vec<redis::RedisResult<Value>>> {
    let now = core.clock.now();
    let calls: Vec<Cmd> = jobs
        .chunks(JOBS_A_CALL)
        .map(|chunk| call(core, chunk, now))
        .collect();
    let mut connection = core.store.shared();
    if let [only] = calls.as_slice() {
        let reply = JOB_ADD.run(&mut connection, only).await;
        return match reply {
            Err(error) if error.is_io_error() => Err(error),
            reply => Ok(vec![reply]),
        };
    }
    JOB_ADD.run_all(&mut connection, &calls).await
}

fn call(core: &QueueCore, jobs: &[NewJob], now: Timestamp) -> Cmd {
    let mut call = JOB_ADD.call(core.keys.prefix());
    call.arg(now.as_millis()).arg(core.max_waiting.unwrap_or(0));
    for job in jobs {
        let options = &job.options;
        call.arg(options.job_id.as_ref().map_or("", JobId::as_str))
            .arg(&job.name)
            .arg(&job.data)
            .arg(options.to_wire())
            .arg(options.timestamp.unwrap_or(now).as_millis())
            .arg(options.delay.map_or(0, millis))
            .arg(options.priority.unwrap_or(0))
            .arg(u8::from(options.lifo == Some(true)));
    }
    call
}

async fn read(core: &QueueCore, jobs: &[NewJob], reply: redis::RedisResult<Value>) -> Vec<Result<Added>> {
    if let Err(error) = &reply
        && error.is_io_error()
    {
        return jobs.iter().map(|job| Err(lost(core, job, error))).collect();
    }
    let operation = || format!("add to queue {:?}", core.name.as_str());
    let flat = match reply
        .map_err(|error| refused(&operation(), error))
        .and_then(|value| decode::<Vec<String>>(&operation(), value))
    {
        Ok(flat) => flat,
        Err(error) => {
            let shown = core.store.explain(error, &core.keys).await;
            let text = shown.to_string();
            // One error, told to everybody whose job was in the call.
            let mut first = Some(shown);
            return jobs
                .iter()
                .map(|_| {
                    Err(first.take().unwrap_or_else(|| Error::Store {
                        operation: operation(),
                        source: text.clone().into(),
                    }))
                })
                .collect();
        }
    };
    let mut parts = flat.into_iter();
    jobs.iter()
        .map(|_| match (parts.next(), parts.next().as_deref()) {
            (Some(id), Some("0")) => Ok(Added {
                id: JobId::existing(id),
                already_there: false,
            }),
            (Some(id), Some("1")) => Ok(Added {
                id: JobId::existing(id),
                already_there: true,
            }),
            (Some(_), Some("2")) => Err(Error::QueueFull {
                queue: core.name.to_string(),
                limit: core.max_waiting.unwrap_or(0),
                retry_after: RETRY_FULL_AFTER,
            }),
            _ => Err(Error::Reply {
                operation: operation(),
                reason: "expected an id and a result for each job".to_owned(),
            }),
        })
        .collect()
}

/// Nothing was sent, for certain.
pub(super) fn not_sent(core: &QueueCore) -> Error {
    Error::StoreUnavailable {
        operation: format!("add to queue {:?}", core.name.as_str()),
        source: format!("not sent within {} s", LONGEST_QUEUEING.as_secs()).into(),
    }
}

/// A reply that never came. A refused connection is certain; anything else may have been executed.
fn lost(core: &QueueCore, job: &NewJob, error: &redis::RedisError) -> Error {
    let operation = format!("add job {:?} to queue {:?}", job.name, core.name.as_str());
    let source = Box::new(error.clone());
    if job.options.job_id.is_some() || error.is_connection_refusal() {
        return Error::StoreUnavailable { operation, source };
    }
    Error::OutcomeUnknown {
        operation: operation.replacen("add", "adding", 1),
        remedy: REMEDY,
        source,
    }
}
