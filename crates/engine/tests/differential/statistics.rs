//! How many commands of which kind were compared.

use std::collections::BTreeMap;
use std::fmt;

use crate::frame::Frame;

#[derive(Default)]
pub(crate) struct Statistics {
    /// Replies and, of these, errors.
    commands: BTreeMap<String, (u64, u64)>,
    /// Runs without a conclusion, because the machine was slower than a deadline.
    pub(crate) late: u64,
}

impl Statistics {
    pub(crate) fn count(&mut self, name: &str, reply: &Frame) {
        let is_error = u64::from(reply.is_error());
        match self.commands.get_mut(name) {
            Some(counts) => *counts = (counts.0 + 1, counts.1 + is_error),
            None => {
                self.commands.insert(name.to_owned(), (1, is_error));
            }
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.commands.values().map(|(replies, _)| replies).sum()
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, (replies, errors)) in &self.commands {
            // Mutation makes up names of subcommands; each is rare.
            if *replies > 2 {
                write!(formatter, "{name} {replies} ({errors} errors), ")?;
            }
        }
        write!(formatter, "{} runs too slow to conclude", self.late)
    }
}
