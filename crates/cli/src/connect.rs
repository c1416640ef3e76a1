//! From the settings to an open store.
//!
//! Settings are found as everywhere in Oxherd: flag over environment over file over default. Opening has its answer
//! within five seconds, whatever the network does, so that a script learns soon that the store is away. A large directory
//! takes as long as it takes to read, and a terminal sees how far that is.

use std::collections::BTreeMap;

use oxherd::{Queue, QueueName, Store, StoreUrl};
use oxherd_server::config::{Config, ConfigError, Flags};
use oxherd_server::view::{View, ViewSettings};

use crate::args::Global;
use crate::exit::Failure;
use crate::output::{BootLine, Output};

/// The settings of a command that only talks to the store.
pub(crate) fn settings(global: &Global, output: &Output) -> Result<Config, Failure> {
    let config = Config::load(&global.flags()).map_err(|error| of_settings(&error))?;
    for warning in &config.warnings {
        output.note(&format!("warning: {warning}"));
    }
    Ok(config)
}

/// Wrong settings are a wrong call; all faults are told at once.
pub(crate) fn of_settings(error: &ConfigError) -> Failure {
    match error.faults() {
        [only] => Failure::usage(only.to_string()),
        all => all.iter().fold(
            Failure::usage(format!("{} settings are wrong", all.len())),
            |failure, fault| failure.because(fault.to_string()),
        ),
    }
}

/// Opens the store of a command that leaves something there, or looks for what others have left.
pub(crate) async fn store(config: &Config, output: &Output) -> Result<Store, Failure> {
    store_at(config.store.value.clone(), output).await
}

/// Opens the store of a URL that is no setting.
pub(crate) async fn store_at(url: StoreUrl, output: &Output) -> Result<Store, Failure> {
    if url.is_transient() {
        return Err(Failure::usage(
            "memory: is a store inside one process, and this one ends at once; start `oxherd serve --store memory: \
             --resp 127.0.0.1:7379` and use --store redis://127.0.0.1:7379",
        ));
    }
    visit(url, output).await
}

/// Opens the store of a command that brings all it needs.
pub(crate) async fn any_store(config: &Config, output: &Output) -> Result<Store, Failure> {
    visit(config.store.value.clone(), output).await
}

async fn visit(url: StoreUrl, output: &Output) -> Result<Store, Failure> {
    let line = BootLine::new(output);
    let opened = Store::connect_as(url, line.opening().visit()).await;
    line.clear();
    Ok(opened?)
}

/// Opens the store for looking, as the settings say.
pub(crate) async fn view(global: &Global, output: &Output) -> Result<View, Failure> {
    view_of(settings(global, output)?, output).await
}

/// Opens the store for looking, with the queues and the masking of these settings.
pub(crate) async fn view_of(config: Config, output: &Output) -> Result<View, Failure> {
    let store = store(&config, output).await?;
    // As in the server: queues that the settings name are there before their first job.
    let mut queues = BTreeMap::new();
    for name in config.webhooks.iter().flat_map(|table| &table.config.queues) {
        queues.insert(name.parse::<QueueName>()?, None);
    }
    let limits = config.queues.into_iter();
    queues.extend(limits.map(|(name, table)| (name, table.max_waiting)));
    let settings = ViewSettings {
        queues,
        masking: config.mask.value,
        serving_since: None,
    };
    Ok(View::with_settings(store, settings))
}

/// Opens the store and takes one of its queues, with the limit the settings give it.
pub(crate) async fn queue(global: &Global, output: &Output, name: &QueueName) -> Result<Queue, Failure> {
    Ok(view(global, output).await?.queue(name.as_str())?)
}

impl Global {
    /// What the flags of every command say of the settings.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            store: self.store.clone(),
            prefix: self.prefix.clone(),
            ..Flags::default()
        }
    }
}
