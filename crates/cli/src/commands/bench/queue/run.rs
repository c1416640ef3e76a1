//! What all benches share: a queue of their own, the server's time, an end, and nothing left behind.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oxherd::{Queue, Store};
use tokio_util::sync::CancellationToken;

use super::figures::{Figures, Measured};
use super::scratch::Scratch;
use super::{add, bulk_add, pickup, process};
use crate::commands::bench::server::Server;
use crate::exit::Failure;

/// The benches, in the order in which they run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bench {
    BulkAdd,
    Add,
    Process,
    Pickup,
}

impl Bench {
    pub(super) const ALL: [Self; 4] = [Self::BulkAdd, Self::Add, Self::Process, Self::Pickup];

    const fn name(self) -> &'static str {
        match self {
            Self::BulkAdd => "bulk_add",
            Self::Add => "add",
            Self::Process => "process",
            Self::Pickup => "pickup",
        }
    }
}

/// The setting of all benches.
pub(super) struct Run {
    pub(super) store: Store,
    pub(super) server: Server,
    pub(super) jobs: u32,
    pub(super) concurrency: u32,
    pub(super) has_server_stats: bool,
    pub(super) shows_progress: bool,
    pub(super) interrupted: CancellationToken,
}

/// What one bench works with. Benches look at `interrupted` between two steps and never leave a step half done: a
/// call that is dropped could still write after the keys were removed.
pub(super) struct Scene<'a> {
    pub(super) queue: &'a Queue,
    pub(super) jobs: u32,
    pub(super) concurrency: usize,
    pub(super) bar: &'a ProgressBar,
    pub(super) interrupted: &'a CancellationToken,
    stopwatch: Option<&'a mut Server>,
    began_at: Duration,
}

impl Run {
    /// Runs one bench; its keys are gone afterwards, however it ended.
    pub(super) async fn measure(&mut self, bench: Bench) -> Result<Figures, Failure> {
        let name = bench.name();
        let scratch = Scratch::new(&self.store, name)?;
        let bar = self.bar(name);
        let outcome = self.within(bench, &scratch, &bar).await;
        bar.finish_and_clear();
        let removed = self.server.remove_keys(&scratch.keys_begin).await;
        if self.interrupted.is_cancelled() {
            removed?;
            return Err(Failure::failed(format!(
                "interrupted during {name}; the keys of the bench are removed"
            )));
        }
        let (measured, server_time) = match (outcome, &removed) {
            (Err(failure), Err(_)) => {
                let left = format!(
                    "keys that begin with {:?} could not be removed",
                    scratch.keys_begin
                );
                return Err(failure.help(left));
            }
            (outcome, _) => outcome?,
        };
        removed?;
        Ok(measured.figures(name, self.concurrency, server_time))
    }

    async fn within(
        &mut self,
        bench: Bench,
        scratch: &Scratch,
        bar: &ProgressBar,
    ) -> Result<(Measured, Option<Duration>), Failure> {
        let mut scene = Scene {
            queue: &scratch.queue,
            jobs: self.jobs,
            concurrency: usize::try_from(self.concurrency).unwrap_or(usize::MAX),
            bar,
            interrupted: &self.interrupted,
            stopwatch: self.has_server_stats.then_some(&mut self.server),
            began_at: Duration::ZERO,
        };
        let measured = match bench {
            Bench::BulkAdd => bulk_add::measure(&mut scene).await,
            Bench::Add => add::measure(&mut scene).await,
            Bench::Process => process::measure(&mut scene).await,
            Bench::Pickup => pickup::measure(&mut scene).await,
        }?;
        let server_time = scene.server_time().await?;
        Ok((measured, server_time))
    }

    fn bar(&self, name: &'static str) -> ProgressBar {
        if !self.shows_progress {
            return ProgressBar::hidden();
        }
        let bar =
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5)).with_message(name);
        match ProgressStyle::with_template("{msg:8} {bar:30} {pos}/{len}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

impl Scene<'_> {
    /// The measured part begins: from here on the server's time counts and the bar runs.
    pub(super) async fn begin(&mut self, steps: u32) -> Result<(), Failure> {
        if let Some(server) = &mut self.stopwatch {
            self.began_at = server.working_time().await?;
        }
        self.bar.set_length(u64::from(steps));
        self.bar.reset();
        Ok(())
    }

    /// Whether the bench is to end early.
    pub(super) fn is_over(&self) -> bool {
        self.interrupted.is_cancelled()
    }

    async fn server_time(&mut self) -> Result<Option<Duration>, Failure> {
        let Some(server) = &mut self.stopwatch else {
            return Ok(None);
        };
        Ok(Some(server.working_time().await?.saturating_sub(self.began_at)))
    }
}
