//! INFO: the engine in figures.
//!
//! The names are Redis's, so that existing dashboards and clients find what they look for; what has no meaning here
//! is left out.

use super::Command;
use crate::arguments::{Args, is};
use crate::context::Ctx;
use crate::core::Core;
use crate::journal::{Fsync, JournalStatus, Link};
use crate::reply::{Answer, Reply};

pub(super) const COMMANDS: &[Command] = &[Command::other("info", -1, info)];

type Section = fn(&Core) -> String;

/// The sections, and whether one is shown without being asked for.
const SECTIONS: &[(&str, bool, Section)] = &[
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, memory),
    ("Persistence", true, persistence),
    ("Stats", true, stats),
    ("Replication", true, replication),
    ("Modules", true, |_| String::new()),
    ("Commandstats", false, command_stats),
    ("Errorstats", true, error_stats),
    ("Cluster", true, |_| line("cluster_enabled", 0)),
    ("Keyspace", true, keyspace),
];

fn info(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let wanted = args.tail(1);
    let all = wanted
        .iter()
        .any(|word| is(word, "all") || is(word, "everything"));
    let default = wanted.is_empty() || wanted.iter().any(|word| is(word, "default"));
    let sections = SECTIONS.iter().filter(|(name, by_default, _)| {
        all || (default && *by_default) || wanted.iter().any(|word| is(word, name))
    });
    let texts: Vec<String> = sections
        .map(|(name, _, text)| format!("# {name}\r\n{}", text(ctx.core)))
        .collect();
    Ok(Reply::Verbatim(texts.join("\r\n")))
}

fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name}:{value}\r\n")
}

fn server(core: &Core) -> String {
    let uptime = core.now().saturating_sub(core.stats.started_at) / 1000;
    [
        line("redis_version", super::connection::REDIS_VERSION),
        line("redis_mode", "standalone"),
        line("server_name", "oxherd-engine"),
        line("engine_version", env!("CARGO_PKG_VERSION")),
        line("os", std::env::consts::OS),
        line("arch_bits", usize::BITS),
        line("process_id", std::process::id()),
        line("tcp_port", 0),
        line("server_time_usec", core.now_micros()),
        line("uptime_in_seconds", uptime),
        line("uptime_in_days", uptime / 86_400),
        line("hz", 10),
        line("configured_hz", 10),
    ]
    .concat()
}

fn clients(core: &Core) -> String {
    [
        // The client that asks is not in its seat, but counted.
        line("connected_clients", core.clients.count()),
        line("cluster_connections", 0),
        line("maxclients", core.config.max_clients),
        line("blocked_clients", core.blocked.count()),
        line("tracking_clients", core.tracking.clients()),
    ]
    .concat()
}

fn memory(core: &Core) -> String {
    let used = core.data_memory();
    let peak = core.stats.peak_memory.max(used);
    let process = process_memory(used);
    [
        line("used_memory", used),
        line("used_memory_human", human(used)),
        line("used_memory_peak", peak),
        line("used_memory_peak_human", human(peak)),
        line("used_memory_dataset", used),
        line("used_memory_lua", core.scripts.memory()),
        line("used_memory_vm_total", core.scripts.memory()),
        line("number_of_cached_scripts", core.scripts.len()),
        line("maxmemory", core.config.max_memory),
        line("maxmemory_human", human(core.config.max_memory)),
        line("maxmemory_policy", "noeviction"),
        line("mem_allocator", "system"),
        process,
    ]
    .concat()
}

/// What the system says of this process and its memory, where it does.
#[cfg(target_os = "linux")]
#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn process_memory(used: usize) -> String {
    let kibibytes = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let row = text
            .lines()
            .find_map(|row| row.strip_prefix(name)?.strip_prefix(':'))?;
        row.trim().strip_suffix(" kB")?.parse::<usize>().ok()
    };
    let mut text = String::new();
    if let Some(resident) = kibibytes("/proc/self/status", "VmRSS") {
        let resident = resident * 1024;
        text += &line("used_memory_rss", resident);
        text += &line("used_memory_rss_human", human(resident));
        let ratio = resident as f64 / used.max(1) as f64;
        text += &line("mem_fragmentation_ratio", format_args!("{ratio:.2}"));
    }
    if let Some(total) = kibibytes("/proc/meminfo", "MemTotal") {
        text += &line("total_system_memory", total * 1024);
        text += &line("total_system_memory_human", human(total * 1024));
    }
    text
}

#[cfg(not(target_os = "linux"))]
fn process_memory(_used: usize) -> String {
    String::new()
}

#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn human(bytes: usize) -> String {
    let units = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    for (unit, letter) in units {
        if bytes >= unit {
            return format!("{:.2}{letter}", bytes as f64 / unit as f64);
        }
    }
    format!("{bytes}B")
}

fn persistence(core: &Core) -> String {
    let journal = core.journal().map(Link::status);
    let is = |say: fn(&JournalStatus) -> bool| u8::from(journal.as_ref().is_some_and(say));
    let status = |has_failed: u8| if has_failed == 0 { "ok" } else { "err" };
    let text = [
        line("loading", is(|journal| journal.is_loading)),
        line("async_loading", 0),
        line("rdb_bgsave_in_progress", 0),
        line("aof_enabled", is(|_| true)),
        line("aof_rewrite_in_progress", is(|journal| journal.is_taking_image)),
        line(
            "aof_last_bgrewrite_status",
            status(is(|journal| journal.has_image_failed)),
        ),
        line(
            "aof_last_write_status",
            status(is(|journal| journal.error.is_some())),
        ),
    ];
    text.concat() + &journal.as_ref().map(directory).unwrap_or_default()
}

/// What there is to say of an engine in a directory alone.
fn directory(journal: &JournalStatus) -> String {
    let fsync = match journal.fsync {
        Fsync::Always => "always",
        Fsync::EverySecond => "everysec",
        Fsync::Never => "never",
    };
    [
        line("aof_current_size", journal.log_bytes),
        line("aof_base_size", journal.image_bytes),
        line("oxherd_fsync", fsync),
        line("oxherd_journal_error", journal.error.as_deref().unwrap_or("")),
        line("oxherd_journal_commits", journal.commits),
        line("oxherd_journal_bytes_written", journal.bytes_written),
        line("oxherd_journal_bytes_changed", journal.bytes_changed),
        line("oxherd_journal_sync_p50_us", journal.sync_p50.as_micros()),
        line("oxherd_journal_sync_p99_us", journal.sync_p99.as_micros()),
    ]
    .concat()
}

fn stats(core: &Core) -> String {
    let stats = &core.stats;
    [
        line("total_connections_received", stats.connections),
        line("total_commands_processed", stats.commands),
        line("rejected_connections", stats.rejected_connections),
        line("expired_keys", stats.expired),
        line("evicted_keys", 0),
        line("keyspace_hits", stats.hits),
        line("keyspace_misses", stats.misses),
        line("pubsub_channels", core.pubsub.channels.len()),
        line("pubsub_patterns", core.pubsub.patterns.len()),
        line("tracking_total_keys", core.tracking.keys()),
        line("total_error_replies", stats.errors),
    ]
    .concat()
}

fn replication(_core: &Core) -> String {
    [
        line("role", "master"),
        line("connected_slaves", 0),
        line("master_repl_offset", 0),
    ]
    .concat()
}

#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn command_stats(core: &Core) -> String {
    let lines = core.stats.called().into_iter().map(|(name, calls)| {
        let micros = calls.nanos / 1000;
        let each = calls.nanos as f64 / 1000.0 / calls.calls.max(1) as f64;
        line(
            &format!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={micros},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
                calls.calls, calls.rejected, calls.failed
            ),
        )
    });
    lines.collect()
}

fn error_stats(core: &Core) -> String {
    let mut rows: Vec<_> = core.stats.errors_by_code.iter().collect();
    rows.sort();
    rows.into_iter()
        .map(|(code, count)| line(&format!("errorstat_{code}"), format_args!("count={count}")))
        .collect()
}

fn keyspace(core: &Core) -> String {
    let now = core.now();
    let databases = core
        .databases()
        .iter()
        .enumerate()
        .filter(|(_, database)| database.len() > 0);
    let lines = databases.map(|(index, database)| {
        let (keys, volatile) = (database.len(), database.volatile());
        let average = database.average_time_to_live(now);
        line(
            &format!("db{index}"),
            format_args!("keys={keys},expires={volatile},avg_ttl={average}"),
        )
    });
    lines.collect()
}
