//! Reading a command's arguments.
//!
//! `Args` is a borrowed view of all of them, the command's name at 0; `Options` walks over the tail once. Words are
//! recognised without regard to case; numbers are as strict as Redis's own parser.

use crate::number;
use crate::reply::Fault;

/// All arguments of one command, its name first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a> {
    all: &'a [&'a [u8]],
}

impl<'a> Args<'a> {
    pub(crate) fn new(all: &'a [&'a [u8]]) -> Self {
        Self { all }
    }

    /// How many there are, the command's name included.
    pub(crate) fn len(self) -> usize {
        self.all.len()
    }

    /// The argument at a position; empty when there is none (the table has checked the arity).
    pub(crate) fn at(self, index: usize) -> &'a [u8] {
        self.all.get(index).copied().unwrap_or_default()
    }

    /// Everything from a position on.
    pub(crate) fn tail(self, index: usize) -> &'a [&'a [u8]] {
        self.all.get(index..).unwrap_or_default()
    }

    /// All of them.
    pub(crate) fn all(self) -> &'a [&'a [u8]] {
        self.all
    }

    /// Whether the argument at a position is this word, in any case.
    pub(crate) fn is(self, index: usize, word: &str) -> bool {
        is(self.at(index), word)
    }

    /// The integer at a position.
    pub(crate) fn int(self, index: usize) -> Result<i64, Fault> {
        int(self.at(index))
    }

    /// Walks over the arguments from a position on.
    pub(crate) fn options(self, index: usize) -> Options<'a> {
        Options {
            rest: self.tail(index),
        }
    }
}

/// The arguments that are still unread, from left to right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    rest: &'a [&'a [u8]],
}

impl<'a> Options<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// What is left, without reading it.
    pub(crate) fn rest(&self) -> &'a [&'a [u8]] {
        self.rest
    }

    /// The next one without reading it.
    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.rest.first().copied()
    }

    /// The next one; a missing one is a syntax error.
    pub(crate) fn next(&mut self) -> Result<&'a [u8], Fault> {
        let (first, rest) = self.rest.split_first().ok_or(Fault::SYNTAX)?;
        self.rest = rest;
        Ok(first)
    }

    /// The next one as an integer.
    pub(crate) fn next_int(&mut self) -> Result<i64, Fault> {
        int(self.next()?)
    }

    /// Reads the next one if it is this word, in any case.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let is_next = self.peek().is_some_and(|argument| is(argument, word));
        if is_next {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        is_next
    }

    /// Reads the next one if it is this word and another argument follows it.
    pub(crate) fn take_with_value(&mut self, word: &str) -> Option<&'a [u8]> {
        let [first, value, rest @ ..] = self.rest else {
            return None;
        };
        if !is(first, word) {
            return None;
        }
        self.rest = rest;
        Some(value)
    }
}

/// An argument as an error shows it: Redis prints a C string on one line.
pub(crate) fn shown(argument: &[u8]) -> String {
    let text = argument.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).replace(['\r', '\n'], " ")
}

/// Whether an argument is this word, in any case.
pub(crate) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// A signed 64-bit integer in its one canonical spelling.
pub(crate) fn int(argument: &[u8]) -> Result<i64, Fault> {
    number::parse_int(argument).ok_or(Fault::NOT_AN_INTEGER)
}

/// A number that may be infinite but not NaN.
pub(crate) fn float(argument: &[u8]) -> Result<f64, Fault> {
    number::parse_float(argument).ok_or(Fault::NOT_A_FLOAT)
}

/// The positions from `start` to `stop` (both included, negative ones counted from the end) of `length` elements.
pub(crate) fn span(start: i64, stop: i64, length: usize) -> std::ops::Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let absolute = |index: i64| {
        if index < 0 {
            length.saturating_add(index)
        } else {
            index
        }
    };
    let from = absolute(start).max(0);
    let to = absolute(stop).min(length - 1).saturating_add(1);
    if from >= to {
        return 0..0;
    }
    usize::try_from(from).unwrap_or_default()..usize::try_from(to).unwrap_or_default()
}
