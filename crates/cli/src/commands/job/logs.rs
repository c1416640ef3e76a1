//! `oxherd job logs`: what a job's handler wrote.

use clap::Args;
use oxherd_server::view::LogPage;
use serde::Serialize;

use super::{Which, no_such_job};
use crate::args::{Format, Global};
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Rows read at once.
const ROWS_A_PAGE: u64 = 1000;
/// A list in the store holds no more.
const MOST_ROWS: u64 = 4_294_967_295;

/// Print a job's log, oldest row first
#[derive(Args, Debug)]
pub(crate) struct Logs {
    #[command(flatten)]
    which: Which,
    /// Leave out so many rows at the start
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MOST_ROWS))]
    offset: u64,
    /// At most so many rows [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Row<'a> {
    row: u64,
    text: &'a str,
}

impl Logs {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let log = self.read(global, output).await?;
        match global.output {
            Format::Table => output.lines(&log.rows),
            Format::Json => output.json(&log),
            Format::Jsonl => {
                let rows = (log.offset..).zip(&log.rows);
                rows.into_iter()
                    .try_for_each(|(row, text)| output.json(&Row { row, text }))
            }
        }
    }

    async fn read(&self, global: &Global, output: &Output) -> Result<LogPage, Failure> {
        let view = connect::view(global, output).await?;
        let wanted = self.limit.unwrap_or(u64::MAX);
        let mut rows = Vec::new();
        loop {
            let got = u64::try_from(rows.len()).unwrap_or(u64::MAX);
            let page = view
                .logs(
                    self.which.queue.as_str(),
                    &self.which.id,
                    self.offset.saturating_add(got),
                    (wanted - got).min(ROWS_A_PAGE),
                )
                .await?;
            let page = page.ok_or_else(|| no_such_job("read the log of", &self.which))?;
            let is_last = u64::try_from(page.rows.len()).unwrap_or(u64::MAX) < ROWS_A_PAGE;
            rows.extend(page.rows);
            if is_last {
                let limit = self.limit.unwrap_or(page.total);
                return Ok(LogPage {
                    total: page.total,
                    offset: self.offset,
                    limit,
                    rows,
                });
            }
        }
    }
}
