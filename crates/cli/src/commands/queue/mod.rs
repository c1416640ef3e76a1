//! `oxherd queue …`: whole queues.

mod list;
mod pause;
mod resume;
mod rows;
mod show;

use clap::{Args, Subcommand};
use oxherd::{Queue as Handle, QueueName};
use oxherd_server::view::{QueueStatus, View};
use serde::Serialize;

pub(crate) use rows::table_of;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// List the queues with their counts
    List,
    Show(show::Show),
    Pause(pause::Pause),
    Resume(resume::Resume),
}

impl Queue {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List => list::run(global, output).await,
            Self::Show(command) => command.run(global, output).await,
            Self::Pause(command) => command.run(global, output).await,
            Self::Resume(command) => command.run(global, output).await,
        }
    }
}

/// The queue a verb is about.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The queue
    queue: QueueName,
}

/// What pausing and resuming print as JSON.
#[derive(Serialize)]
struct Switched<'a> {
    queue: &'a str,
    paused: bool,
}

impl Which {
    /// How the queue is. A name nobody uses is a typing error and not an empty queue.
    async fn status(&self, view: &View) -> Result<QueueStatus, Failure> {
        let status = view.queue_status(self.queue.as_str()).await?;
        status.ok_or_else(|| {
            Failure::not_found(format!("there is no queue {:?}", self.queue.as_str()))
                .help("a queue is there once a job was added; `oxherd queue list` shows those of this prefix")
        })
    }

    /// The queue for a change, if it is there.
    async fn handle(&self, view: &View) -> Result<Handle, Failure> {
        self.status(view).await?;
        Ok(view.queue(self.queue.as_str())?)
    }
}
