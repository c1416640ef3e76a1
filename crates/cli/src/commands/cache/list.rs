//! `oxherd cache list`: all namespaces.

use oxherd_server::view::CacheNamespace;

use super::{milliseconds, percent};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Output, Table, left, right};

pub(crate) async fn run(global: &Global, output: &Output) -> Result<(), Failure> {
    let view = connect::view(global, output).await?;
    let overview = view.cache().await?;
    if overview.namespaces.is_empty() {
        let prefix = view.store().prefix();
        output.note(&format!("no namespaces of a cache under prefix {prefix:?} yet"));
    }
    output.list(&overview.namespaces, || table_of(&overview.namespaces))?;
    for warning in &overview.status.warnings {
        output.note(&format!("warning: {warning}"));
    }
    Ok(())
}

fn table_of(namespaces: &[CacheNamespace]) -> Table {
    let mut table = Table::new([
        left("NAMESPACE"),
        right("HITS"),
        right("MISSES"),
        right("HIT RATE"),
        right("READS/S"),
        right("GET P95"),
        right("LOAD P95"),
        right("IN PROCESSES"),
    ]);
    for space in namespaces {
        table.row([
            space.name.clone(),
            space.hits.to_string(),
            space.misses.to_string(),
            percent(space.hit_rate),
            format!("{:.1}", space.reads_per_second),
            milliseconds(space.get.p95_ms),
            milliseconds(space.load.p95_ms),
            space.local.entries.to_string(),
        ]);
    }
    table
}
