//! The engine as a whole: its databases, its time, its memory.
//!
//! INFO is in `info.rs`, CONFIG in `configuration.rs`, COMMAND in `command_info.rs`.

use super::{Command, Subcommand, flag};
use crate::arguments::{Args, is};
use crate::context::{Ctx, Origin};
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::read("dbsize", 1, dbsize).fast(),
    Command::write("flushdb", -1, flushdb),
    Command::write("flushall", -1, flushall),
    Command::write("swapdb", 3, swapdb).fast(),
    Command::other("time", 1, time).fast(),
    Command::read("memory", -2, memory)
        .subcommands(MEMORY_SUBCOMMANDS)
        .keys(2, 2, 1),
    Command::other("role", 1, role).fast().with(flag::NO_SCRIPT),
    Command::other("wait", 3, wait).with(flag::NO_SCRIPT),
    Command::other("lastsave", 1, lastsave).fast(),
    Command::other("monitor", 1, monitor).with(flag::ADMIN | flag::NO_SCRIPT),
    Command::other("slowlog", -2, slowlog)
        .subcommands(SLOWLOG_SUBCOMMANDS)
        .with(flag::ADMIN),
    Command::other("latency", -2, latency)
        .subcommands(LATENCY_SUBCOMMANDS)
        .with(flag::ADMIN | flag::NO_SCRIPT),
    Command::other("cluster", -2, cluster).with(flag::ADMIN),
    Command::other("acl", -2, acl)
        .subcommands(ACL_SUBCOMMANDS)
        .with(flag::NO_SCRIPT),
    Command::other("debug", -2, debug).with(flag::ADMIN | flag::NO_SCRIPT),
    Command::other("shutdown", -1, shutdown).with(flag::ADMIN | flag::NO_SCRIPT | flag::NO_MULTI),
];

const MEMORY_SUBCOMMANDS: &[Subcommand] = &[
    ("usage", -3),
    ("stats", 2),
    ("doctor", 2),
    ("purge", 2),
    ("malloc-stats", 2),
    ("help", 2),
];

const LATENCY_SUBCOMMANDS: &[Subcommand] = &[
    ("latest", 2),
    ("history", 3),
    ("histogram", -2),
    ("reset", -2),
    ("help", 2),
];

const SLOWLOG_SUBCOMMANDS: &[Subcommand] = &[("get", -2), ("len", 2), ("reset", 2), ("help", 2)];

const ACL_SUBCOMMANDS: &[Subcommand] = &[("whoami", 2), ("users", 2), ("help", 2)];

fn dbsize(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    let db = ctx.db_index();
    Ok(Reply::count(ctx.core.count_keys(db)))
}

fn flushdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    check_flush(args)?;
    let db = ctx.db_index();
    ctx.core.flush(db);
    Ok(Reply::OK)
}

fn flushall(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    check_flush(args)?;
    for db in 0..ctx.core.database_count() {
        ctx.core.flush(db);
    }
    Ok(Reply::OK)
}

fn check_flush(args: Args<'_>) -> Result<(), Fault> {
    match args.tail(1) {
        [] => Ok(()),
        [word] if is(word, "sync") || is(word, "async") => Ok(()),
        _ => Err(Fault::SYNTAX),
    }
}

fn swapdb(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let number = |index: usize, refusal: Fault| {
        let number = args.int(index).ok().and_then(|number| i32::try_from(number).ok());
        number.ok_or(refusal)
    };
    number(1, Fault::of("ERR invalid first DB index"))?;
    number(2, Fault::of("ERR invalid second DB index"))?;
    let first = super::keys::database_number(ctx, args.at(1))?;
    let second = super::keys::database_number(ctx, args.at(2))?;
    if first != second {
        ctx.core.swap_databases(first, second);
    }
    Ok(Reply::OK)
}

fn time(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    let micros = ctx.core.now_micros();
    Ok(Reply::bulks([
        (micros / 1_000_000).to_string(),
        (micros % 1_000_000).to_string(),
    ]))
}

const MEMORY_HELP: &[&str] = &[
    "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DOCTOR",
    "    Return memory problems reports.",
    "MALLOC-STATS",
    "    Return internal statistics report from the memory allocator.",
    "PURGE",
    "    Attempt to purge dirty pages for reclamation by the allocator.",
    "STATS",
    "    Return information about the memory usage of the engine.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return memory in bytes used by <key> and its value; the count is not needed here.",
    "HELP",
    "    Prints this help.",
];

fn memory(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "usage") => {
            let mut options = args.options(3);
            while !options.is_empty() {
                let count = options.take_with_value("SAMPLES").ok_or(Fault::SYNTAX)?;
                if crate::arguments::int(count)? < 0 {
                    return Err(Fault::SYNTAX);
                }
            }
            let key = args.at(2);
            let entry = ctx.peek(key);
            let bytes = entry.map(|entry| size_of_val(entry) + key.len() + entry.value.memory());
            Ok(bytes.map_or(Reply::Nil, Reply::count))
        }
        verb if is(verb, "stats") => Ok(memory_stats(ctx)),
        verb if is(verb, "doctor") => {
            Ok(Reply::Verbatim("Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on this base.\n".to_owned()))
        }
        verb if is(verb, "purge") => Ok(Reply::OK),
        verb if is(verb, "malloc-stats") => {
            Ok(Reply::bulk("Stats not supported for the current allocator"))
        }
        _ => Ok(super::help(MEMORY_HELP)),
    }
}

fn memory_stats(ctx: &mut Ctx<'_>) -> Reply {
    let data = ctx.core.data_memory();
    let keys: usize = ctx
        .core
        .databases()
        .iter()
        .map(crate::keyspace::Database::len)
        .sum();
    let peak = ctx.core.stats.peak_memory.max(data);
    let facts = [
        ("peak.allocated", Reply::count(peak)),
        ("total.allocated", Reply::count(data)),
        ("keys.count", Reply::count(keys)),
        (
            "keys.bytes-per-key",
            Reply::count(data.checked_div(keys).unwrap_or(0)),
        ),
        ("dataset.bytes", Reply::count(data)),
        (
            "clients.normal",
            Reply::count(ctx.core.clients.count() * size_of::<crate::client::Client>()),
        ),
    ];
    Reply::Map(facts.map(|(name, fact)| (Reply::bulk(name), fact)).into())
}

fn role(_ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    Ok(Reply::Array(vec![
        Reply::bulk("master"),
        Reply::Int(0),
        Reply::Array(Vec::new()),
    ]))
}

fn wait(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    args.int(1)?;
    crate::context::timeout_millis(args.at(2))?;
    // There are no replicas to wait for.
    Ok(Reply::Int(0))
}

fn lastsave(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    Ok(Reply::Int(
        i64::try_from(ctx.core.stats.started_at / 1000).unwrap_or(i64::MAX),
    ))
}

fn monitor(ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    if !ctx.client.takes_pushes {
        return Err(Fault::of(
            "ERR MONITOR isn't allowed for clients that take no pushes",
        ));
    }
    if matches!(ctx.origin, Origin::Transaction) {
        return Err(Fault::of("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if ctx.client.is_monitor {
        // Not answered a second time.
        return Ok(Reply::Several(Vec::new()));
    }
    ctx.client.is_monitor = true;
    ctx.core.monitors += 1;
    Ok(Reply::OK)
}

const SLOWLOG_HELP: &[&str] = &[
    "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GET [<count>]",
    "    Return top <count> entries from the slowlog: none, since none are kept here.",
    "LEN",
    "    Return the length of the slowlog: 0.",
    "RESET",
    "    Reset the slowlog.",
    "HELP",
    "    Prints this help.",
];

/// Slow commands are not kept; the log is always empty.
fn slowlog(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "get") => {
            if args.len() > 3 {
                return Err(super::subcommand_arity("slowlog", verb));
            }
            let is_count = args.len() == 2 || args.int(2).is_ok_and(|count| count >= -1);
            if !is_count {
                return Err(Fault::of("ERR count should be greater than or equal to -1"));
            }
            Ok(Reply::Array(Vec::new()))
        }
        verb if is(verb, "len") => Ok(Reply::Int(0)),
        verb if is(verb, "reset") => Ok(Reply::OK),
        _ => Ok(super::help(SLOWLOG_HELP)),
    }
}

const LATENCY_HELP: &[&str] = &[
    "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "HISTOGRAM [COMMAND ...]",
    "    Return a distribution of latencies: none is kept here.",
    "HISTORY <event>",
    "    Return time-latency samples for the <event> class: none are kept here.",
    "LATEST",
    "    Return the latest latency samples for all events: none are kept here.",
    "RESET [<event> ...]",
    "    Reset latency data of one or more <event> classes.",
    "HELP",
    "    Prints this help.",
];

/// Latency spikes are not kept; there are none to tell of.
fn latency(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "latest") || is(verb, "history") => Ok(Reply::Array(Vec::new())),
        verb if is(verb, "histogram") => Ok(Reply::Map(Vec::new())),
        verb if is(verb, "reset") => Ok(Reply::Int(0)),
        _ => Ok(super::help(LATENCY_HELP)),
    }
}

fn cluster(_ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    Err(Fault::of("ERR This instance has cluster support disabled"))
}

const ACL_HELP: &[&str] = &[
    "ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "USERS",
    "    List all the registered usernames: there is one.",
    "WHOAMI",
    "    Return the current connection username.",
    "HELP",
    "    Prints this help.",
];

fn acl(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "whoami") => Ok(Reply::bulk("default")),
        verb if is(verb, "users") => Ok(Reply::bulks(["default"])),
        _ => Ok(super::help(ACL_HELP)),
    }
}

fn debug(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "object") && args.len() == 3 => {
            let entry = ctx.peek(args.at(2)).ok_or(Fault::NO_SUCH_KEY)?;
            let (encoding, bytes) = (entry.value.encoding(), entry.value.memory());
            Ok(Reply::Simple(
                format!("Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:0 lru_seconds_idle:0").into(),
            ))
        }
        // Tests of clients switch it off and on; here expiry is exact either way.
        verb if is(verb, "set-active-expire") && args.len() == 3 => Ok(Reply::OK),
        verb => Err(super::unknown_subcommand("DEBUG", verb)),
    }
}

fn shutdown(_ctx: &mut Ctx<'_>, _args: Args<'_>) -> Answer {
    // The engine is part of a program; a client must not be able to end it.
    Err(Fault::of(
        "ERR SHUTDOWN is not supported: the engine stops with its program",
    ))
}
