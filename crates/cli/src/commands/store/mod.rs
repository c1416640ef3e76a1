//! `oxherd store …`: whole stores, for operators.

mod backup;
mod check;
mod copy;
mod directory;
mod dump;
mod load;
mod outcome;
mod restore;
mod stats;

use clap::{Subcommand, ValueEnum};
use oxherd::DumpFormat;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    Stats(stats::Stats),
    Check(check::Check),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Copy(copy::Copy),
    Dump(dump::Dump),
    Load(load::Load),
}

impl Store {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Stats(command) => command.run(global, output).await,
            Self::Check(command) => command.run(global, output).await,
            Self::Backup(command) => command.run(global, output).await,
            Self::Restore(command) => command.run(global, output).await,
            Self::Copy(command) => command.run(global, output).await,
            Self::Dump(command) => command.run(global, output).await,
            Self::Load(command) => command.run(global, output).await,
        }
    }
}

/// Forms of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Redis commands, for `redis-cli --pipe`
    Resp,
    /// One JSON object a line
    Jsonl,
}

impl From<Form> for DumpFormat {
    fn from(form: Form) -> Self {
        match form {
            Form::Resp => Self::Resp,
            Form::Jsonl => Self::Jsonl,
        }
    }
}
