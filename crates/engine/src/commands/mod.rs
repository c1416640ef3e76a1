//! The table of all commands.
//!
//! Each family has its file and its part of the table. A row says how a command is called, what it does to keys and
//! where its keys are; the function behind it gets a context and the arguments, and returns its answer.
//! Next: `../context.rs`, `../execute.rs`.

mod bits;
mod clients;
mod command_info;
mod configuration;
pub(crate) mod connection;
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
pub(crate) use transactions::MOST_QUEUED;

use std::sync::LazyLock;

use hashbrown::HashMap;

use crate::arguments::{Args, is, shown};
use crate::context::Ctx;
use crate::reply::{Answer, Fault, Reply};

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
    pub(crate) subcommands: &'static [Subcommand],
    pub(crate) run: Run,
    /// Which row of the whole table it is.
    pub(crate) place: usize,
}

/// A subcommand's name in lower case and its arity, the command's name included.
pub(crate) type Subcommand = (&'static str, i8);

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
            subcommands: &[],
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

    /// Its first argument is one of these words.
    pub(crate) const fn subcommands(mut self, subcommands: &'static [Subcommand]) -> Self {
        self.subcommands = subcommands;
        self
    }

    pub(crate) const fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// Whether it runs a script, which may reach any key.
    pub(crate) fn runs_script(&self) -> bool {
        self.name.starts_with("eval")
    }

    /// Checks the number of arguments, and the subcommand if it has some.
    pub(crate) fn check(&self, args: Args<'_>) -> Result<(), Fault> {
        if !takes(self.arity, args.len()) {
            return Err(Fault::arity(self.name));
        }
        if self.subcommands.is_empty() || args.len() == 1 {
            return Ok(());
        }
        let verb = args.at(1);
        let row = self.subcommands.iter().find(|(name, _)| is(verb, name));
        let Some((_, arity)) = row else {
            return Err(unknown_subcommand(&self.name.to_uppercase(), verb));
        };
        if takes(*arity, args.len()) {
            Ok(())
        } else {
            Err(subcommand_arity(self.name, verb))
        }
    }

    /// Whether it has the subcommand it is called with, if it is called with any.
    fn knows_subcommand(&self, args: Args<'_>) -> bool {
        let verb = args.at(1);
        self.subcommands.is_empty()
            || args.len() == 1
            || self.subcommands.iter().any(|(name, _)| is(verb, name))
    }

    /// Its name, with that of the subcommand if it has some.
    pub(crate) fn full_name(&self, args: Args<'_>) -> String {
        if self.subcommands.is_empty() || args.len() == 1 {
            return self.name.to_owned();
        }
        format!("{}|{}", self.name, shown(args.at(1)).to_lowercase())
    }
}

fn takes(arity: i8, count: usize) -> bool {
    let wanted = usize::from(arity.unsigned_abs());
    if arity < 0 {
        count >= wanted
    } else {
        count == wanted
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
fn help(lines: &[&'static str]) -> Reply {
    Reply::Array(lines.iter().map(|line| Reply::status(line)).collect())
}

/// The refusal of a subcommand that does not exist; `command` in upper case.
fn unknown_subcommand(command: &str, verb: &[u8]) -> Fault {
    let verb = shown(verb.get(..128).unwrap_or(verb));
    Fault::err(format!("unknown subcommand '{verb}'. Try {command} HELP."))
}

/// The refusal of a subcommand with too few or too many arguments; `command` in lower case.
fn subcommand_arity(command: &str, verb: &[u8]) -> Fault {
    let verb = shown(verb).to_lowercase();
    Fault::arity(&format!("{command}|{verb}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The page, and what it says is not here.
    fn page() -> (&'static str, &'static str) {
        include_str!("../../COMMANDS.md")
            .split_once("## Not here")
            .expect("the page ends with what is not here")
    }

    /// Words in backticks, as long as nothing else stands between them.
    fn names(text: &str) -> impl Iterator<Item = String> {
        text.split('`').skip(1).step_by(2).map(str::to_lowercase)
    }

    #[test]
    fn the_page_of_commands_names_every_command_once_and_no_other() {
        let rows = page().0.lines().filter(|line| line.starts_with("| `"));
        let written: Vec<String> = rows
            .flat_map(|row| names(row.split('|').nth(1).unwrap_or_default()))
            .collect();
        let distinct: BTreeSet<String> = written.iter().cloned().collect();
        assert_eq!(distinct.len(), written.len(), "a command stands twice");
        let known: BTreeSet<String> = super::all().map(|command| command.name.to_owned()).collect();
        assert_eq!(distinct, known);
    }

    #[test]
    fn what_the_page_says_is_not_here_is_unknown() {
        let absent: Vec<String> = names(page().1).collect();
        assert!(!absent.is_empty());
        for name in absent {
            assert!(super::find(name.as_bytes()).is_none(), "{name} is here");
        }
    }
}
