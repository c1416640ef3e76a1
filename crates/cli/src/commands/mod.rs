//! The commands, one file a verb: `commands/<noun>/<verb>.rs`.
//!
//! Every command takes its own arguments, the flags of all commands, and where its output goes.

pub(crate) mod bench;
pub(crate) mod cache;
pub(crate) mod job;
pub(crate) mod queue;
pub(crate) mod serve;
mod status;
pub(crate) mod store;
mod version;

use clap::CommandFactory as _;

use crate::args::{Arguments, Command};
use crate::exit::Failure;
use crate::output::Output;

/// Runs what was asked for.
pub(crate) async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments { global, command } = arguments;
    match command {
        None => output.text(&Arguments::command().render_long_help().to_string()),
        Some(Command::Serve(command)) => command.run(&global, output).await,
        Some(Command::Status) => status::run(&global, output).await,
        Some(Command::Job(command)) => command.run(&global, output).await,
        Some(Command::Queue(command)) => command.run(&global, output).await,
        Some(Command::Cache(command)) => command.run(&global, output).await,
        Some(Command::Store(command)) => command.run(&global, output).await,
        Some(Command::Bench(command)) => command.run(&global, output).await,
        Some(Command::Version) => version::run(output),
    }
}
