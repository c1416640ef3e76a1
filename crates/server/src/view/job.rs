//! One job as it may be shown: names as BullMQ's public API writes them, payload masked and cut.

use oxherd::{JobRecord, JobState, JobView, QueueName, Timestamp};
use serde::Serialize;

use super::limits::{Limits, cut};
use super::masking::Masking;
use super::options::with_long_names;
use super::shown::Shown;
use super::whole_ms;

/// A field of a job that could not be read: some program wrote what makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProblemField {
    /// The field's name in the store.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A job as a row of a list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobSummary {
    /// The job's id.
    pub id: String,
    /// What kind of job it is.
    pub name: String,
    /// Where it is.
    pub state: JobState,
    /// The payload.
    pub data: Shown,
    /// Bytes of the payload as stored.
    pub data_bytes: usize,
    /// Whatever its handler reported.
    pub progress: Option<Shown>,
    /// 0: none.
    pub priority: u32,
    /// How long it is or was held back, in ms.
    pub delay: u64,
    /// When it was created.
    pub timestamp: Timestamp,
    /// When the latest attempt began.
    pub processed_on: Option<Timestamp>,
    /// When it completed or failed for good.
    pub finished_on: Option<Timestamp>,
    /// The worker that ran it, if that has a name.
    pub processed_by: Option<String>,
    /// Attempts that ended.
    pub attempts_made: u32,
    /// How often it may be tried in all.
    pub attempts_allowed: u32,
    /// Why the latest attempt failed.
    pub failed_reason: Option<String>,
    /// The fields above that are cut.
    pub truncated: Vec<&'static str>,
    /// Fields that could not be read.
    pub problems: Vec<ProblemField>,
}

/// A job with everything known of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobDetail {
    /// The queue it is in.
    pub queue: QueueName,
    /// What lists show too, here cut later.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The options it was added with, under their public names.
    pub opts: Shown,
    /// Attempts that began.
    pub attempts_started: u32,
    /// How often its worker went away.
    pub stalled_counter: u32,
    /// What its handler returned.
    pub returnvalue: Option<Shown>,
    /// The error chain of each failed attempt, oldest first.
    pub stacktrace: Vec<String>,
    /// How long the lock of its worker holds still, in ms, if one runs it.
    pub locked_for_ms: Option<u64>,
    /// Rows in its log.
    pub log_rows: u64,
    /// The full key of the job that waits for this one.
    pub parent_key: Option<String>,
    /// The scheduler this job is an iteration of.
    pub repeat_job_key: Option<String>,
    /// The deduplication id this job holds.
    pub deduplication_id: Option<String>,
}

/// Whether a hash is a job, and not settings, counters or a scheduler of the queue: every program that adds a job
/// writes when that was, so a hash without it that is in no list is something else.
pub(super) fn is_a_job(view: &JobView) -> bool {
    view.record.timestamp != Timestamp::default() || view.state != JobState::Unknown
}

/// One page of the jobs in a state.
#[derive(Clone, Debug, Serialize)]
pub struct JobList {
    /// The queue.
    pub queue: QueueName,
    /// The state.
    pub state: JobState,
    /// All jobs in that state.
    pub total: u64,
    /// Where the page begins.
    pub offset: u64,
    /// How many were asked for.
    pub limit: u64,
    /// Next out first; finished ones newest first.
    pub jobs: Vec<JobSummary>,
}

/// One page of a job's log.
#[derive(Clone, Debug, Serialize)]
pub struct LogPage {
    /// All rows.
    pub total: u64,
    /// Where the page begins.
    pub offset: u64,
    /// How many were asked for.
    pub limit: u64,
    /// Oldest first; a row longer than [`Limits::DETAIL`] allows is cut and ends with `…`.
    pub rows: Vec<String>,
}

impl JobSummary {
    pub(super) fn new(record: &JobRecord, state: JobState, masking: &Masking) -> Self {
        Self::within(record, state, masking, Limits::LIST)
    }

    fn within(record: &JobRecord, state: JobState, masking: &Masking, limits: Limits) -> Self {
        let mut truncated = Vec::new();
        let data = Shown::new(&record.data, masking, limits.json_bytes);
        let progress = record.progress.as_ref();
        let progress = progress.map(|value| Shown::new(&value.to_string(), masking, limits.json_bytes));
        let failed_reason = record.failed_reason.clone().map(|reason| {
            let (reason, is_cut) = cut(reason, limits.text_bytes);
            if is_cut {
                truncated.push("failedReason");
            }
            reason
        });
        if data.is_cut() {
            truncated.push("data");
        }
        if progress.as_ref().is_some_and(Shown::is_cut) {
            truncated.push("progress");
        }
        Self {
            id: record.id.to_string(),
            name: record.name.clone(),
            state,
            data,
            data_bytes: record.data.len(),
            progress,
            priority: record.priority,
            delay: whole_ms(record.delay),
            timestamp: record.timestamp,
            processed_on: record.processed_on,
            finished_on: record.finished_on,
            processed_by: record.processed_by.clone(),
            attempts_made: record.attempts_made,
            attempts_allowed: record.options.attempts.max(1),
            failed_reason,
            truncated,
            problems: record
                .problems
                .iter()
                .map(|problem| ProblemField {
                    field: problem.field.clone(),
                    reason: problem.reason.clone(),
                })
                .collect(),
        }
    }
}

impl JobDetail {
    pub(super) fn new(queue: &QueueName, job: JobView, masking: &Masking) -> Self {
        let limits = Limits::DETAIL;
        let record = job.record;
        let mut summary = JobSummary::within(&record, job.state, masking, limits);
        let opts = Shown::new(&with_long_names(&record.raw_options), masking, limits.json_bytes);
        let returnvalue = record.return_value.as_deref();
        let returnvalue = returnvalue.map(|json| Shown::new(json, masking, limits.json_bytes));
        if opts.is_cut() {
            summary.truncated.push("opts");
        }
        if returnvalue.as_ref().is_some_and(Shown::is_cut) {
            summary.truncated.push("returnvalue");
        }
        let left_out = record.stack_trace.len().saturating_sub(limits.stacks);
        let mut is_stack_cut = left_out > 0;
        let stacks = record.stack_trace.into_iter().skip(left_out);
        let stacktrace = stacks
            .map(|stack| {
                let (stack, is_cut) = cut(stack, limits.text_bytes);
                is_stack_cut |= is_cut;
                stack
            })
            .collect();
        if is_stack_cut {
            summary.truncated.push("stacktrace");
        }
        Self {
            queue: queue.clone(),
            summary,
            opts,
            attempts_started: record.attempts_started,
            stalled_counter: record.stalled,
            returnvalue,
            stacktrace,
            locked_for_ms: job.locked_for.map(whole_ms),
            log_rows: job.log_rows,
            parent_key: record.parent_key,
            repeat_job_key: record.scheduler_id,
            deduplication_id: record.deduplication_id,
        }
    }
}

impl LogPage {
    pub(super) fn new(total: u64, offset: u64, limit: u64, rows: Vec<String>) -> Self {
        let rows = rows.into_iter().map(|row| {
            let (mut row, is_cut) = cut(row, Limits::DETAIL.text_bytes);
            if is_cut {
                row.push('…');
            }
            row
        });
        Self {
            total,
            offset,
            limit,
            rows: rows.collect(),
        }
    }
}
