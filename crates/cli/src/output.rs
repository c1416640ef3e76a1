//! What the user sees: tables for people, JSON for programs, failures on stderr.
//!
//! Results go to stdout and nothing else does: notes, progress and failures go to stderr. A reader who goes away is
//! an error here and a quiet end in `main`. Colour is only used on a terminal, and never when `NO_COLOR` is set.
//! Next: `output/table.rs` (columns), `output/details.rs` (one thing), `output/text.rs` (what may reach a terminal).

mod boot;
mod details;
mod table;
mod text;
mod time;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

pub(crate) use boot::BootLine;
pub(crate) use details::Details;
pub(crate) use table::{Table, left, right};
pub(crate) use time::{length, moment};

use crate::args::Format;
use crate::exit::Failure;

/// A failure as JSON.
#[derive(Serialize)]
struct Told<'a> {
    error: ToldFailure<'a>,
}

#[derive(Serialize)]
struct ToldFailure<'a> {
    code: &'static str,
    exit: u8,
    message: &'a str,
    causes: &'a [String],
    help: Option<&'a str>,
}

impl<'a> From<&'a Failure> for ToldFailure<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            code: failure.code().name(),
            exit: failure.code().number(),
            message: failure.message(),
            causes: failure.causes(),
            help: failure.remedy(),
        }
    }
}

/// Where results and failures go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    is_quiet: bool,
    has_colour: bool,
    /// Characters a line of the terminal has; `None` when stdout is no terminal.
    width: Option<usize>,
}

impl Output {
    pub(crate) fn new(format: Format, is_quiet: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self {
            format,
            is_quiet,
            has_colour: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            width: terminal_size::terminal_size()
                .filter(|_| is_terminal)
                .map(|(width, _)| usize::from(width.0)),
        }
    }

    /// Whether programs read the output.
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json | Format::Jsonl)
    }

    /// Whether a progress bar would be seen and is wanted.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.is_quiet && io::stderr().is_terminal()
    }

    /// Many things: a table, one JSON array, or one JSON object a line.
    pub(crate) fn list<T: Serialize>(
        &self,
        items: &[T],
        table: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.table(&table()),
            Format::Json => self.json(&items),
            Format::Jsonl => items.iter().try_for_each(|item| self.json(item)),
        }
    }

    /// One thing: its details, or one JSON object.
    pub(crate) fn one(&self, item: &impl Serialize, details: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&details()),
            Format::Json | Format::Jsonl => self.json(item),
        }
    }

    /// Something was changed: a sentence unless quiet, or one JSON object.
    pub(crate) fn changed(&self, item: &impl Serialize, sentence: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table if self.is_quiet => Ok(()),
            Format::Table => self.text(&text::harmless(sentence)),
            Format::Json | Format::Jsonl => self.json(item),
        }
    }

    pub(crate) const fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    pub(crate) fn table(&self, table: &Table) -> Result<(), Failure> {
        self.text(&table.render(self.width, !self.is_quiet, self.has_colour))
    }

    /// Text that was made harmless before, with a line end where it lacks one.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
        Ok(())
    }

    /// Lines from somebody else, each on one line.
    pub(crate) fn lines(&self, lines: &[String]) -> Result<(), Failure> {
        lines
            .iter()
            .try_for_each(|line| self.text(&format!("{}\n", text::one_line(line))))
    }

    /// One JSON value on one line.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed("cannot write the result as JSON").because(error))?;
        self.text(&text)
    }

    /// A remark for people, on stderr.
    pub(crate) fn note(&self, note: &str) {
        if !self.is_quiet && !self.is_json() {
            // A remark nobody can read is not worth failing for.
            let _ = writeln!(io::stderr(), "{}", text::harmless(note));
        }
    }

    /// A failure on stderr: for people in lines, for programs as one JSON object.
    pub(crate) fn failure(&self, failure: &Failure) {
        let shown = if self.is_json() {
            // Strings and a number: turning them into JSON cannot fail, and if it did the exit code would tell.
            serde_json::to_string(&Told {
                error: failure.into(),
            })
            .unwrap_or_default()
        } else {
            let mut lines = format!("error: {}", text::harmless(failure.message()));
            for cause in failure.causes() {
                lines.push_str("\n  because: ");
                lines.push_str(&text::harmless(cause));
            }
            if let Some(help) = failure.remedy() {
                lines.push_str("\n  help: ");
                lines.push_str(&text::harmless(help));
            }
            lines
        };
        // With stderr gone as well, the exit code alone has to tell.
        let _ = writeln!(io::stderr(), "{shown}");
    }
}
