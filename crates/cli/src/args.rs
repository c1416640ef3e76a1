//! What can be asked for on the command line.
//!
//! Nouns before verbs, the same nouns in the same order as everywhere else. Flags that every command understands are
//! in [`Global`] and may stand before or after the command. Values that clap cannot check by itself are parsed here,
//! so that a wrong call ends before the store is asked.
//! Next: `commands/` (one file a verb, with that verb's flags).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or something is damaged
  2  wrong call: unknown flag, broken JSON, option out of its range, broken dump or backup
  3  no such job, queue, or cache namespace or entry
  4  refused: wrong state, being processed, queue full, key or file there already
  5  the store does not answer, or its files cannot be read

Settings are taken from the flag, else from the environment variable named beside it, else from oxherd.toml.";

/// Background jobs in BullMQ's format: server, dashboard and command line in one program.
#[derive(Debug, Parser)]
#[command(name = "oxherd", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of every command.
#[derive(Args, Debug)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The store: embedded:DIRECTORY, memory:, redis://, rediss://, valkey://, valkeys:// or unix: (OXHERD_STORE)
    /// [default: embedded:./oxherd-data]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// First part of every key, as in the URL's ?prefix= (OXHERD_PREFIX) [default: bull]
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// File with settings (OXHERD_CONFIG) [default: oxherd.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Form of the output; failures take the same form on stderr
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Only results: no headings, no remarks, no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// Forms of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// One JSON value
    Json,
    /// One JSON object a line
    Jsonl,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<commands::serve::Serve>),
    /// Tell how the store and its queues are
    Status,
    /// Add, look at and change single jobs
    #[command(subcommand)]
    Job(commands::job::Job),
    /// Look at queues, stop them and let them go on
    #[command(subcommand)]
    Queue(commands::queue::Queue),
    /// Look at the caches of all processes, and invalidate by hand
    #[command(subcommand)]
    Cache(commands::cache::Cache),
    /// Look after whole stores: check, back up, restore, copy, dump, load
    #[command(subcommand)]
    Store(commands::store::Store),
    /// Measure
    #[command(subcommand)]
    Bench(commands::bench::Bench),
    /// Tell the version of the program and of the layout it writes
    Version,
}

/// Whether programs read the output of a call that could not be parsed.
pub(crate) fn wants_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let is_json = |value: &str| matches!(value, "json" | "jsonl");
    let mut is_value = false;
    for argument in arguments {
        let Some(argument) = argument.to_str() else {
            is_value = false;
            continue;
        };
        if (is_value && is_json(argument)) || argument.strip_prefix("--output=").is_some_and(is_json) {
            return true;
        }
        is_value = argument == "--output";
    }
    false
}

/// A length of time: `250ms`, `5s`, `10m`, `2h`, `1d`, or a whole number of milliseconds as in a job's options.
pub(crate) fn length_of_time(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("use a whole number with ms, s, m, h or d, as in 90s".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "use a whole number with ms, s, m, h or d, as in 90s")?;
    let total = number
        .checked_mul(milliseconds)
        .ok_or("is longer than time itself")?;
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{Arguments, Duration, length_of_time, wants_json};

    #[test]
    fn the_commands_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn lengths_of_time_have_units() {
        for (text, milliseconds) in [
            ("250", 250),
            ("250ms", 250),
            ("5s", 5_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                length_of_time(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "-5s", "1.5s", "5 s", "5w", "99999999999999999999d"] {
            assert!(length_of_time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn json_is_recognised_in_a_call_that_cannot_be_parsed() {
        let wants = |line: &str| wants_json(line.split(' ').map(Into::into));
        assert!(wants("oxherd job --output json --frobnicate"));
        assert!(wants("oxherd --output=jsonl frobnicate"));
        assert!(!wants("oxherd job add q json --output table --bad"));
    }
}
