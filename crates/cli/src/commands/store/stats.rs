//! `oxherd store stats`: how large a store is, what is in it, and whether what it writes is kept.

use std::path::Path;

use clap::Args;
use oxherd::engine::{FileRole, Inspection};
use oxherd::{Held, KeyStats, Store, StoreInfo};
use serde::Serialize;

use super::check::{ToldFile, files_table, holder, told_files};
use super::directory::{blocking, counted, failed, image_size, size};
use crate::args::Global;
use crate::connect;
use crate::exit::Failure;
use crate::output::{Details, Output, Table, left, length, right};

/// So many prefixes are shown.
const SHOWN: usize = 15;

/// Tell how large a store is, what is in it, and whether its journal is healthy
///
/// Any store. Of a directory also its files, and how much of them is log that the next start has to read.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd store stats
  oxherd store stats --keys 0 --output json | jq .journal      # quick, whatever the store's size")]
pub(crate) struct Stats {
    /// Look at so many keys at the most, for types and prefixes
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    keys: u64,
}

/// What stats print as JSON.
#[derive(Serialize)]
struct Told {
    store: String,
    server: String,
    keys: u64,
    expiring: u64,
    databases: Vec<ToldDatabase>,
    memory: Option<u64>,
    memory_peak: Option<u64>,
    memory_limit: Option<u64>,
    clients: Option<u64>,
    uptime_s: Option<u64>,
    journal: ToldJournal,
    looked_at: Option<ToldKeys>,
    directory: Option<ToldDirectory>,
}

#[derive(Serialize)]
struct ToldDatabase {
    index: u64,
    keys: u64,
    expiring: u64,
}

#[derive(Serialize)]
struct ToldJournal {
    enabled: Option<bool>,
    healthy: Option<bool>,
    error: Option<String>,
    fsync: Option<String>,
    log_bytes: Option<u64>,
    image_bytes: Option<u64>,
}

#[derive(Serialize)]
struct ToldKeys {
    keys: u64,
    is_all: bool,
    by_type: Vec<ToldHeld>,
    by_prefix: Vec<ToldHeld>,
}

#[derive(Serialize)]
struct ToldHeld {
    name: String,
    keys: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ToldDirectory {
    path: String,
    held_by: Option<u32>,
    is_held: bool,
    files: Vec<ToldFile>,
}

impl Stats {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let config = connect::settings(global, output)?;
        let directory = config.store.value.directory().map(Path::to_owned);
        // Before this command itself has it.
        let listed = match directory {
            None => None,
            Some(directory) => {
                let listed = blocking(move || Inspection::list(directory)).await?;
                Some(listed.map_err(|error| failed(&error))?)
            }
        };
        let (store, info, keys) = match self.ask(&config, output).await {
            Ok(asked) => asked,
            Err(failure) => {
                // What does not start still has files.
                if let Some(files) = listed.filter(|_| !output.is_json()) {
                    output.table(&files_table(&files))?;
                }
                return Err(failure);
            }
        };
        let told = told(&store, &info, keys.as_ref(), listed.as_ref());
        if output.is_json() {
            return output.json(&told);
        }
        output.text(&details(&told, listed.as_ref()))?;
        if let Some(keys) = &told.looked_at {
            output.text("\n")?;
            output.table(&table("TYPE", &keys.by_type))?;
            if !keys.by_prefix.is_empty() {
                output.text("\n")?;
                output.table(&table("PREFIX", &keys.by_prefix))?;
            }
        }
        if let Some(files) = &listed {
            output.text("\n")?;
            output.table(&files_table(files))?;
        }
        Ok(())
    }

    async fn ask(
        &self,
        config: &oxherd_server::config::Config,
        output: &Output,
    ) -> Result<(Store, StoreInfo, Option<KeyStats>), Failure> {
        let store = connect::store(config, output).await?;
        let info = store.info().await?;
        let keys = match self.keys {
            0 => None,
            limit => Some(store.key_stats(limit).await?),
        };
        Ok((store, info, keys))
    }
}

fn told(store: &Store, info: &StoreInfo, keys: Option<&KeyStats>, listed: Option<&Inspection>) -> Told {
    let databases = info.databases.iter().map(|(index, database)| ToldDatabase {
        index: *index,
        keys: database.keys,
        expiring: database.expiring,
    });
    let (image, log) = listed.map(Inspection::bytes).unzip();
    Told {
        store: store.name().to_owned(),
        server: format!("{} {}", store.server().product, store.server().version),
        keys: info.databases.values().map(|database| database.keys).sum(),
        expiring: info.databases.values().map(|database| database.expiring).sum(),
        databases: databases.collect(),
        memory: info.memory,
        memory_peak: info.memory_peak,
        memory_limit: info.memory_limit.filter(|limit| *limit > 0),
        clients: info.clients,
        uptime_s: info.uptime.map(|uptime| uptime.as_secs()),
        journal: ToldJournal {
            enabled: listed.map(|_| true).or(info.has_log),
            healthy: info.log_is_healthy,
            error: info.journal_error.clone(),
            fsync: info.fsync.clone(),
            // The files say it even where the store does not.
            log_bytes: log.or(info.log_bytes),
            image_bytes: image.or(info.image_bytes),
        },
        looked_at: keys.map(told_keys),
        directory: listed.map(|files| ToldDirectory {
            path: files.directory.display().to_string(),
            held_by: files.holder.flatten(),
            is_held: files.holder.is_some(),
            files: told_files(files),
        }),
    }
}

fn told_keys(keys: &KeyStats) -> ToldKeys {
    let held = |(name, held): (&String, &Held)| ToldHeld {
        name: name.clone(),
        keys: held.keys,
        bytes: held.bytes,
    };
    ToldKeys {
        keys: keys.keys,
        is_all: keys.is_all,
        by_type: keys.by_type.iter().map(held).collect(),
        by_prefix: keys
            .by_prefix
            .iter()
            .take(SHOWN)
            .map(|(name, of)| held((name, of)))
            .collect(),
    }
}

fn details(told: &Told, listed: Option<&Inspection>) -> String {
    let mut details = Details::default();
    details.line("store", told.store.as_str());
    details.line("server", told.server.as_str());
    details.maybe("held by", listed.map(holder));
    details.maybe(
        "uptime",
        told.uptime_s
            .map(|seconds| length(std::time::Duration::from_secs(seconds))),
    );
    details.maybe("clients", told.clients.map(|count| count.to_string()));
    details.line("keys", format!("{}, {} expire", told.keys, told.expiring));
    if told.databases.len() > 1 {
        for database in &told.databases {
            details.line(
                "",
                format!("database {}: {}", database.index, counted(database.keys, "key")),
            );
        }
    }
    if let Some(memory) = told.memory {
        let peak = told.memory_peak.map(|peak| format!(", at most {}", size(peak)));
        let limit = told.memory_limit.map(|limit| format!(", limit {}", size(limit)));
        let memory = [Some(size(memory)), peak, limit];
        details.line("memory", memory.into_iter().flatten().collect::<String>());
    }
    journal(&told.journal, listed, &mut details);
    if let Some(keys) = told.looked_at.as_ref().filter(|keys| !keys.is_all) {
        details.line(
            "looked at",
            format!(
                "the first {} that came; --keys COUNT looks at more",
                counted(keys.keys, "key")
            ),
        );
    }
    details.render()
}

fn journal(journal: &ToldJournal, listed: Option<&Inspection>, details: &mut Details) {
    let state = match (journal.enabled, journal.healthy, &journal.error) {
        (_, _, Some(error)) => format!("failed, only reads are served: {error}"),
        (_, Some(false), None) => "its last write failed".to_owned(),
        (Some(true), Some(true), None) => "healthy".to_owned(),
        (Some(true), None, None) => "on".to_owned(),
        (Some(false), ..) => {
            "none: what is written ends with the process, unless the server takes images".to_owned()
        }
        (None, ..) => return,
    };
    details.line("journal", state);
    details.maybe("fsync", journal.fsync.clone());
    let (Some(log), Some(image)) = (journal.log_bytes, journal.image_bytes) else {
        return;
    };
    details.line("image", image_size(image));
    let segments = listed.map(|files| {
        files
            .files
            .iter()
            .filter(|file| file.role == FileRole::Log)
            .count()
    });
    let segments = segments.map(|count| format!(" in {}", counted(count as u64, "segment")));
    let log = format!(
        "{}{}, read at the next start",
        size(log),
        segments.unwrap_or_default()
    );
    details.line("log since", log);
}

fn table(what: &'static str, rows: &[ToldHeld]) -> Table {
    let mut table = Table::new([left(what), right("KEYS"), right("BYTES")]);
    for row in rows {
        table.row([row.name.clone(), row.keys.to_string(), row.bytes.to_string()]);
    }
    table
}
