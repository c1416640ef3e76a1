//! What all benches share: a store with nothing in it, an end, and nothing left behind.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oxherd::Store;
use oxherd::cache::Cache;
use tokio_util::sync::CancellationToken;

use super::figures::Figure;
use super::{hits, packing, shared, stampede, tags, writes};
use crate::commands::bench::server::Server;
use crate::exit::Failure;

/// The benches, in the order in which they run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bench {
    Hits,
    Shared,
    TagCheck,
    Writes,
    InvalidateTag,
    Packing,
    Stampede,
}

impl Bench {
    pub(super) const ALL: [Self; 7] = [
        Self::Hits,
        Self::Shared,
        Self::TagCheck,
        Self::Writes,
        Self::InvalidateTag,
        Self::Packing,
        Self::Stampede,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Hits => "l1_get",
            Self::Shared => "l2_get",
            Self::TagCheck => "tag_check",
            Self::Writes => "writes",
            Self::InvalidateTag => "invalidate_tag",
            Self::Packing => "encode",
            Self::Stampede => "stampede",
        }
    }
}

/// The setting of all benches.
pub(super) struct Run {
    pub(super) store: Store,
    pub(super) server: Server,
    pub(super) calls: u32,
    pub(super) entries: u32,
    pub(super) shows_progress: bool,
    pub(super) interrupted: CancellationToken,
}

/// What one bench works with. Benches look at `interrupted` between two calls and never leave a call half done: one that
/// is dropped could still write after the keys were removed.
pub(super) struct Scene<'a> {
    pub(super) store: &'a Store,
    pub(super) server: &'a mut Server,
    pub(super) calls: u32,
    pub(super) entries: u32,
    pub(super) bar: &'a ProgressBar,
    pub(super) interrupted: &'a CancellationToken,
}

impl Run {
    /// Runs one bench; its keys are gone afterwards, however it ended.
    pub(super) async fn measure(&mut self, bench: Bench) -> Result<Vec<Figure>, Failure> {
        let name = bench.name();
        let bar = self.bar(name);
        let outcome = self.within(bench, &bar).await;
        bar.finish_and_clear();
        let keys_begin = format!("{}:", self.store.prefix());
        let removed = self.server.remove_keys(&keys_begin).await;
        if self.interrupted.is_cancelled() {
            removed?;
            return Err(Failure::failed(format!(
                "interrupted during {name}; the keys of the bench are removed"
            )));
        }
        match (outcome, removed) {
            (Err(failure), Err(_)) => Err(failure.help(format!(
                "keys that begin with {keys_begin:?} could not be removed"
            ))),
            (outcome, removed) => {
                let figures = outcome?;
                removed?;
                Ok(figures)
            }
        }
    }

    async fn within(&mut self, bench: Bench, bar: &ProgressBar) -> Result<Vec<Figure>, Failure> {
        let mut scene = Scene {
            store: &self.store,
            server: &mut self.server,
            calls: self.calls,
            entries: self.entries,
            bar,
            interrupted: &self.interrupted,
        };
        match bench {
            Bench::Hits => hits::measure(&scene).await,
            Bench::Shared => shared::measure(&mut scene).await,
            Bench::TagCheck => tags::check(&scene).await,
            Bench::Writes => writes::measure(&scene).await,
            Bench::InvalidateTag => tags::invalidate(&scene).await,
            Bench::Packing => packing::measure(&scene),
            Bench::Stampede => stampede::measure(&scene).await,
        }
    }

    fn bar(&self, name: &'static str) -> ProgressBar {
        if !self.shows_progress {
            return ProgressBar::hidden();
        }
        let bar =
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(5)).with_message(name);
        match ProgressStyle::with_template("{msg:14} {bar:30} {pos}/{len}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }
}

impl Scene<'_> {
    /// A cache of its own, which ends with its last handle.
    pub(super) fn cache(&self) -> Result<Cache, Failure> {
        Ok(Cache::builder(self.store).open()?)
    }

    /// Whether the bench is to end early.
    pub(super) fn is_over(&self) -> bool {
        self.interrupted.is_cancelled()
    }

    /// The numbers below `count` for as long as the bench is not to end.
    pub(super) fn numbers(&self, count: u32) -> impl Iterator<Item = u64> {
        self.bar.set_length(u64::from(count));
        self.bar.reset();
        (0..u64::from(count)).take_while(|number| {
            self.bar.set_position(*number);
            !self.is_over()
        })
    }

    /// How long each of so many calls took, one after the other.
    pub(super) async fn times(
        &self,
        count: u32,
        mut call: impl AsyncFnMut(u64) -> Result<(), Failure>,
    ) -> Result<Vec<Duration>, Failure> {
        let mut times = Vec::new();
        for number in self.numbers(count) {
            let began = Instant::now();
            call(number).await?;
            times.push(began.elapsed());
        }
        Ok(times)
    }
}
