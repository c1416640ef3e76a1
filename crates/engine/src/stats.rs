//! What INFO counts.

use std::collections::HashMap;

use crate::commands::{self, Command};

/// Counters since the engine started (or since CONFIG RESETSTAT).
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) started_at: u64,
    pub(crate) connections: u64,
    pub(crate) rejected_connections: u64,
    pub(crate) commands: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) expired: u64,
    pub(crate) errors: u64,
    pub(crate) peak_memory: usize,
    pub(crate) changes: u64,
    /// Errors by their code.
    pub(crate) errors_by_code: HashMap<String, u64>,
    /// Calls by the command's place in the table; shorter than that as long as the last ones were not called.
    calls: Vec<Calls>,
}

/// How often a command ran, and for how long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) calls: u64,
    pub(crate) nanos: u64,
    pub(crate) rejected: u64,
    pub(crate) failed: u64,
}

impl Stats {
    pub(crate) fn begin(&mut self, now: u64) {
        self.started_at = now;
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            started_at: self.started_at,
            changes: self.changes,
            ..Self::default()
        };
    }

    /// What is counted of a command.
    pub(crate) fn calls_of(&mut self, command: &Command) -> &mut Calls {
        if self.calls.len() <= command.place {
            self.calls.resize(command.place + 1, Calls::default());
        }
        #[allow(clippy::indexing_slicing, reason = "the place was made just now")]
        &mut self.calls[command.place]
    }

    /// The commands that were called or refused, by name.
    pub(crate) fn called(&self) -> Vec<(&'static str, Calls)> {
        let rows = commands::all().zip(&self.calls);
        let mut called: Vec<_> = rows
            .filter(|(_, calls)| calls.calls + calls.rejected > 0)
            .map(|(command, calls)| (command.name, *calls))
            .collect();
        called.sort_unstable_by_key(|(name, _)| *name);
        called
    }

    pub(crate) fn failed(&mut self, code: &str) {
        self.errors += 1;
        // Codes come from scripts too, so their number has a bound.
        const MOST_CODES: usize = 128;
        if let Some(count) = self.errors_by_code.get_mut(code) {
            *count += 1;
        } else if self.errors_by_code.len() < MOST_CODES {
            self.errors_by_code.insert(code.to_owned(), 1);
        }
    }
}
