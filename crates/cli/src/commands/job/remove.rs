//! `oxherd job remove`: a job and its log.

use clap::Args;
use serde::Serialize;

use super::Which;
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Remove a job with its log
///
/// Refused while the job is being processed, while it has children, and when a job scheduler made it.
#[derive(Args, Debug)]
pub(crate) struct Remove {
    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Outcome<'a> {
    id: &'a str,
    queue: &'a str,
    removed: bool,
    /// Where the job was.
    state: oxherd::JobState,
}

impl Remove {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let queue = connect::queue(global, output, &self.which.queue).await?;
        let id = self.which.id();
        let state = queue.remove(&id).await?;
        let outcome = Outcome {
            id: id.as_str(),
            queue: queue.name().as_str(),
            removed: true,
            state,
        };
        output.changed(
            &outcome,
            &format!("removed job {id} from queue {:?}; it was {state}", outcome.queue),
        )
    }
}
