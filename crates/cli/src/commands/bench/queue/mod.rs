//! `oxherd bench queue`: adding and processing jobs, measured against a store of yours.
//!
//! Each bench fills and empties a queue of its own, so that nothing else on the store is touched; its keys are gone
//! afterwards, after Ctrl-C too. Numbers come from one worker, as an application has it: events and locks on.
//! Next: `run.rs` (what all benches share), `bulk_add.rs`, `add.rs`, `process.rs`, `pickup.rs`, `figures.rs`.

mod add;
mod bulk_add;
mod figures;
mod pickup;
mod process;
mod run;
mod scratch;

use clap::Args;

use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Output, Table, left, right};
use figures::Figures;
use run::{Bench, Run};

use super::server::Server;
use super::{address, interruption};

/// Measure how fast jobs are added, processed and picked up
///
/// Fills and empties queues of its own (oxherd-bench-…) on the store; every key of theirs is removed afterwards. The
/// payload is {"i":n,"to":"a@b.c","subject":"hello"}, the handler does nothing, jobs are removed when they complete,
/// events and locks are on, and one worker runs. Stop other work on the machine and the store first.
#[derive(Args, Debug)]
#[command(after_long_help = "\
What is measured, and what p50_ms and p99_ms are times of:

  bulk_add  Jobs added 1,000 a call, one call after the other.
            Times: one call.
  add       Jobs added one by one, 100 in flight.
            Times: from the call to the store's acknowledgement.
  process   Jobs that wait, processed by a worker with this concurrency;
            from the worker's start to the last completion.
            Times: from the start of a job's handler to the store's
            acknowledgement that the job is completed.
  pickup    A job added while the worker is idle, one at a time, at most
            1,000 jobs. Times: from the call to the start of its handler.

jobs is how many were measured, per_second those jobs by the time that all of
them took. server_us_per_job (--server-stats) is the server's CPU time for
evalsha, eval and bzpopmin, from INFO commandstats, which counts all clients.
With --output json or jsonl each bench is one JSON object on its own line.")]
pub(crate) struct BenchQueue {
    /// Jobs in each bench
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: u32,
    /// Jobs that the worker runs at once
    #[arg(long, value_name = "C", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    concurrency: u32,
    /// Also tell the server's CPU time for each job
    #[arg(long)]
    server_stats: bool,
}

impl BenchQueue {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let config = connect::settings(global, output)?;
        let store = connect::any_store(&config, output).await?;
        let interrupted = interruption()?;
        let server = match store.engine() {
            Some(engine) => Server::in_process(engine),
            None => Server::connect(&address::of(&config, global)?).await?,
        };
        let mut run = Run {
            server,
            store,
            jobs: self.jobs,
            concurrency: self.concurrency,
            has_server_stats: self.server_stats,
            shows_progress: output.shows_progress(),
            interrupted,
        };
        let mut all = Vec::new();
        for bench in Bench::ALL {
            let figures = run.measure(bench).await?;
            if output.is_json() {
                output.json(&figures)?;
            }
            all.push(figures);
        }
        if output.is_json() {
            Ok(())
        } else {
            output.table(&table_of(&all, self.server_stats))
        }
    }
}

fn table_of(all: &[Figures], has_server_stats: bool) -> Table {
    let mut columns = vec![
        left("BENCH"),
        right("JOBS"),
        right("CONCURRENCY"),
        right("PER SECOND"),
        right("P50 MS"),
        right("P99 MS"),
    ];
    if has_server_stats {
        columns.push(right("SERVER US/JOB"));
    }
    let mut table = Table::new(columns);
    for figures in all {
        let mut cells = vec![
            figures.bench.to_owned(),
            figures.jobs.to_string(),
            figures.concurrency.to_string(),
            format!("{:.0}", figures.per_second),
            format!("{:.3}", figures.p50_ms),
            format!("{:.3}", figures.p99_ms),
        ];
        if let Some(time) = figures.server_us_per_job {
            cells.push(format!("{time:.1}"));
        }
        table.row(cells);
    }
    table
}
