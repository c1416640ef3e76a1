//! `oxherd store copy`: from one store to another.

use clap::Args;
use oxherd::{StoreUrl, Transfer};

use super::outcome::{Bar, Outcome};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Copy keys from one store to another
///
/// Every key with type, value and expiry, whatever its prefix. Stop workers and producers first: keys that change
/// meanwhile are found and end the command with 1. Nothing is copied when the target holds one of the keys.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store copy --from redis://old:6379 --to redis://new:6379
  oxherd store copy --from redis://old:6379 --to redis://new:6379/2 --match 'bull:*' --replace")]
pub(crate) struct Copy {
    /// The store to read
    #[arg(long, value_name = "URL")]
    from: String,
    /// The store to write
    #[arg(long, value_name = "URL")]
    to: String,
    /// Only keys that match this pattern, as in 'bull:mail:*'
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Replace keys that the target holds already
    #[arg(long)]
    replace: bool,
    /// The source is in use: keys that change meanwhile are told and are no failure
    #[arg(long)]
    live: bool,
}

impl Copy {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        if global.store.is_some() || global.prefix.is_some() {
            return Err(Failure::usage(
                "a copy has two stores: it takes --from and --to, neither --store nor --prefix",
            ));
        }
        let (from, to) = (whole("from", &self.from)?, whole("to", &self.to)?);
        let (from, to) = (
            connect::store_at(from, output).await?,
            connect::store_at(to, output).await?,
        );
        let bar = Bar::new(output);
        let mut transfer = Transfer::new()
            .with_replacing(self.replace)
            .on_progress(|progress| bar.show(&progress));
        if let Some(pattern) = self.pattern {
            transfer = transfer.matching(pattern);
        }
        let report = transfer.copy(&from, &to).await;
        bar.clear();
        Outcome::of(&report?).tell("copied", self.live, output)
    }
}

/// A store with all its prefixes. One in the URL would promise what a copy does not do.
fn whole(flag: &str, text: &str) -> Result<StoreUrl, Failure> {
    let url: StoreUrl = text
        .parse()
        .map_err(|error: oxherd::Error| Failure::usage(format!("--{flag}: {error}")))?;
    let query = text.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|parameter| parameter.starts_with("prefix=")) {
        return Err(Failure::usage(format!(
            "--{flag}: a copy takes keys of every prefix and leaves them as they are"
        ))
        .help("leave ?prefix= out; --match 'app:*' copies the keys of one prefix"));
    }
    Ok(url)
}
