//! Reading a command's arguments.
//!
//! `Arguments` walks over them once, from left to right; options are recognised without regard to case. Numbers are
//! as strict as Redis's own parser.

use super::reply::Refusal;

/// The arguments of one command that are still unread.
#[derive(Clone, Debug)]
pub(super) struct Arguments<'a> {
    rest: &'a [Vec<u8>],
}

impl<'a> Arguments<'a> {
    /// Everything after the command's name.
    pub(super) fn of(command: &'a [Vec<u8>]) -> Self {
        Self { rest: &command[1..] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without reading it.
    pub(super) fn rest(&self) -> &'a [Vec<u8>] {
        self.rest
    }

    /// The next argument; a missing one is a syntax error.
    pub(super) fn next(&mut self) -> Result<&'a Vec<u8>, Refusal> {
        let (first, rest) = self.rest.split_first().ok_or_else(Refusal::syntax)?;
        self.rest = rest;
        Ok(first)
    }

    pub(super) fn next_integer(&mut self) -> Result<i64, Refusal> {
        integer(self.next()?)
    }

    /// Reads the next argument if it is this option.
    pub(super) fn take(&mut self, option: &str) -> bool {
        let is_next = self.rest.first().is_some_and(|argument| is(argument, option));
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// The remaining arguments in pairs, if their number is even.
    pub(super) fn pairs(&self) -> Option<impl Iterator<Item = (&'a Vec<u8>, &'a Vec<u8>)> + use<'a>> {
        self.rest
            .len()
            .is_multiple_of(2)
            .then(|| self.rest.chunks_exact(2).map(|pair| (&pair[0], &pair[1])))
    }
}

/// Whether an argument is this word, in any case.
pub(super) fn is(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// A signed 64-bit integer in its one canonical spelling.
pub(super) fn integer(argument: &[u8]) -> Result<i64, Refusal> {
    canonical_integer(argument).ok_or_else(Refusal::not_an_integer)
}

pub(super) fn canonical_integer(argument: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(argument).ok()?.parse().ok()?;
    // The parser of Rust also takes `+1` and `007`.
    (number.to_string().as_bytes() == argument).then_some(number)
}

/// A finite or infinite number; anything else is refused with `message`.
pub(super) fn float(argument: &[u8], message: &str) -> Result<f64, Refusal> {
    let number = std::str::from_utf8(argument)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    // Adding zero makes one zero of the two.
    number
        .filter(|number| !number.is_nan())
        .map(|number| number + 0.0)
        .ok_or_else(|| Refusal::err(message))
}

/// The positions from `start` to `stop` (both included, negative ones counted from the end) in `length` elements.
pub(super) fn span(start: i64, stop: i64, length: usize) -> std::ops::Range<usize> {
    let length = i64::try_from(length).expect("no collection is that long");
    let absolute = |index: i64| {
        if index < 0 {
            length.saturating_add(index)
        } else {
            index
        }
    };
    let from = absolute(start).max(0);
    let to = absolute(stop).min(length - 1) + 1;
    if from >= to {
        return 0..0;
    }
    let position = |index: i64| usize::try_from(index).expect("the index was clamped to the collection");
    position(from)..position(to)
}
