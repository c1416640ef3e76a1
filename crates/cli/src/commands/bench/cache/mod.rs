//! `oxherd bench cache`: what reads, writes and invalidations of the cache cost, here and on a store of yours.
//!
//! Everything happens under a key prefix of its own, so that neither the namespaces nor the reports of other processes see it;
//! its keys are gone afterwards, after Ctrl-C too.
//! Next: `run.rs` (what all benches share), `hits.rs`, `shared.rs`, `tags.rs`, `writes.rs`, `packing.rs`, `stampede.rs`.

mod figures;
mod hits;
mod packing;
mod run;
mod scratch;
mod shared;
mod stampede;
mod tags;
mod writes;

use clap::Args;
use oxherd::Store;

use super::server::Server;
use super::{address, interruption};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{BootLine, Output};
use figures::table_of;
use run::{Bench, Run};

/// Measure what reads, writes and invalidations of the cache cost
///
/// Works under a key prefix of its own (…-oxherd-bench-…) on the store; every key is removed afterwards. Stop other work
/// on the machine and the store first.
#[derive(Args, Debug)]
#[command(after_long_help = "\
What is measured. ns is the median time of one call as its caller sees it,
per_second how many calls were done in a second by all callers together. Both
are of wall time; with more callers than processors a call also waits for its
turn.

  l1_get            Reads of 1,000 keys in turn that this process has, key and
                    figures included, by 1 and 4 threads at once. ns is the
                    median over 1,000 calls on end, divided by them;
                    per_second is of all threads, from the first one's begin to
                    the last one's end.
  get_or_load_hit   The same with a loader.
  l2_get            Reads that ask the store, of a row (150 bytes) and of a page
                    (6.5 kB as JSON; as that and by postcard, both compressed),
                    one after the other and 100 at once.
  bare_get          GET of the same bytes, in turn with l2_get.
  get_and_decode    GET of the value as plain JSON, which is then decoded: what
                    a program without a cache would do. In turn with both, for
                    values written as JSON.
  tag_check         Reads of a row with so many tags, from the store and from
                    this process (there over 1,000 calls, as l1_get).
  set, remove, get_or_load_miss, increment
                    One after the other, in both tiers. A miss takes a lease,
                    calls a loader that returns at once, and fills.
  invalidate_tag    A tag that --entries entries carry. first_ns is the first
                    call, when all of them were good; ns is of all calls.
  encode, decode    A page to an entry and back.
  stampede          2,500 calls at once for one missing key. ns is until all of
                    them have their answer, not of one call; loads is how often
                    the loader was called, in the worst of 20 turns.

ratio is how many times as long as bare_get it took: the quotient of both medians,
and with 100 at once the median over turns. With --output json or jsonl each
figure is one JSON object on its own line.")]
pub(crate) struct BenchCache {
    /// Calls of the store in each bench; calls that stay in this process are a hundred times as many
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    calls: u32,
    /// Entries that carry the tag that is invalidated
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    entries: u32,
}

impl BenchCache {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let config = connect::settings(global, output)?;
        let url = config.store.value.clone();
        let url = url.clone().with_prefix(scratch::prefix(url.prefix()))?;
        let line = BootLine::new(output);
        let opened = Store::connect_as(url, line.opening().visit()).await;
        line.clear();
        let store = opened?;
        let interrupted = interruption()?;
        let server = match store.engine() {
            Some(engine) => Server::in_process(engine),
            None => Server::connect(&address::of(&config, global)?).await?,
        };
        let mut run = Run {
            store,
            server,
            calls: self.calls,
            entries: self.entries,
            shows_progress: output.shows_progress(),
            interrupted,
        };
        let mut all = Vec::new();
        for bench in Bench::ALL {
            let figures = run.measure(bench).await?;
            if output.is_json() {
                for figure in &figures {
                    output.json(figure)?;
                }
            }
            all.extend(figures);
        }
        if output.is_json() {
            Ok(())
        } else {
            output.table(&table_of(&all))
        }
    }
}
