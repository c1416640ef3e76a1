//! Looking at a queue and changing single jobs: what dashboards and operators do.

use std::time::Duration;

use super::{Queue, QueueCore};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::job::{JobId, JobRecord, JobState};
use crate::store::{
    JOB_PROMOTE, JOB_REMOVE, JOB_RETRY, JOB_SHOW, QUEUE_COUNTS, QUEUE_JOBS, QUEUE_PAUSE, QUEUE_RESUME,
    refused,
};

/// How many jobs are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In line.
    pub waiting: u64,
    /// Being processed.
    pub active: u64,
    /// In line by priority.
    pub prioritized: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// Kept after completing.
    pub completed: u64,
    /// Kept after failing for good.
    pub failed: u64,
    /// Parents waiting for children.
    pub waiting_children: u64,
    /// Whether workers leave the queue alone.
    pub paused: bool,
    /// When the oldest job in line was created, as far as either end of the line tells.
    pub oldest_waiting: Option<Timestamp>,
    /// Completed since counting began, kept or not; `None` when no worker counts (see `WorkerBuilder::metrics`).
    pub completed_total: Option<u64>,
    /// Failed for good since counting began, kept or not.
    pub failed_total: Option<u64>,
    /// Job schedulers that BullMQ programs registered.
    pub schedulers: u64,
    /// When the earliest of them runs next.
    pub next_scheduled: Option<Timestamp>,
}

/// One job at one moment.
#[derive(Clone, Debug)]
pub struct JobView {
    /// What its hash holds.
    pub record: JobRecord,
    /// Where it is.
    pub state: JobState,
    /// How long the lock of its worker holds still, if one runs it.
    pub locked_for: Option<Duration>,
    /// Rows in its log.
    pub log_rows: u64,
}

/// One page of the jobs in a state.
#[derive(Clone, Debug)]
pub struct JobPage {
    /// Jobs in that state.
    pub total: u64,
    /// Next out first; finished ones newest first.
    pub jobs: Vec<JobRecord>,
}

type Fields = Vec<Vec<u8>>;

/// Where no list reaches: keeps sums of positions within what Redis and Lua count exactly.
const FARTHEST: u64 = 1 << 40;

impl Queue {
    /// How many jobs are in each state.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], [`Error::WrongKeyType`].
    pub async fn counts(&self) -> Result<Counts> {
        let core = &self.core;
        let call = QUEUE_COUNTS.call(core.keys.prefix());
        let reply: Vec<i64> = core
            .explained(core.store.run_safe(&QUEUE_COUNTS, &call).await)
            .await?;
        // -1 stands for "none" where there can be none.
        let mut numbers = reply.into_iter().map(|number| u64::try_from(number).ok());
        let mut next = || numbers.next().flatten();
        Ok(Counts {
            waiting: next().unwrap_or(0),
            active: next().unwrap_or(0),
            prioritized: next().unwrap_or(0),
            delayed: next().unwrap_or(0),
            completed: next().unwrap_or(0),
            failed: next().unwrap_or(0),
            waiting_children: next().unwrap_or(0),
            paused: next() == Some(1),
            oldest_waiting: next().map(Timestamp::from_millis),
            completed_total: next(),
            failed_total: next(),
            schedulers: next().unwrap_or(0),
            next_scheduled: next().map(Timestamp::from_millis),
        })
    }

    /// One job, or `None` when there is none with this id.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`]; [`Error::Store`] when the key under this id is no job.
    pub async fn job(&self, id: &JobId) -> Result<Option<JobView>> {
        let core = &self.core;
        let mut call = JOB_SHOW.call(core.keys.prefix());
        call.arg(id.as_str());
        let reply: Option<(Fields, String, u64, u64)> = core
            .explained(core.store.run_safe(&JOB_SHOW, &call).await)
            .await?;
        Ok(reply.map(|(fields, state, lock_ms, log_rows)| JobView {
            record: JobRecord::from_fields(id.to_string(), fields),
            state: state.parse().unwrap_or(JobState::Unknown),
            locked_for: (lock_ms > 0).then(|| Duration::from_millis(lock_ms)),
            log_rows,
        }))
    }

    /// A page of the jobs in a state: `limit` (at most 1000) of them from `offset` on.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`], [`Error::WrongKeyType`].
    pub async fn jobs(&self, state: JobState, offset: u64, limit: u64) -> Result<JobPage> {
        let core = &self.core;
        let offset = offset.min(FARTHEST);
        let mut call = QUEUE_JOBS.call(core.keys.prefix());
        call.arg(state.as_str()).arg(offset).arg(limit);
        let reply = core
            .explained(core.store.run_safe::<Vec<redis::Value>>(&QUEUE_JOBS, &call).await)
            .await?;
        let operation = &QUEUE_JOBS.operation();
        let mut reply = reply.into_iter();
        let total = reply
            .next()
            .map_or(Ok(0), |total| crate::store::decode(operation, total))?;
        let jobs = reply.map(|entry| {
            let (id, fields): (Vec<u8>, Fields) = crate::store::decode(operation, entry)?;
            Ok(JobRecord::from_fields(
                String::from_utf8_lossy(&id).into_owned(),
                fields,
            ))
        });
        Ok(JobPage {
            total,
            jobs: jobs.collect::<Result<_>>()?,
        })
    }

    /// Rows of a job's log, `limit` of them from `offset` on, oldest first.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn logs(&self, id: &JobId, offset: u64, limit: u64) -> Result<Vec<String>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (offset, limit) = (offset.min(FARTHEST), limit.min(FARTHEST));
        let last = offset + limit - 1;
        let mut command = redis::cmd("LRANGE");
        command
            .arg(self.core.keys.logs(id.as_str()))
            .arg(offset)
            .arg(last);
        let rows: Vec<Vec<u8>> = command
            .query_async(&mut self.core.store.shared())
            .await
            .map_err(|error| refused("read a job's log", error))?;
        Ok(rows
            .into_iter()
            .map(|row| String::from_utf8_lossy(&row).into_owned())
            .collect())
    }

    /// Runs a finished job again. Its attempts go on counting unless `reset_attempts`.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::JobState`] when it is neither completed nor failed.
    pub async fn retry(&self, id: &JobId, reset_attempts: bool) -> Result<()> {
        let core = &self.core;
        let lifo = self
            .job(id)
            .await?
            .is_some_and(|job| job.record.options.lifo == Some(true));
        let mut call = JOB_RETRY.call(core.keys.prefix());
        call.arg(id.as_str())
            .arg(u8::from(lifo))
            .arg(u8::from(reset_attempts));
        let code: i64 = core
            .explained(core.store.run_safe(&JOB_RETRY, &call).await)
            .await?;
        self.check("retry", id, code).await
    }

    /// Makes a delayed job available now.
    ///
    /// # Errors
    /// [`Error::JobNotFound`], [`Error::JobState`] when it is not delayed.
    pub async fn promote(&self, id: &JobId) -> Result<()> {
        let core = &self.core;
        let mut call = JOB_PROMOTE.call(core.keys.prefix());
        call.arg(id.as_str());
        let code: i64 = core
            .explained(core.store.run_safe(&JOB_PROMOTE, &call).await)
            .await?;
        self.check("promote", id, code).await
    }

    /// Removes a job with its log, and says in which state it was.
    ///
    /// # Errors
    /// [`Error::JobNotFound`]; [`Error::JobRefused`] while it is processed, while it has children, or when it is the
    /// next iteration of a job scheduler.
    pub async fn remove(&self, id: &JobId) -> Result<JobState> {
        let core = &self.core;
        let mut call = JOB_REMOVE.call(core.keys.prefix());
        call.arg(id.as_str()).arg(core.clock.now().as_millis());
        let reply: String = core
            .explained(core.store.run_safe(&JOB_REMOVE, &call).await)
            .await?;
        match reply.parse::<i64>() {
            Ok(code) => self.check("remove", id, code).await.map(|()| JobState::Unknown),
            Err(_is_a_state) => Ok(reply.parse().unwrap_or(JobState::Unknown)),
        }
    }

    /// Stops all workers on this queue from taking jobs, until [`Queue::resume`].
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn pause(&self) -> Result<()> {
        self.core.introduce().await?;
        let call = QUEUE_PAUSE.call(self.core.keys.prefix());
        self.core
            .explained(self.core.store.run_safe::<i64>(&QUEUE_PAUSE, &call).await)
            .await
            .map(drop)
    }

    /// Lets workers take jobs again, those included that an older BullMQ set aside while the queue was paused.
    ///
    /// # Errors
    /// [`Error::StoreUnavailable`].
    pub async fn resume(&self) -> Result<()> {
        self.core.introduce().await?;
        let call = QUEUE_RESUME.call(self.core.keys.prefix());
        while self
            .core
            .explained(self.core.store.run_safe::<u64>(&QUEUE_RESUME, &call).await)
            .await?
            > 0
        {}
        Ok(())
    }

    /// One table from script codes to errors.
    async fn check(&self, operation: &'static str, id: &JobId, code: i64) -> Result<()> {
        let (queue, id_text) = (self.name().to_string(), id.to_string());
        let reason = match code {
            0 => return Ok(()),
            -1 => {
                return Err(Error::JobNotFound {
                    operation,
                    queue,
                    id: id_text,
                });
            }
            -3 => {
                let state = self.job(id).await?.map_or(JobState::Unknown, |job| job.state);
                return Err(Error::JobState {
                    operation,
                    queue,
                    id: id_text,
                    state,
                });
            }
            -4 => "it has children; remove them first",
            -6 => "it is being processed",
            -8 => "it is the next iteration of a job scheduler; remove the scheduler instead",
            _ => {
                let reason = format!("unknown result {code}");
                return Err(Error::Reply {
                    operation: format!("{operation} a job"),
                    reason,
                });
            }
        };
        Err(Error::JobRefused {
            operation,
            queue,
            id: id_text,
            reason,
        })
    }
}

impl QueueCore {
    /// A wrong key type named by its key.
    pub(crate) async fn explained<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) => Err(self.store.explain(error, &self.keys).await),
            done => done,
        }
    }
}
