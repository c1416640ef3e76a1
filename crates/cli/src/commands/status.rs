//! `oxherd status`: the store and all queues at a glance.

use oxherd_server::view::{CacheStatus, PersistenceStatus, Status};

use crate::args::Global;
use crate::commands::queue::table_of;
use crate::connect;
use crate::exit::{Code, Failure};
use crate::output::{Details, Output};

pub(crate) async fn run(global: &Global, output: &Output) -> Result<(), Failure> {
    let view = connect::view(global, output).await?;
    let status = view.status().await;
    if output.is_json() {
        output.json(&*status)?;
    } else {
        output.text(&store_of(&status))?;
        if !status.queues.is_empty() {
            output.text("\n")?;
            output.table(&table_of(&status.queues))?;
        }
    }
    match &status.store.problem {
        Some(problem) if !status.store.connected => {
            let failure = Failure::new(
                Code::Unreachable,
                format!("store {} stopped answering", status.store.url),
            );
            Err(failure.because(problem.as_str()))
        }
        _ => match &status.store.writes_refused {
            Some(reason) => {
                let failure = Failure::failed(format!("store {} refuses writes", status.store.url));
                Err(failure.because(reason.as_str()))
            }
            None => Ok(()),
        },
    }
}

fn store_of(status: &Status) -> String {
    let store = &status.store;
    let mut details = Details::default();
    details.line("store", store.url.as_str());
    details.line("prefix", store.prefix.as_str());
    details.line("server", format!("{} {}", store.product, store.version));
    if !matches!(store.eviction_policy.as_str(), "" | "noeviction") {
        details.line(
            "warning",
            format!(
                "maxmemory-policy is {}: the server may drop jobs when its memory is full; set noeviction",
                store.eviction_policy
            ),
        );
    }
    details.line(
        "connection",
        match store.round_trip_ms {
            Some(took) => format!("answers in {took:.1} ms"),
            None => "does not answer".to_owned(),
        },
    );
    if store.writes_refused.is_some() {
        details.line("writes", "refused");
    }
    if let Some(disk) = store.persistence.as_ref().and_then(disk_of) {
        details.line("disk", disk);
    }
    let cache = &status.cache;
    if cache.processes > 0 || !cache.namespaces.is_empty() {
        details.line("cache", cache_of(cache));
        for warning in &cache.warnings {
            details.line("warning", format!("cache: {warning}"));
        }
    }
    details.line("queues", status.queues.len().to_string());
    details.render()
}

/// How the caches of all processes do.
fn cache_of(cache: &CacheStatus) -> String {
    let rate = match cache.hit_rate {
        Some(rate) => format!("{:.1} % hits", rate * 100.0),
        None => "no reads yet".to_owned(),
    };
    let state = if cache.connected { "" } else { ", none connected" };
    format!(
        "{rate}, {:.1} reads a second, {} namespaces, {} processes{state}",
        cache.reads_per_second,
        cache.namespaces.len(),
        cache.processes
    )
}

/// How much of the disk a directory has, and how it is synced.
fn disk_of(persistence: &PersistenceStatus) -> Option<String> {
    let megabytes = |bytes: u64| format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10);
    let mut text = format!("log {}", megabytes(persistence.log_bytes?));
    if let Some(image) = persistence.image_bytes.filter(|bytes| *bytes > 0) {
        text += &format!(", image {}", megabytes(image));
    }
    if let Some(fsync) = &persistence.fsync {
        text += &format!(", fsync {fsync}");
    }
    if persistence.image_failed {
        text += "; the last image could not be written, so the log goes on growing";
    }
    Some(text)
}
