//! `oxherd store load`: a dump back into a store.

use clap::Args;
use oxherd::Transfer;

use super::Form;
use super::outcome::{Bar, Outcome};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Write the keys of a dump from stdin to a store
///
/// Takes what `oxherd store dump` wrote and nothing else. A key is written whole or not at all; the first that cannot
/// be written ends the command.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store load < store.resp
  grep '\"type\":\"stream\"' store.jsonl | oxherd store load --partial --replace")]
pub(crate) struct Load {
    /// Form of the dump [default: as its first byte tells]
    #[arg(long, value_enum)]
    format: Option<Form>,
    /// Replace keys that the store holds already
    #[arg(long)]
    replace: bool,
    /// Take a dump without its end: one that was cut off, or filtered
    #[arg(long)]
    partial: bool,
}

impl Load {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let store = connect::store(&connect::settings(global, output)?, output).await?;
        let bar = Bar::new(output);
        let transfer = Transfer::new()
            .with_replacing(self.replace)
            .with_partial(self.partial)
            .on_progress(|progress| bar.show(&progress));
        let format = self.format.map(Into::into);
        let report = transfer.load(tokio::io::stdin(), format, &store).await;
        bar.clear();
        Outcome::of(&report?).tell("loaded", false, output)
    }
}
