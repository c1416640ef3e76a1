//! How the attempts of a job failed: one error chain each.
//!
//! The store keeps the chains without the attempts' numbers, and a limit may have dropped the oldest, so they are
//! counted among themselves and the newest comes first.

use super::words;
use crate::view::JobDetail;

/// Letters of a chain that its closed fold shows.
const FIRST_LINE_LETTERS: usize = 160;

/// One failure.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// `Failure 2 of 3`, or `Failure` when it is the only one.
    pub(super) label: String,
    /// The first line of the chain.
    pub(super) first_line: String,
    /// All of it.
    pub(super) chain: String,
    /// Whether this is the newest, which is shown unfolded.
    pub(super) is_latest: bool,
}

/// The failures of a job, newest first.
pub(super) fn of(job: &JobDetail) -> Vec<Attempt> {
    let count = job.stacktrace.len();
    let numbered = job.stacktrace.iter().enumerate().rev();
    numbered
        .map(|(position, chain)| Attempt {
            label: match count {
                1 => "Failure".to_owned(),
                _ => format!("Failure {} of {count}", position + 1),
            },
            first_line: words::beginning(chain.lines().next().unwrap_or_default(), FIRST_LINE_LETTERS),
            chain: chain.clone(),
            is_latest: position + 1 == count,
        })
        .collect()
}
