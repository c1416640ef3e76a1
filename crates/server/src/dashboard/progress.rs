//! What a handler reported of its progress: mostly a percentage, but it may be anything.

use super::words;
use crate::view::Shown;

/// Letters of a report in a row of a list.
const ROW_LETTERS: usize = 20;

/// A report.
#[derive(Debug)]
pub(super) struct Progress {
    /// From 0 to 100, if it is such a number.
    pub(super) percent: Option<f64>,
    /// As it is shown.
    pub(super) text: String,
}

impl Progress {
    /// In full, on the job's page.
    pub(super) fn new(shown: &Shown) -> Self {
        let number = shown.text().parse::<f64>().ok();
        let percent = number.filter(|number| (0.0..=100.0).contains(number));
        let text = match percent {
            Some(percent) => format!("{percent} %"),
            None => shown.pretty().into_owned(),
        };
        Self { percent, text }
    }

    /// Its beginning, in a row of a list.
    pub(super) fn in_row(shown: &Shown) -> String {
        let progress = Self::new(shown);
        match progress.percent {
            Some(_) => progress.text,
            None => words::beginning(shown.text(), ROW_LETTERS),
        }
    }
}
