//! `oxherd cache top`: the keys that are read most, and the largest.

use clap::Args;
use oxherd::cache::{BigKey, Tier};
use oxherd_server::view::CacheTop;

use super::{Which, percent};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Output, Table, left, right};

/// Show the keys that were read most in the last minute or two, or the largest
///
/// Reads are estimates: all misses are counted, and one in 64 hits.
#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    which: Which,
    /// So many keys
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// The largest entries instead: looks at so many of the store
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    largest: Option<u64>,
}

impl Top {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        let sample = self.largest.unwrap_or(0);
        let top = view
            .cache_top(&self.which.namespace, usize::from(self.limit), sample)
            .await?
            .ok_or_else(|| self.which.not_there())?;
        let Some(sample) = &top.sample else {
            return output.list(&top.keys, || most_read(&top));
        };
        let keys: Vec<&BigKey> = sample.keys.iter().take(usize::from(self.limit)).collect();
        output.list(&keys, || largest(&keys))?;
        let whole = if sample.complete { "all" } else { "the first" };
        output.note(&format!(
            "{whole} {} entries have {} bytes",
            sample.looked_at, sample.bytes
        ));
        Ok(())
    }
}

fn most_read(top: &CacheTop) -> Table {
    let mut table = Table::new([
        left("TENANT"),
        left("KEY"),
        right("READS/S"),
        right("SHARE"),
        right("MISSES"),
        right("BYTES"),
        left("TIER"),
        left("REMARK"),
    ]);
    for key in &top.keys {
        let tier = match key.tier {
            Some(Tier::Local) => "process",
            Some(Tier::Shared) => "store",
            None => "-",
        };
        table.row([
            key.tenant.clone(),
            key.key.clone(),
            format!("{:.1}", key.per_second),
            percent(Some(key.share)),
            key.misses.to_string(),
            key.bytes.to_string(),
            tier.to_owned(),
            if key.hot { "hot" } else { "" }.to_owned(),
        ]);
    }
    table
}

fn largest(keys: &[&BigKey]) -> Table {
    let mut table = Table::new([left("TENANT"), left("KEY"), right("BYTES")]);
    for key in keys {
        table.row([key.tenant.clone(), key.key.clone(), key.bytes.to_string()]);
    }
    table
}
