//! `oxherd bench …`: how fast this machine and store are together.

mod queue;

use clap::Subcommand;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    Queue(queue::BenchQueue),
}

impl Bench {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Queue(command) => command.run(global, output).await,
        }
    }
}
