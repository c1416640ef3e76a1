//! What a handler knows of its job, and what it can say while it runs.

use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::claim::Claim;
use crate::error::{Error, Result};
use crate::job::{JobId, JobRecord};
use crate::queue::{QueueCore, QueueName};
use crate::store::{JOB_LOG, JOB_PROGRESS, JOB_UPDATE};

/// Handed to every handler; cheap to clone.
#[derive(Clone, Debug)]
pub struct JobContext {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: QueueCore,
    record: Arc<JobRecord>,
    claim: Claim,
    cancelled: CancellationToken,
}

impl JobContext {
    pub(super) fn new(
        core: QueueCore,
        record: Arc<JobRecord>,
        claim: Claim,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                core,
                record,
                claim,
                cancelled,
            }),
        }
    }

    /// The queue the job came from.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.inner.core.name
    }

    /// The job's id.
    #[must_use]
    pub fn id(&self) -> &JobId {
        &self.inner.record.id
    }

    /// The job's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.record.name
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.record.attempts_made.saturating_add(1)
    }

    /// How many attempts the job has in all, at least 1.
    #[must_use]
    pub fn attempts_allowed(&self) -> u32 {
        self.inner.record.options.attempts.max(1)
    }

    /// The job as it was when this attempt began.
    #[must_use]
    pub fn record(&self) -> &JobRecord {
        &self.inner.record
    }

    /// The token this worker holds the job with.
    #[must_use]
    pub fn lock_token(&self) -> &str {
        &self.inner.claim.token
    }

    /// Reports how far the job is, as any JSON: a number, an object. Listeners on every process hear it.
    ///
    /// # Errors
    /// [`Error::JobNotFound`] when the job was removed, [`Error::StoreUnavailable`].
    pub async fn progress(&self, progress: &(impl Serialize + Sync)) -> Result<()> {
        let core = &self.inner.core;
        let mut call = JOB_PROGRESS.call(core.keys.prefix());
        call.arg(self.id().as_str()).arg(self.to_json(progress)?);
        let code = core
            .explained(core.store.run_safe::<i64>(&JOB_PROGRESS, &call).await)
            .await?;
        self.check("report progress of", code)
    }

    /// Appends a row to the job's log, and says how many rows are kept now.
    ///
    /// # Errors
    /// [`Error::JobNotFound`] when the job was removed; [`Error::OutcomeUnknown`] when the reply was lost.
    pub async fn log(&self, row: impl AsRef<str> + Send + Sync) -> Result<u64> {
        let core = &self.inner.core;
        let keep = self.inner.record.options.keep_logs.unwrap_or(0);
        let mut call = JOB_LOG.call(core.keys.prefix());
        call.arg(self.id().as_str()).arg(row.as_ref()).arg(keep);
        let rows: i64 = core.explained(core.store.run_once(&JOB_LOG, &call).await).await?;
        self.check("append to the log of", rows.min(0))?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Replaces the job's data, for later attempts and for whoever looks.
    ///
    /// # Errors
    /// [`Error::JobNotFound`] when the job was removed, [`Error::Data`], [`Error::StoreUnavailable`].
    pub async fn update_data(&self, data: &(impl Serialize + Sync)) -> Result<()> {
        let core = &self.inner.core;
        let mut call = JOB_UPDATE.call(core.keys.prefix());
        call.arg(self.id().as_str()).arg(self.to_json(data)?);
        let code = core
            .explained(core.store.run_safe::<i64>(&JOB_UPDATE, &call).await)
            .await?;
        self.check("update", code)
    }

    /// Whether the handler should end: its lock is lost, or the worker stopped and the grace is over (then an async
    /// handler is dropped at its next `.await` anyway; this is for code that blocks).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.is_cancelled()
    }

    /// Waits until the handler should end.
    pub async fn cancelled(&self) {
        self.inner.cancelled.cancelled().await;
    }

    fn to_json(&self, value: &impl Serialize) -> Result<String> {
        serde_json::to_string(value).map_err(|error| Error::Data {
            name: self.name().to_owned(),
            source: error.into(),
        })
    }

    fn check(&self, operation: &'static str, code: i64) -> Result<()> {
        if code >= 0 {
            return Ok(());
        }
        Err(Error::JobNotFound {
            operation,
            queue: self.queue().to_string(),
            id: self.id().to_string(),
        })
    }
}
