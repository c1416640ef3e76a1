//! CONFIG: the settings one may read, and the few one may change while the engine runs.
//!
//! A setting that nothing here acts on cannot be changed: to accept it would be to promise it.

use std::time::Duration;

use super::{Command, Subcommand, flag};
use crate::arguments::{Args, is, shown};
use crate::context::Ctx;
use crate::core::Core;
use crate::glob;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[Command::other("config", -2, config)
    .subcommands(CONFIG_SUBCOMMANDS)
    .with(flag::ADMIN | flag::NO_SCRIPT)];

const CONFIG_SUBCOMMANDS: &[Subcommand] = &[
    ("get", -3),
    ("set", -4),
    ("resetstat", 2),
    ("rewrite", 2),
    ("help", 2),
];

/// Settings that say how the engine is made, with Redis's names.
const FIXED: &[(&str, &str)] = &[
    ("activedefrag", "no"),
    ("appendfsync", "everysec"),
    ("appendonly", "no"),
    ("hash-max-listpack-entries", "128"),
    ("hash-max-listpack-value", "64"),
    ("hash-max-ziplist-entries", "128"),
    ("hash-max-ziplist-value", "64"),
    ("hz", "10"),
    ("list-compress-depth", "0"),
    ("list-max-listpack-size", "-2"),
    ("maxmemory-policy", "noeviction"),
    ("notify-keyspace-events", ""),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
    ("set-max-intset-entries", "512"),
    ("slowlog-log-slower-than", "-1"),
    ("slowlog-max-len", "0"),
    ("stream-node-max-bytes", "4096"),
    ("stream-node-max-entries", "100"),
    ("timeout", "0"),
    ("tracking-table-max-keys", "1000000"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("zset-max-ziplist-entries", "128"),
    ("zset-max-ziplist-value", "64"),
];

/// Settings one may change.
const LIVE: &[&str] = &[
    "busy-reply-threshold",
    "databases",
    "lua-time-limit",
    "maxclients",
    "maxmemory",
    "requirepass",
];

/// What CONFIG SET maxclients takes at most.
const MOST_CLIENTS: usize = u32::MAX as usize;

const HELP: &[&str] = &[
    "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
    "HELP",
    "    Prints this help.",
];

fn config(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "get") => Ok(get(ctx.core, args.tail(2))),
        verb if is(verb, "set") => set(ctx, args.tail(2)),
        verb if is(verb, "resetstat") => {
            ctx.core.stats.reset();
            Ok(Reply::OK)
        }
        verb if is(verb, "rewrite") => Err(Fault::of("ERR The server is running without a config file")),
        _ => Ok(super::help(HELP)),
    }
}

fn live_value(core: &Core, name: &str) -> String {
    match name {
        "databases" => core.database_count().to_string(),
        "maxclients" => core.config.max_clients.to_string(),
        "maxmemory" => core.config.max_memory.to_string(),
        "requirepass" => String::from_utf8_lossy(&core.config.password).into_owned(),
        _ => core.config.busy_after.as_millis().to_string(),
    }
}

fn get(core: &Core, patterns: &[&[u8]]) -> Reply {
    let matches = |name: &str| {
        patterns
            .iter()
            .any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let live = LIVE.iter().map(|name| (*name, live_value(core, name)));
    let fixed = FIXED.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let mut found: Vec<(&str, String)> = live.chain(fixed).filter(|(name, _)| matches(name)).collect();
    found.sort();
    Reply::Map(
        found
            .into_iter()
            .map(|(name, value)| (Reply::bulk(name), Reply::bulk(value)))
            .collect(),
    )
}

fn set(ctx: &mut Ctx<'_>, pairs: &[&[u8]]) -> Answer {
    if !pairs.len().is_multiple_of(2) {
        return Err(Fault::SYNTAX);
    }
    // All or none: the settings are tried on a copy.
    let mut config = ctx.core.config.clone();
    let mut seen: Vec<String> = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let [name, value] = pair else {
            continue;
        };
        let spelt = shown(name);
        let name = spelt.to_lowercase();
        let fixed = FIXED.iter().find(|(known, _)| **known == name);
        let refused = |reason: &str| {
            Fault::err(format!(
                "CONFIG SET failed (possibly related to argument '{name}') - {reason}"
            ))
        };
        if seen.contains(&name) {
            return Err(refused("duplicate parameter"));
        }
        seen.push(name.clone());
        match name.as_str() {
            "maxmemory" => {
                config.max_memory = bytes(value).ok_or_else(|| refused("argument must be a memory value"))?;
            }
            "requirepass" => config.password = value.to_vec(),
            "busy-reply-threshold" | "lua-time-limit" => {
                let millis = number::parse_int(value).and_then(|millis| u64::try_from(millis).ok());
                let millis = millis.ok_or_else(|| refused("argument couldn't be parsed into an integer"))?;
                config.busy_after = Duration::from_millis(millis);
            }
            "maxclients" => {
                let count = number::parse_int(value).and_then(|count| usize::try_from(count).ok());
                config.max_clients = count
                    .filter(|count| (1..=MOST_CLIENTS).contains(count))
                    .ok_or_else(|| refused("argument must be between 1 and 4294967295 inclusive"))?;
            }
            "databases" => return Err(refused("can't set immutable config")),
            _ if fixed.is_some_and(|(_, current)| current.as_bytes() == *value) => {}
            _ if fixed.is_some() => {
                return Err(refused("this engine has no other value for it"));
            }
            _ => {
                return Err(Fault::err(format!(
                    "Unknown option or number of arguments for CONFIG SET - '{spelt}'"
                )));
            }
        }
    }
    ctx.core.configure(config);
    Ok(Reply::OK)
}

/// A number of bytes, possibly with a unit: `100mb`.
fn bytes(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let scale = match text.get(digits.len()..)? {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<usize>().ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn a_write_beyond_the_memory_limit_is_refused_and_reads_go_on() {
        let session = Session::new();
        session.ask("SET big xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        assert_eq!(session.ask("CONFIG SET maxmemory 1"), Reply::OK);
        let refusal = session.ask("SET other x");
        assert!(
            matches!(refusal, Reply::Error(fault) if fault.text() == "OOM command not allowed when used memory > 'maxmemory'.")
        );
        assert!(!session.ask("GET big").is_error());
        assert_eq!(session.ask("DEL big"), Reply::Int(1));
        assert_eq!(session.ask("SET other x"), Reply::OK);
    }

    #[test]
    fn a_setting_that_does_nothing_cannot_be_changed() {
        let session = Session::new();
        assert!(session.ask("CONFIG SET notify-keyspace-events KEA").is_error());
        assert!(session.ask("CONFIG SET maxmemory-policy allkeys-lru").is_error());
        assert_eq!(session.ask("CONFIG SET maxmemory-policy noeviction"), Reply::OK);
        assert_eq!(session.ask("CONFIG SET maxmemory 1mb"), Reply::OK);
        let pair = (Reply::bulk("maxmemory"), Reply::bulk("1048576"));
        assert_eq!(session.ask("CONFIG GET maxmemory"), Reply::Map(vec![pair]));
    }
}
