//! `oxherd store dump`: a store into a file.

use std::io::IsTerminal as _;

use clap::Args;
use oxherd::Transfer;

use super::Form;
use super::outcome::{Bar, Outcome};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Write a store's keys to stdout
///
/// Every key with type, value and expiry, whatever its prefix, for `oxherd store load`. Stop workers and producers
/// first: keys that change meanwhile are found and end the command with 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store dump > store.resp
  oxherd store dump --format jsonl --match 'bull:mail:*' | jq -r .key
  redis-cli --pipe < store.resp        # replaces keys of the same names")]
pub(crate) struct Dump {
    /// Redis commands, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Form::Resp)]
    format: Form,
    /// Only keys that match this pattern, as in 'bull:mail:*'
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// The store is in use: keys that change meanwhile are told and are no failure
    #[arg(long)]
    live: bool,
}

impl Dump {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        if self.format == Form::Resp && std::io::stdout().is_terminal() {
            return Err(
                Failure::usage("a dump of Redis commands is nothing for a terminal").help(
                    "write it to a file, as in `oxherd store dump > store.resp`, or use --format jsonl",
                ),
            );
        }
        let store = connect::store(&connect::settings(global, output)?, output).await?;
        let bar = Bar::new(output);
        let mut transfer = Transfer::new().on_progress(|progress| bar.show(&progress));
        if let Some(pattern) = self.pattern {
            transfer = transfer.matching(pattern);
        }
        let report = transfer
            .dump(&store, self.format.into(), tokio::io::stdout())
            .await;
        bar.clear();
        Outcome::of(&report?).remark("dumped", self.live, output)
    }
}
