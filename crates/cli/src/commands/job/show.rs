//! `oxherd job show`: everything known of one job.

use std::time::Duration;

use clap::Args;
use oxherd_server::view::JobDetail;

use super::{Which, no_such_job};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Details, Output, length, moment};

/// Show one job: where it is, its data and options, what came of it
///
/// Fields that look like secrets are shown as "***".
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let job = view.job(self.which.queue.as_str(), &self.which.id).await?;
        let job = job.ok_or_else(|| no_such_job("show", &self.which))?;
        output.one(&job, || details_of(&job))
    }
}

fn details_of(job: &JobDetail) -> String {
    let summary = &job.summary;
    let mut details = Details::default();
    details.line("id", summary.id.as_str());
    details.line("name", summary.name.as_str());
    details.line("queue", job.queue.to_string());
    details.line("state", summary.state.to_string());
    details.line(
        "attempts",
        format!("{} of {} made", summary.attempts_made, summary.attempts_allowed),
    );
    if summary.priority > 0 {
        details.line("priority", summary.priority.to_string());
    }
    if summary.delay > 0 {
        details.line("delay", length(Duration::from_millis(summary.delay)));
    }
    details.line("created", moment(summary.timestamp.as_millis()));
    let time = |at: Option<oxherd::Timestamp>| at.map(|at| moment(at.as_millis()));
    details.maybe("began", time(summary.processed_on));
    details.maybe("ended", time(summary.finished_on));
    details.maybe("worker", summary.processed_by.clone());
    details.maybe(
        "locked for",
        job.locked_for_ms.map(|left| length(Duration::from_millis(left))),
    );
    if job.stalled_counter > 0 {
        details.line("stalled", format!("{} times", job.stalled_counter));
    }
    details.maybe("parent", job.parent_key.clone());
    details.maybe("scheduler", job.repeat_job_key.clone());
    details.maybe("deduplication", job.deduplication_id.clone());
    details.line("data", summary.data.pretty());
    details.line("options", job.opts.pretty());
    details.maybe(
        "progress",
        summary.progress.as_ref().map(|progress| progress.pretty()),
    );
    details.maybe("result", job.returnvalue.as_ref().map(|value| value.pretty()));
    details.maybe("failed reason", summary.failed_reason.clone());
    for stack in &job.stacktrace {
        details.line("error", stack.as_str());
    }
    if job.log_rows > 0 {
        details.line(
            "log",
            format!("{} rows; `oxherd job logs` shows them", job.log_rows),
        );
    }
    if !summary.truncated.is_empty() {
        details.line("cut", summary.truncated.join(", "));
    }
    for problem in &summary.problems {
        details.line("problem", format!("{} {}", problem.field, problem.reason));
    }
    details.render()
}
