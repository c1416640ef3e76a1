//! How a transfer went: a bar while it runs, then a summary, and a failure when something is missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oxherd::{Fault, Progress, TransferReport};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::{Details, Output};

/// So many keys are told by name.
const NAMED: usize = 10;

/// What a transfer prints as JSON.
#[derive(Serialize)]
pub(super) struct Outcome {
    keys: u64,
    by_type: BTreeMap<&'static str, u64>,
    bytes: u64,
    vanished: u64,
    expired: u64,
    not_copied: Vec<Told>,
    changed: Vec<Told>,
}

/// A key and what is the matter with it.
#[derive(Serialize)]
struct Told {
    key: String,
    reason: String,
}

impl Outcome {
    pub(super) fn of(report: &TransferReport) -> Self {
        let told = |faults: &[Fault]| {
            let told = faults.iter().map(|fault| Told {
                key: fault.key.clone(),
                reason: fault.reason.clone(),
            });
            told.collect()
        };
        Self {
            keys: report.written(),
            by_type: report.keys.clone(),
            bytes: report.bytes,
            vanished: report.vanished,
            expired: report.expired,
            not_copied: told(&report.not_copied),
            changed: told(&report.changed),
        }
    }

    /// The summary on stdout.
    pub(super) fn tell(&self, done: &'static str, is_live: bool, output: &Output) -> Result<(), Failure> {
        output.one(self, || self.details(done))?;
        self.verdict(done, is_live, output)
    }

    /// The summary on stderr, where stdout has the dump.
    pub(super) fn remark(&self, done: &'static str, is_live: bool, output: &Output) -> Result<(), Failure> {
        output.note(self.details(done).trim_end());
        self.verdict(done, is_live, output)
    }

    fn details(&self, done: &'static str) -> String {
        let mut details = Details::default();
        details.line(done, format!("{} keys, {} bytes", self.keys, self.bytes));
        for (kind, count) in &self.by_type {
            details.line(kind, count.to_string());
        }
        for (label, count) in [("vanished meanwhile", self.vanished), ("expired", self.expired)] {
            details.maybe(label, (count > 0).then(|| count.to_string()));
        }
        details.render()
    }

    /// A failure when the other side does not hold what this one held throughout.
    fn verdict(&self, done: &str, is_live: bool, output: &Output) -> Result<(), Failure> {
        let mut failure = None;
        if !self.not_copied.is_empty() {
            let what = format!("{} keys were not {done}", self.not_copied.len());
            failure = Some(Failure::failed(with_names(what, &self.not_copied)));
        }
        if !self.changed.is_empty() {
            let what = format!("{} keys changed in the source meanwhile", self.changed.len());
            let changed = with_names(what, &self.changed);
            match failure.take() {
                Some(other) => failure = Some(other.because(changed)),
                None if is_live => output.note(&format!("warning: {changed}")),
                None => {
                    failure = Some(Failure::failed(changed).help(
                        "stop workers and producers and try again (a copy with --replace); --live takes it as it is",
                    ));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

fn with_names(mut what: String, faults: &[Told]) -> String {
    for (at, fault) in faults.iter().take(NAMED).enumerate() {
        let sign = if at == 0 { ": " } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(what, "{sign}{:?} {}", fault.key, fault.reason);
    }
    if faults.len() > NAMED {
        let _ = write!(what, "; and {} more", faults.len() - NAMED);
    }
    what
}

/// How far it is, on a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(output: &Output) -> Self {
        let bar = ProgressBar::no_length();
        if !output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(bar)
    }

    pub(super) fn show(&self, progress: &Progress) {
        if let Some(total) = progress.total {
            self.0.set_length(total);
            self.0
                .set_style(style("{msg:8} {wide_bar} {pos}/{len} keys {elapsed}"));
        } else {
            self.0.set_style(style("{msg:8} {pos} keys {elapsed}"));
        }
        self.0.set_message(if progress.is_checking {
            "checking"
        } else {
            "copying"
        });
        self.0.set_position(progress.done);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
