//! `oxherd job …`: single jobs.

mod add;
mod logs;
mod remove;
mod retry;
mod show;

use clap::{Args, Subcommand};
use oxherd::{JobId, QueueName};

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Job {
    Add(Box<add::Add>),
    Show(show::Show),
    Retry(retry::Retry),
    Remove(remove::Remove),
    Logs(logs::Logs),
}

impl Job {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Add(command) => command.run(global, output).await,
            Self::Show(command) => command.run(global, output).await,
            Self::Retry(command) => command.run(global, output).await,
            Self::Remove(command) => command.run(global, output).await,
            Self::Logs(command) => command.run(global, output).await,
        }
    }
}

/// The job a verb is about.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The queue
    queue: QueueName,
    /// The job's id
    id: String,
}

impl Which {
    /// Ids that are there already may have any form.
    fn id(&self) -> JobId {
        JobId::existing(self.id.as_str())
    }
}

/// The same words as the library's for a job that is not there.
fn no_such_job(operation: &'static str, which: &Which) -> Failure {
    oxherd::Error::JobNotFound {
        operation,
        queue: which.queue.to_string(),
        id: which.id.clone(),
    }
    .into()
}
