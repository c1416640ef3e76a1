//! COMMAND: the table of commands, as clients and redis-cli ask for it.

use super::{Command, Keys, Subcommand, flag};
use crate::arguments::{Args, is};
use crate::context::Ctx;
use crate::glob;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] =
    &[Command::other("command", -1, command).subcommands(COMMAND_SUBCOMMANDS)];

const COMMAND_SUBCOMMANDS: &[Subcommand] = &[
    ("count", 2),
    ("list", -2),
    ("info", -2),
    ("docs", -2),
    ("getkeys", -4),
    ("help", 2),
];

const HELP: &[&str] = &[
    "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "(no subcommand)",
    "    Return details about all commands.",
    "COUNT",
    "    Return the total number of commands.",
    "LIST",
    "    Return a list of all commands.",
    "INFO [<command-name> ...]",
    "    Return details about multiple commands.",
    "DOCS [<command-name> ...]",
    "    Return the names of multiple commands; there are no texts here.",
    "GETKEYS <full-command>",
    "    Return the keys from a full command.",
    "HELP",
    "    Prints this help.",
];

fn command(_ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() == 1 {
        return Ok(Reply::Array(super::all().map(describe).collect()));
    }
    let rest = args.tail(2);
    match args.at(1) {
        verb if is(verb, "count") => Ok(Reply::count(super::all().count())),
        verb if is(verb, "list") => list(rest),
        verb if is(verb, "info") && rest.is_empty() => Ok(Reply::Array(super::all().map(describe).collect())),
        verb if is(verb, "info") => {
            let rows = rest
                .iter()
                .map(|name| super::find(name).map_or(Reply::NilArray, describe));
            Ok(Reply::Array(rows.collect()))
        }
        verb if is(verb, "docs") => {
            let known: Vec<&Command> = if rest.is_empty() {
                super::all().collect()
            } else {
                rest.iter().filter_map(|name| super::find(name)).collect()
            };
            Ok(Reply::Map(known.into_iter().map(document).collect()))
        }
        verb if is(verb, "getkeys") => get_keys(Args::new(rest)),
        _ => Ok(super::help(HELP)),
    }
}

fn list(rest: &[&[u8]]) -> Answer {
    let pattern = match rest {
        [] => None,
        // Its letters match in either case.
        [filter, kind, pattern] if is(filter, "filterby") && is(kind, "pattern") => {
            Some(pattern.to_ascii_lowercase())
        }
        _ => return Err(Fault::SYNTAX),
    };
    let names = super::all().map(|command| command.name);
    let wanted = names.filter(|name| {
        let name = name.as_bytes();
        pattern
            .as_ref()
            .is_none_or(|pattern| glob::matches(pattern, name))
    });
    Ok(Reply::bulks(wanted))
}

/// What there is to tell of a command beside its name: nothing but who keeps it.
fn document(command: &Command) -> (Reply, Reply) {
    (Reply::bulk(command.name), Reply::Map(Vec::new()))
}

fn describe(command: &Command) -> Reply {
    let flags = [
        (flag::WRITE, "write"),
        (flag::READ_ONLY, "readonly"),
        (flag::DENY_OOM, "denyoom"),
        (flag::ADMIN, "admin"),
        (flag::PUBSUB, "pubsub"),
        (flag::NO_SCRIPT, "noscript"),
        (flag::BLOCKING, "blocking"),
        (flag::FAST, "fast"),
        (flag::NO_AUTH, "no_auth"),
        (flag::NO_MULTI, "no_multi"),
    ];
    let mut flags: Vec<Reply> = flags
        .into_iter()
        .filter(|(flag, _)| command.has(*flag))
        .map(|(_, name)| Reply::status(name))
        .collect();
    // What has subcommands is a name only; COMMAND itself can be called without one.
    let is_container = !command.subcommands.is_empty() && command.arity == -2;
    if is_container {
        flags.clear();
    }
    let (first, last, step) = match command.keys {
        _ if is_container => (0, 0, 0),
        Keys::Range { first, last, step } => (first, last, step),
        Keys::None => (0, 0, 0),
        Keys::Counted { also, .. } if also > 0 => {
            flags.push(Reply::status("movablekeys"));
            (1, 1, 1)
        }
        Keys::Counted { .. } | Keys::Streams => {
            flags.push(Reply::status("movablekeys"));
            (0, 0, 0)
        }
        Keys::Sort => {
            flags.push(Reply::status("movablekeys"));
            (1, 1, 1)
        }
    };
    Reply::Array(vec![
        Reply::bulk(command.name),
        Reply::Int(i64::from(command.arity)),
        Reply::Set(flags),
        Reply::Int(i64::from(first)),
        Reply::Int(i64::from(last)),
        Reply::Int(i64::from(step)),
        Reply::Set(Vec::new()),
        Reply::Array(Vec::new()),
        Reply::Array(Vec::new()),
        Reply::Array(Vec::new()),
    ])
}

fn get_keys(args: Args<'_>) -> Answer {
    let command = super::find(args.at(0)).ok_or(Fault::of("ERR Invalid command specified"))?;
    if !command.knows_subcommand(args) {
        return Err(Fault::of("ERR Invalid command specified"));
    }
    if command.keys == Keys::None {
        return Err(Fault::of("ERR The command has no key arguments"));
    }
    if command.check(args).is_err() {
        return Err(Fault::of("ERR Invalid number of arguments specified for command"));
    }
    if let Keys::Counted { at, .. } = command.keys {
        let count = leading_number(args.at(at));
        // Scripts may do without keys.
        let may_lack_keys = command.name.starts_with("eval");
        let is_possible = |count: usize| count > 0 && count <= args.tail(at + 1).len();
        if !count.is_some_and(is_possible) {
            return match may_lack_keys {
                true => Ok(Reply::Array(Vec::new())),
                false => Err(Fault::of("ERR Invalid arguments specified for command")),
            };
        }
    }
    if command.keys == Keys::Streams && streams(args).is_none() {
        return Err(Fault::of("ERR Invalid arguments specified for command"));
    }
    let keys = keys_of(command, args);
    if keys.is_empty() && !matches!(command.keys, Keys::Counted { .. }) {
        return Err(Fault::of("ERR The command has no key arguments"));
    }
    Ok(Reply::bulks(keys))
}

/// The number an argument begins with, as C's `atoi` reads it; `None` when it is negative or too large.
fn leading_number(argument: &[u8]) -> Option<usize> {
    let is_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
    let start = argument.iter().position(|byte| !is_space(byte));
    let argument = argument.get(start?..)?;
    let argument = argument.strip_prefix(b"+").unwrap_or(argument);
    let end = argument.iter().position(|byte| !byte.is_ascii_digit());
    let digits = argument.get(..end.unwrap_or(argument.len()))?;
    usize::try_from(number::parse_int(digits)?).ok()
}

/// The keys among a command's arguments.
pub(crate) fn keys_of<'a>(command: &Command, args: Args<'a>) -> Vec<&'a [u8]> {
    match command.keys {
        Keys::None => Vec::new(),
        Keys::Range { first, last, step } => {
            let length = i64::try_from(args.len()).unwrap_or(i64::MAX);
            let last = if last < 0 {
                length + i64::from(last)
            } else {
                i64::from(last)
            };
            let first = usize::try_from(first).unwrap_or(0);
            let count = usize::try_from(last + 1).unwrap_or(0).saturating_sub(first);
            let step = usize::try_from(step).unwrap_or(1).max(1);
            args.tail(first)
                .iter()
                .take(count)
                .step_by(step)
                .copied()
                .collect()
        }
        Keys::Counted { at, also } => {
            let count = leading_number(args.at(at));
            let mut keys = Vec::new();
            if also > 0 {
                keys.push(args.at(also));
            }
            keys.extend(args.tail(at + 1).iter().take(count.unwrap_or(0)));
            keys
        }
        Keys::Streams => streams(args).unwrap_or_default().to_vec(),
        Keys::Sort => {
            let mut keys = vec![args.at(1)];
            keys.extend(stored_by_sort(args.tail(2)));
            keys
        }
    }
}

/// The streams that XREAD and XREADGROUP name behind the word STREAMS; `None` when there are none.
fn streams<'a>(args: Args<'a>) -> Option<&'a [&'a [u8]]> {
    // Where Redis begins to look for the word.
    let before = if args.is(0, "xreadgroup") { 4 } else { 1 };
    let words = args.tail(before);
    let start = words.iter().position(|word| is(word, "streams"))?;
    let rest = words.get(start + 1..)?;
    rest.get(..rest.len() / 2).filter(|streams| !streams.is_empty())
}

/// What the last STORE of SORT names; the values of other options are passed over.
fn stored_by_sort<'a>(options: &[&'a [u8]]) -> Option<&'a [u8]> {
    let (mut rest, mut stored) = (options, None);
    while let [option, values @ ..] = rest {
        let passed = match option {
            option if is(option, "limit") => 2,
            option if is(option, "get") || is(option, "by") => 1,
            _ => 0,
        };
        if is(option, "store")
            && let Some(key) = values.first()
        {
            stored = Some(*key);
        }
        rest = values.get(passed..).unwrap_or_default();
    }
    stored
}
