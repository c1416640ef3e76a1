//! EVAL and its like: scripts that run as one unit of work.
//!
//! What a script changes it changes at once, and an error takes nothing back, as in Redis. A script that runs longer
//! than `busy-reply-threshold` is stopped if it has written nothing; one that has goes on until SCRIPT KILL.
//! Next: `../scripts.rs` (the table of scripts), `../lua/` (the machine).

use std::sync::Arc;

use super::{Command, Subcommand, flag};
use crate::arguments::{Args, is};
use crate::client::{Client, Protocol};
use crate::context::{Ctx, Origin};
use crate::core::Core;
use crate::lua::{Host, Limits};
use crate::reply::{Answer, Fault, Reply};
use crate::scripts::{NO_SCRIPT, NOT_BUSY, Scripts, Sha, sha_named};

const RUNNING: u16 = flag::NO_SCRIPT | flag::NO_MONITOR;

pub(super) const COMMANDS: &[Command] = &[
    Command::other("eval", -3, eval).with(RUNNING).counted_keys(2, 0),
    Command::other("evalsha", -3, evalsha)
        .with(RUNNING)
        .counted_keys(2, 0),
    Command::read("eval_ro", -3, eval_ro)
        .with(RUNNING)
        .counted_keys(2, 0),
    Command::read("evalsha_ro", -3, evalsha_ro)
        .with(RUNNING)
        .counted_keys(2, 0),
    Command::other("script", -2, script)
        .subcommands(SCRIPT_SUBCOMMANDS)
        .with(flag::NO_SCRIPT),
];

const SCRIPT_SUBCOMMANDS: &[Subcommand] = &[
    ("load", 3),
    ("exists", -3),
    ("flush", -2),
    ("kill", 2),
    ("help", 2),
];

/// Bytes that the scripts of an engine may hold together.
const LUA_MEMORY: usize = 1 << 30;

fn eval(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (keys, rest) = split(args)?;
    let sha = ctx.core.scripts.load(args.at(1))?;
    run(ctx, &sha, keys, rest, false)
}

fn evalsha(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let sha = sha_named(args.at(1)).ok_or(NO_SCRIPT)?;
    let (keys, rest) = split(args)?;
    run(ctx, &sha, keys, rest, false)
}

fn eval_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (keys, rest) = split(args)?;
    let sha = ctx.core.scripts.load(args.at(1))?;
    run(ctx, &sha, keys, rest, true)
}

fn evalsha_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let sha = sha_named(args.at(1)).ok_or(NO_SCRIPT)?;
    let (keys, rest) = split(args)?;
    run(ctx, &sha, keys, rest, true)
}

type Words<'a> = &'a [&'a [u8]];

/// The keys and the arguments of a script.
fn split(args: Args<'_>) -> Result<(Words<'_>, Words<'_>), Fault> {
    let count = args.int(2)?;
    let words = args.tail(3);
    if count > i64::try_from(words.len()).unwrap_or(i64::MAX) {
        return Err(Fault::of(
            "ERR Number of keys can't be greater than number of args",
        ));
    }
    let count = usize::try_from(count).map_err(|_| Fault::of("ERR Number of keys can't be negative"))?;
    words.split_at_checked(count).ok_or(Fault::SYNTAX)
}

fn run(ctx: &mut Ctx<'_>, sha: &Sha, keys: Words<'_>, rest: Words<'_>, is_read_only: bool) -> Answer {
    let flags = ctx.core.scripts.get(sha).ok_or(NO_SCRIPT)?.flags();
    if is_read_only && flags.declared && !flags.no_writes {
        return Err(Fault::of(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let limit = ctx.core.config.max_memory;
    let is_full = limit > 0 && ctx.core.data_memory() > limit;
    if flags.declared && is_full && !flags.allow_oom && !flags.no_writes {
        return Err(Fault::of(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        ));
    }
    let outside = Arc::clone(&ctx.core.outside);
    let running = &outside.running;
    let limits = Limits {
        busy_after: ctx.core.config.slow_after(),
        kill: running.killed(),
        memory: LUA_MEMORY,
    };
    // The scripts are out of the core while one runs, since the core is what it works on.
    let mut scripts: Scripts = std::mem::take(&mut ctx.core.scripts);
    let (protocol, db) = (ctx.client.protocol, ctx.client.db);
    ctx.core.is_in_script = true;
    ctx.client.protocol = Protocol::Resp2;
    if ctx.client.tracking.is_some() {
        ctx.client.script_keys = keys.iter().map(|key| (*key).into()).collect();
    }
    let volatile = ctx.core.volatile();
    let keeps_to_volatile = !keys.is_empty() && keys.iter().all(|key| volatile.covers(key));
    let mut host = ScriptHost {
        core: ctx.core,
        client: ctx.client,
        is_read_only: is_read_only || flags.no_writes,
        ignores_memory: !is_full || flags.allow_oom,
        keeps_to_volatile,
        has_written: false,
    };
    running.begin();
    let reply = scripts.run(sha, keys, rest, &mut host, &limits);
    running.end();
    ctx.core.is_in_script = false;
    ctx.client.protocol = protocol;
    ctx.client.db = db;
    ctx.client.script_keys = Vec::new();
    ctx.core.scripts = scripts;
    match reply {
        Reply::Error(fault) => Err(fault),
        reply => Ok(reply),
    }
}

/// What a script works on.
struct ScriptHost<'a> {
    core: &'a mut Core,
    client: &'a mut Client,
    is_read_only: bool,
    /// Memory is no matter: there is enough, or the script said so.
    ignores_memory: bool,
    /// All keys it was called with are volatile.
    keeps_to_volatile: bool,
    has_written: bool,
}

impl ScriptHost<'_> {
    fn admit(&self, args: Args<'_>) -> Result<&'static Command, Fault> {
        let command =
            super::find(args.at(0)).ok_or(Fault::of("ERR Unknown Redis command called from script"))?;
        command.check(args).map_err(|fault| {
            let is_unknown = fault.text().starts_with("ERR unknown subcommand");
            Fault::of(if is_unknown {
                "ERR Unknown Redis command called from script"
            } else {
                "ERR Wrong number of args calling Redis command from script"
            })
        })?;
        if command.has(flag::NO_SCRIPT) {
            return Err(Fault::of("ERR This Redis command is not allowed from script"));
        }
        if self.is_read_only && command.has(flag::WRITE) {
            return Err(Fault::of(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        if self.keeps_to_volatile {
            self.core.check_journal(command, args)?;
        } else {
            // Were it refused in its middle, what it did to volatile keys before would stay.
            self.core.check_kept(command)?;
        }
        // A script that has written may finish what it began.
        if !self.ignores_memory && !self.has_written && command.has(flag::DENY_OOM) {
            self.core.check_memory()?;
        }
        Ok(command)
    }
}

impl Host for ScriptHost<'_> {
    fn call(&mut self, args: &[&[u8]]) -> Reply {
        let args = Args::new(args);
        let command = match self.admit(args) {
            Ok(command) => command,
            Err(fault) => {
                // As in `Core::run`: it may be due to anything.
                self.core.widen();
                return Reply::Error(fault);
            }
        };
        self.has_written |= command.has(flag::WRITE);
        self.core.call(self.client, Origin::Script, command, args).0
    }

    fn log(&mut self, level: i64, message: &[u8]) {
        let message = String::from_utf8_lossy(message);
        match level {
            0 => tracing::debug!("script: {message}"),
            1 | 2 => tracing::info!("script: {message}"),
            _ => tracing::warn!("script: {message}"),
        }
    }

    fn has_written(&self) -> bool {
        self.has_written
    }

    fn set_resp(&mut self, version: u8) {
        self.client.protocol = if version == 3 {
            Protocol::Resp3
        } else {
            Protocol::Resp2
        };
    }

    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool> {
        super::find(args.first()?).map(|_| true)
    }
}

const HELP: &[&str] = &[
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "HELP",
    "    Prints this help.",
];

fn script(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    match args.at(1) {
        verb if is(verb, "load") => Ok(Reply::bulk(ctx.core.scripts.load(args.at(2))?)),
        verb if is(verb, "exists") => {
            let known = args
                .tail(2)
                .iter()
                .map(|name| sha_named(name).is_some_and(|sha| ctx.core.scripts.get(&sha).is_some()));
            Ok(Reply::Array(known.map(Reply::flag).collect()))
        }
        verb if is(verb, "flush") => match args.tail(2) {
            [] => Ok(flush(ctx)),
            [mode] if is(mode, "sync") || is(mode, "async") => Ok(flush(ctx)),
            _ => Err(Fault::of("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
        },
        // While a script runs, this command does not come here: it holds the lock.
        verb if is(verb, "kill") => Err(NOT_BUSY),
        _ => Ok(super::help(HELP)),
    }
}

fn flush(ctx: &mut Ctx<'_>) -> Reply {
    ctx.core.scripts.flush();
    Reply::OK
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests")]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use crate::engine::Options;
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn a_script_works_on_keys_and_an_error_takes_nothing_back() {
        let session = Session::new();
        let script = "redis.call('set',KEYS[1],ARGV[1]) return redis.call('get',KEYS[1])";
        assert_eq!(
            session.ask_args(&[b"EVAL", script.as_bytes(), b"1", b"k", b"v"]),
            Reply::bulk("v")
        );
        let script = "redis.call('set',KEYS[1],'w') error('no')";
        assert!(
            session
                .ask_args(&[b"EVAL", script.as_bytes(), b"1", b"k"])
                .is_error()
        );
        assert_eq!(session.ask("GET k"), Reply::bulk("w"));
    }

    #[test]
    fn a_script_is_known_by_its_sum_until_scripts_are_flushed() {
        let session = Session::new();
        let Reply::Bulk(sha) = session.ask_args(&[b"SCRIPT", b"LOAD", b"return 7"]) else {
            panic!("no name");
        };
        assert_eq!(session.ask_args(&[b"EVALSHA", &sha, b"0"]), Reply::Int(7));
        assert_eq!(
            session.ask_args(&[b"EVALSHA", &sha.to_ascii_uppercase(), b"0"]),
            Reply::Int(7)
        );
        session.ask("SCRIPT FLUSH");
        let refusal = session.ask_args(&[b"EVALSHA", &sha, b"0"]);
        assert!(matches!(refusal, Reply::Error(fault) if fault.code() == "NOSCRIPT"));
    }

    #[test]
    fn a_runaway_script_that_has_written_nothing_is_stopped() {
        let session = Session::with(Options::default().busy_after(Duration::from_millis(20)));
        let reply = session.ask_args(&[b"EVAL", b"while true do end", b"0"]);
        assert!(reply.is_error(), "{reply:?}");
        assert_eq!(session.ask("PING"), Reply::status("PONG"));
    }

    #[test]
    fn a_runaway_script_that_has_written_is_killed_by_hand_and_others_are_told_that_it_is_busy() {
        let session = Session::with(Options::default().busy_after(Duration::from_millis(20)));
        let other = session.other();
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let script = "redis.call('set','k','1') while true do end";
            done.send(session.ask_args(&[b"EVAL", script.as_bytes(), b"0"]))
                .unwrap();
        });
        let is_busy = |reply: &Reply| matches!(reply, Reply::Error(fault) if fault.code() == "BUSY");
        while !is_busy(&other.ask("GET k")) {}
        assert_eq!(other.ask("SCRIPT KILL"), Reply::OK);
        assert!(ended.recv().unwrap().is_error());
        assert_eq!(other.ask("GET k"), Reply::bulk("1"));
        assert!(matches!(other.ask("SCRIPT KILL"), Reply::Error(fault) if fault.code() == "NOTBUSY"));
    }

    #[test]
    fn without_a_threshold_no_script_is_slow() {
        let session = Session::new();
        assert_eq!(session.ask("CONFIG SET busy-reply-threshold 0"), Reply::OK);
        let reply = session.ask_args(&[b"EVAL", b"for i = 1, 3000000 do end return 1", b"0"]);
        assert_eq!(reply, Reply::Int(1));
        let pair = (Reply::bulk("busy-reply-threshold"), Reply::bulk("0"));
        assert_eq!(
            session.ask("CONFIG GET busy-reply-threshold"),
            Reply::Map(vec![pair])
        );
    }
}
