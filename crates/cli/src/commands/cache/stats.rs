//! `oxherd cache stats`: what was counted, in all namespaces or in one.

use clap::Args;
use oxherd_server::view::{CacheLatency, CacheNamespace, CacheOverview, CacheProcess};

use super::{Which, milliseconds, percent};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Details, Output};

/// Show what was counted: in all namespaces, or all of one
///
/// Counts are of all processes that ever were; times, rates, and what processes hold, are of those that reported within a minute.
#[derive(Args, Debug)]
pub(crate) struct Stats {
    /// The namespace with its version, as `products@1`
    namespace: Option<String>,
}

impl Stats {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let view = connect::view(global, output).await?;
        match self.namespace {
            Some(namespace) => {
                let found = Which { namespace }.found(&view).await?;
                output.one(&found, || of_one(&found))
            }
            None => {
                let overview = view.cache().await?;
                output.one(&overview, || of_all(&overview))
            }
        }
    }
}

fn of_all(overview: &CacheOverview) -> String {
    let status = &overview.status;
    let mut details = Details::default();
    details.line(
        "connected",
        match (status.processes, status.connected) {
            (0, _) => "no process has reported within a minute",
            (_, true) => "yes",
            (_, false) => "no",
        },
    );
    details.line("namespaces", overview.namespaces.len().to_string());
    details.line(
        "hits",
        format!("{}, {} of them in the process", status.hits, status.hits_local),
    );
    details.line("misses", status.misses.to_string());
    details.line("hit rate", percent(status.hit_rate));
    details.line("reads", format!("{:.1} a second", status.reads_per_second));
    details.line("miss penalty", milliseconds(status.miss_penalty_ms));
    details.line("stale served", status.stale_served.to_string());
    let local = &overview.local;
    details.line(
        "in processes",
        format!(
            "{} entries, {} of {} bytes",
            local.entries, local.bytes, local.capacity_bytes
        ),
    );
    for process in &overview.reports {
        details.line(
            "process",
            format!(
                "{} on {}: channel {}, breaker {}",
                process.pid,
                process.host,
                channel_of(process),
                process.breaker
            ),
        );
    }
    for warning in &status.warnings {
        details.line("warning", warning.as_str());
    }
    details.render()
}

/// How it hears of changes.
fn channel_of(process: &CacheProcess) -> &str {
    match process.channel.as_str() {
        "unused" => "not yet used",
        "none" => "not needed",
        other => other,
    }
}

fn of_one(space: &CacheNamespace) -> String {
    let mut details = Details::default();
    details.line("namespace", space.name.as_str());
    details.line("hit rate", percent(space.hit_rate));
    details.line("reads", format!("{:.1} a second", space.reads_per_second));
    details.line("miss penalty", milliseconds(space.miss_penalty_ms));
    details.maybe("stale rate", space.stale_rate.map(|rate| percent(Some(rate))));
    details.line("get", times(&space.get));
    details.line("get in process", times(&space.get_local));
    details.line("get from store", times(&space.get_shared));
    details.line("load", times(&space.load));
    details.line("wait", times(&space.wait));
    details.line(
        "in processes",
        format!("{} entries, {} bytes", space.local.entries, space.local.bytes),
    );
    for (name, count) in space.counts.named() {
        if count > 0 {
            details.line("counted", format!("{} {count}", name.replace('_', " ")));
        }
    }
    for warning in &space.warnings {
        details.line("warning", warning.as_str());
    }
    if let Some(settings) = space.settings.as_object() {
        for (name, value) in settings {
            details.line("setting", format!("{name} {value}"));
        }
    }
    details.render()
}

fn times(latency: &CacheLatency) -> String {
    if latency.count == 0 {
        return "-".to_owned();
    }
    format!(
        "p50 {}, p95 {}, p99 {}",
        milliseconds(latency.p50_ms),
        milliseconds(latency.p95_ms),
        milliseconds(latency.p99_ms)
    )
}
