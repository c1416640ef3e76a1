//! `oxherd cache …`: the caches of all processes on the store.

mod get;
mod invalidate;
mod list;
mod stats;
mod top;

use clap::{Args, Subcommand};
use oxherd_server::view::{CacheNamespace, View};
use serde_json::Value;

use crate::args::Global;
use crate::exit::Failure;
use crate::output::Output;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// List the namespaces with what was counted in them
    List,
    Stats(stats::Stats),
    Get(get::Get),
    Top(top::Top),
    /// Make entries misses, in all processes
    #[command(subcommand)]
    Invalidate(invalidate::Invalidate),
}

impl Cache {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List => list::run(global, output).await,
            Self::Stats(command) => command.run(global, output).await,
            Self::Get(command) => command.run(global, output).await,
            Self::Top(command) => command.run(global, output).await,
            Self::Invalidate(command) => command.run(global, output).await,
        }
    }
}

/// The namespace a verb is about.
#[derive(Args, Debug)]
pub(crate) struct Which {
    /// The namespace with its version, as `products@1`
    namespace: String,
}

impl Which {
    /// The namespace, if any process ever opened it. Another name is a typing error and not an empty namespace.
    async fn found(&self, view: &View) -> Result<CacheNamespace, Failure> {
        let found = view.cache_namespace(&self.namespace).await?;
        found.ok_or_else(|| self.not_there())
    }

    /// Its settings, where no numbers are wanted.
    async fn settings(&self, view: &View) -> Result<Value, Failure> {
        let settings = view.inspector().settings(&self.namespace).await?;
        settings.ok_or_else(|| self.not_there())
    }

    fn not_there(&self) -> Failure {
        Failure::not_found(format!("there is no namespace {:?} of the cache", self.namespace)).help(
            "a namespace is there once a process opened it, until a month after the last one, and is named NAME@VERSION; `oxherd cache list` shows those of this prefix",
        )
    }
}

/// Whose entry a verb is about.
#[derive(Args, Debug)]
pub(crate) struct Whose {
    /// The tenant, where there are tenants
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    tenant: String,
}

impl Whose {
    /// Whose entries they are, in a sentence.
    fn words(&self) -> String {
        match &*self.tenant {
            "" => "without a tenant".to_owned(),
            tenant => format!("of tenant {tenant:?}"),
        }
    }
}

/// A share in percent.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// Milliseconds, with as many digits as matter.
fn milliseconds(time: Option<f64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time >= 100.0 => format!("{time:.0} ms"),
        Some(time) if time >= 0.1 => format!("{time:.2} ms"),
        Some(time) => format!("{:.2} µs", time * 1000.0),
    }
}

/// As [`milliseconds`]. What was not loaded took no time.
#[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
fn micros(time: u64) -> String {
    milliseconds((time > 0).then_some(time as f64 / 1000.0))
}
