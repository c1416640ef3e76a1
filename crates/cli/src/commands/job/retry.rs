//! `oxherd job retry`: run a finished job again.

use clap::Args;
use serde::Serialize;

use super::Which;
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Run a completed or failed job again
#[derive(Args, Debug)]
pub(crate) struct Retry {
    #[command(flatten)]
    which: Which,
    /// Count its attempts from the start again
    #[arg(long)]
    reset_attempts: bool,
}

#[derive(Serialize)]
struct Outcome<'a> {
    id: &'a str,
    queue: &'a str,
    retried: bool,
}

impl Retry {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let queue = connect::queue(global, output, &self.which.queue).await?;
        let id = self.which.id();
        queue.retry(&id, self.reset_attempts).await?;
        let outcome = Outcome {
            id: id.as_str(),
            queue: queue.name().as_str(),
            retried: true,
        };
        output.changed(
            &outcome,
            &format!("job {id} of queue {:?} runs again", outcome.queue),
        )
    }
}
