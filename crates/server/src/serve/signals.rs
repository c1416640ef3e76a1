//! A server for the command line: runs until it is told to stop.
//!
//! The first SIGTERM or SIGINT begins a stop in good order; a second one gives back at once what still runs.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use oxherd::{Opening, StopReport};

use super::{Running, Server, StartError};
use crate::config::Config;

/// After a second signal, how long the store may take to get the jobs back.
const FAREWELL: Duration = Duration::from_secs(2);

/// Starts a server, tells where it listens, and returns when it has stopped; `None` when the store did not take
/// the jobs back after a second signal, or the first came before it had started.
///
/// # Errors
/// [`StartError`] when it does not start.
pub async fn run(config: Config, started: impl FnOnce(&Running)) -> Result<Option<StopReport>, StartError> {
    run_as(config, Opening::new(), started).await
}

/// As [`run`], with the store opened in a way of the program's own.
///
/// # Errors
/// As [`run`].
pub async fn run_as(
    config: Config,
    opening: Opening,
    started: impl FnOnce(&Running),
) -> Result<Option<StopReport>, StartError> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let grace = config.shutdown_grace.value;
    let mut signals = Signals::new(config.listen.value)?;
    let running = tokio::select! {
        running = Server::start_as(config, opening) => running?,
        _ = signals.next() => return Ok(None),
    };
    started(&running);
    let signal = signals.next().await;
    tracing::info!(signal, ?grace, "stopping; a second signal stops at once");
    let stoppers = running.stoppers();
    let mut stopping = pin!(running.stop(grace));
    let report = tokio::select! {
        report = &mut stopping => Some(report),
        signal = signals.next() => {
            tracing::warn!(signal, "stopping at once; jobs that still run are given back");
            for stopper in stoppers {
                stopper.stop_now();
            }
            tokio::time::timeout(FAREWELL, stopping).await.ok()
        }
    };
    match &report {
        Some(StopReport {
            finished,
            given_back,
            unreported,
        }) => {
            tracing::info!(finished, given_back, unreported, "stopped");
        }
        None => {
            tracing::warn!(
                "the store did not take the jobs back in time; they stall and run again elsewhere"
            );
        }
    }
    Ok(report)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new(address: SocketAddr) -> Result<Self, StartError> {
        use tokio::signal::unix::{SignalKind, signal};

        let listen = |source| StartError::Listen { address, source };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(listen)?,
            interrupt: signal(SignalKind::interrupt()).map_err(listen)?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new(_: SocketAddr) -> Result<Self, StartError> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
