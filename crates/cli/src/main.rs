//! The one binary of Oxherd: server, dashboard and command line.
//!
//! This file only reads the arguments, runs one command and turns its outcome into an exit code. What a command
//! changes goes through the library, what it shows comes from the server's `view`, so that the command line, the
//! dashboard and the HTTP API never disagree.
//! Next: `args.rs` (what can be asked for), `commands/` (one file a verb), `exit.rs` (how it ends).

mod args;
mod commands;
mod connect;
mod exit;
mod output;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use args::Arguments;
use exit::Failure;
use output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return end_of_parsing(&error),
    };
    let output = Output::new(arguments.global.output, arguments.global.quiet);
    let outcome = start(arguments, &output);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.code().into()
        }
    }
}

fn start(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("cannot start the program's threads").because(error))?;
    runtime.block_on(commands::run(arguments, output))
}

/// Help and version are no errors; everything else is a wrong call.
fn end_of_parsing(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nothing is left to say to a reader who went away.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if args::wants_json(std::env::args_os()) {
        let failure = Failure::of_arguments(error);
        Output::new(args::Format::Json, false).failure(&failure);
    } else {
        let _ = error.print();
    }
    exit::Code::Usage.into()
}
