//! `oxherd queue show`: one queue's counts.

use std::time::Duration;

use clap::Args;

use super::Which;
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Details, Output, length};

/// Show one queue
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let status = self.which.status(&view).await?;
        output.one(&status, || {
            let mut details = Details::default();
            details.line("queue", status.name.to_string());
            details.maybe("problem", status.problem.clone());
            if let Some(counts) = &status.counts {
                details.line("state", if counts.paused { "paused" } else { "open" });
                details.line("waiting", counts.waiting.to_string());
                details.line("prioritized", counts.prioritized.to_string());
                details.line("delayed", counts.delayed.to_string());
                details.line("waiting-children", counts.waiting_children.to_string());
                details.line("active", counts.active.to_string());
                details.line("completed", counts.completed.to_string());
                details.line("failed", counts.failed.to_string());
                details.maybe(
                    "completed in all",
                    counts.completed_total.map(|total| total.to_string()),
                );
                details.maybe(
                    "failed in all",
                    counts.failed_total.map(|total| total.to_string()),
                );
                let age = counts.oldest_waiting_age_ms.map(Duration::from_millis);
                details.maybe("oldest waits since", age.map(length));
            }
            details.render()
        })
    }
}
