//! `oxherd bench …`: how fast this machine and store are together.
//!
//! Each bench works on keys of its own, which are gone afterwards, however it ended.
//! Next: `queue/`, `cache/`, `server.rs` (who removes the keys).

mod address;
mod cache;
mod queue;
mod server;

use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    Queue(queue::BenchQueue),
    Cache(cache::BenchCache),
}

impl Bench {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Queue(command) => command.run(global, output).await,
            Self::Cache(command) => command.run(global, output).await,
        }
    }
}

/// Cancelled by Ctrl-C and by a polite kill. A second signal finds us cleaning up already.
#[cfg(unix)]
fn interruption() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};

    let cannot = |error| Failure::failed("cannot listen for signals").because(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let interrupted = CancellationToken::new();
    let token = interrupted.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        token.cancel();
    });
    Ok(interrupted)
}

/// Cancelled by Ctrl-C. A second one finds us cleaning up already.
#[cfg(not(unix))]
fn interruption() -> Result<CancellationToken, Failure> {
    let interrupted = CancellationToken::new();
    let token = interrupted.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            token.cancel();
        }
    });
    Ok(interrupted)
}
