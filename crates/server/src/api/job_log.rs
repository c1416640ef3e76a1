//! The rows of one job's log that are new since the last look.
//!
//! A log only grows, so its length tells what is new, unless the job keeps only its latest rows (`keepLogs`): once that
//! log is full its length stands still, and what is new is what follows the rows told last. Equal rows in a full log
//! are told once, and rows that came while a client was away may be missed.

use oxherd::{JobId, Queue};

use crate::view::JobDetail;

/// Rows read at once.
const ROWS: u64 = 1000;
/// Rows remembered to find the place in a full log.
const REMEMBERED: usize = 50;

/// Reads one log onwards.
#[derive(Debug)]
pub(super) struct JobLog {
    queue: Queue,
    id: JobId,
    /// Rows the job keeps, if there is a limit.
    keeps: Option<u64>,
    told: u64,
    last_told: Vec<String>,
}

impl JobLog {
    /// The log of a job of which so many rows were told before.
    pub(super) fn after(queue: Queue, job: &JobDetail, told: u64) -> Self {
        let options: serde_json::Value = serde_json::from_str(job.opts.text()).unwrap_or_default();
        let keeps = options.get("keepLogs").and_then(serde_json::Value::as_u64);
        Self {
            queue,
            id: JobId::existing(&*job.summary.id),
            keeps: keeps.filter(|keeps| *keeps > 0),
            told,
            last_told: Vec::new(),
        }
    }

    /// How many rows were told.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    /// Counts a row as told.
    pub(super) fn tell(&mut self, row: String) {
        self.told += 1;
        if self.keeps.is_some() {
            if self.last_told.len() == REMEMBERED {
                self.last_told.remove(0);
            }
            self.last_told.push(row);
        }
    }

    /// Rows that were not told yet, at most a thousand at a time. None while the store is away.
    pub(super) async fn untold(&mut self) -> Vec<String> {
        let full = self.keeps.filter(|keeps| self.told >= *keeps);
        let offset = full.map_or(self.told, |keeps| keeps.saturating_sub(ROWS));
        let Ok(mut rows) = self.queue.logs(&self.id, offset, ROWS).await else {
            return Vec::new();
        };
        if full.is_none() {
            return rows;
        }
        if self.last_told.is_empty() {
            // A client came back: which of these it knows cannot be said, and it should hear nothing twice.
            self.last_told = rows.split_off(rows.len().saturating_sub(REMEMBERED));
            return Vec::new();
        }
        let known = known_rows(&rows, &self.last_told);
        rows.split_off(known)
    }
}

/// How many of these rows are known, given the rows told last.
fn known_rows(rows: &[String], last_told: &[String]) -> usize {
    (1..=rows.len())
        .rev()
        .find(|known| {
            let ends = rows.iter().take(*known).rev().zip(last_told.iter().rev());
            ends.into_iter().all(|(row, told)| row == told)
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::known_rows;

    fn known(rows: &str, last_told: &str) -> usize {
        let letters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        known_rows(&letters(rows), &letters(last_told))
    }

    #[test]
    fn what_follows_the_rows_told_last_is_new() {
        assert_eq!(known("cde", "abc"), 1);
        assert_eq!(known("abc", "abc"), 3);
        assert_eq!(known("xyz", "abc"), 0);
        assert_eq!(known("bcabcd", "abc"), 5);
        assert_eq!(known("aaa", "aaa"), 3);
        assert_eq!(known("", "abc"), 0);
    }
}
