//! The table of all commands.
//!
//! Each family has its file and its part of the table. A row says how a command is called, what it does to keys and
//! where its keys are; the function behind it gets a context and the arguments, and returns its answer.
//! Next: `../context.rs`, `../execute.rs`.

mod bits;
mod clients;
mod command_info;
mod configuration;
mod connection;
mod cursor;
mod hashes;
mod hyperloglog;
mod info;
mod keys;
mod lcs;
mod lists;
mod pubsub;
mod scan;
mod scripting;
mod server;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

pub(crate) use command_info::keys_of;

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::arguments::Args;
use crate::context::Ctx;
use crate::reply::Answer;

/// Runs one command; the arity was checked.
pub(crate) type Run = fn(&mut Ctx<'_>, Args<'_>) -> Answer;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// In lower case.
    pub(crate) name: &'static str,
    /// How many arguments, the name included; a negative number is a minimum.
    pub(crate) arity: i8,
    pub(crate) flags: u16,
    pub(crate) keys: Keys,
    pub(crate) run: Run,
    /// Which row of the whole table it is.
    pub(crate) place: usize,
}

/// Where a command's keys are among its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    /// From the first to the last position (negative: counted from the end), every so many.
    Range {
        first: i8,
        last: i8,
        step: i8,
    },
    /// The argument at this position says how many keys follow it; `also` are keys before it (0 for none).
    Counted {
        at: usize,
        also: usize,
    },
    /// After the word STREAMS, the first half of the rest.
    Streams,
    /// The first argument, and what STORE names.
    Sort,
}

/// What a command does, as COMMAND INFO says it.
pub(crate) mod flag {
    pub(crate) const WRITE: u16 = 1;
    pub(crate) const READ_ONLY: u16 = 1 << 1;
    pub(crate) const DENY_OOM: u16 = 1 << 2;
    pub(crate) const ADMIN: u16 = 1 << 3;
    pub(crate) const PUBSUB: u16 = 1 << 4;
    pub(crate) const NO_SCRIPT: u16 = 1 << 5;
    pub(crate) const BLOCKING: u16 = 1 << 6;
    pub(crate) const FAST: u16 = 1 << 7;
    /// Works before AUTH.
    pub(crate) const NO_AUTH: u16 = 1 << 8;
    /// Is not queued between MULTI and EXEC but runs at once.
    pub(crate) const NOT_QUEUED: u16 = 1 << 9;
    /// Is refused between MULTI and EXEC.
    pub(crate) const NO_MULTI: u16 = 1 << 10;
    /// Ends with a unit of its own for each inner command (EXEC, EVAL).
    pub(crate) const NO_MONITOR: u16 = 1 << 11;
}

impl Command {
    const fn new(name: &'static str, arity: i8, flags: u16, run: Run) -> Self {
        Self {
            name,
            arity,
            flags,
            keys: Keys::None,
            run,
            place: 0,
        }
    }

    /// A command that changes keys.
    pub(crate) const fn write(name: &'static str, arity: i8, run: Run) -> Self {
        Self::new(name, arity, flag::WRITE, run)
    }

    /// A command that reads keys.
    pub(crate) const fn read(name: &'static str, arity: i8, run: Run) -> Self {
        Self::new(name, arity, flag::READ_ONLY, run)
    }

    /// A command that has nothing to do with keys.
    pub(crate) const fn other(name: &'static str, arity: i8, run: Run) -> Self {
        Self::new(name, arity, 0, run)
    }

    /// Adds flags.
    pub(crate) const fn with(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// May need memory: refused when there is no more.
    pub(crate) const fn grows(self) -> Self {
        self.with(flag::DENY_OOM)
    }

    /// Takes constant or logarithmic time.
    pub(crate) const fn fast(self) -> Self {
        self.with(flag::FAST)
    }

    /// Its first argument is its only key.
    pub(crate) const fn key(self) -> Self {
        self.keys(1, 1, 1)
    }

    /// Its keys are at these positions.
    pub(crate) const fn keys(mut self, first: i8, last: i8, step: i8) -> Self {
        self.keys = Keys::Range { first, last, step };
        self
    }

    /// A number of keys stands at a position and the keys behind it; `also` is another key before it, or 0.
    pub(crate) const fn counted_keys(mut self, at: usize, also: usize) -> Self {
        self.keys = Keys::Counted { at, also };
        self
    }

    /// Its keys stand elsewhere.
    pub(crate) const fn keys_at(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    pub(crate) const fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Whether it may be called with so many arguments, its name included.
    pub(crate) fn takes(&self, count: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 {
            count >= wanted
        } else {
            count == wanted
        }
    }
}

/// The commands of all families.
static TABLE: &[&[Command]] = &[
    bits::COMMANDS,
    clients::COMMANDS,
    command_info::COMMANDS,
    configuration::COMMANDS,
    connection::COMMANDS,
    hashes::COMMANDS,
    hyperloglog::COMMANDS,
    info::COMMANDS,
    keys::COMMANDS,
    lcs::COMMANDS,
    lists::COMMANDS,
    pubsub::COMMANDS,
    scan::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    sets::COMMANDS,
    sort::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
    transactions::COMMANDS,
];

type Names = HashMap<&'static [u8], &'static Command, foldhash::fast::FixedState>;

/// All rows, each with its place.
static ROWS: LazyLock<Vec<Command>> = LazyLock::new(|| {
    let rows = TABLE.iter().copied().flatten().copied().enumerate();
    rows.map(|(place, command)| Command { place, ..command })
        .collect()
});

static BY_NAME: LazyLock<Names> = LazyLock::new(|| {
    ROWS.iter()
        .map(|command| (command.name.as_bytes(), command))
        .collect()
});

/// Longer words are no commands.
const LONGEST_NAME: usize = 24;

/// Finds a command by name, in any case.
pub(crate) fn find(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; LONGEST_NAME];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    BY_NAME.get(&*lower).copied()
}

/// All commands, by family.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    ROWS.iter()
}

/// The answer of a HELP subcommand: one status a line.
fn help(lines: &[&'static str]) -> crate::reply::Reply {
    use crate::reply::Reply;
    Reply::Array(lines.iter().map(|line| Reply::status(line)).collect())
}

/// The refusal of a subcommand that does not exist; `command` in upper case.
fn unknown_subcommand(command: &str, verb: &[u8]) -> crate::reply::Fault {
    let verb = String::from_utf8_lossy(verb.get(..128).unwrap_or(verb)).replace(['\r', '\n'], " ");
    crate::reply::Fault::err(format!("unknown subcommand '{verb}'. Try {command} HELP."))
}

/// The refusal of a subcommand with too few or too many arguments; `command` in lower case.
fn subcommand_arity(command: &str, verb: &[u8]) -> crate::reply::Fault {
    let verb = String::from_utf8_lossy(verb).to_lowercase();
    crate::reply::Fault::arity(&format!("{command}|{verb}"))
}
