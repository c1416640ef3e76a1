//! One queue: how many jobs are where, and how long the oldest has waited.

use std::time::SystemTime;

use oxherd::{Counts, JobState, QueueName, Timestamp};
use serde::Serialize;

use super::whole_ms;

/// How many jobs are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueCounts {
    /// In line.
    pub waiting: u64,
    /// Being processed.
    pub active: u64,
    /// Kept after completing.
    pub completed: u64,
    /// Kept after failing for good.
    pub failed: u64,
    /// Waiting for their time.
    pub delayed: u64,
    /// In line by priority.
    pub prioritized: u64,
    /// Parents waiting for children.
    pub waiting_children: u64,
    /// Whether workers leave the queue alone.
    pub paused: bool,
    /// How long ago the oldest job in line was created, as far as either end of the line tells; `null` when none waits.
    pub oldest_waiting_age_ms: Option<u64>,
    /// Completed since counting began, kept or not; `null` when no worker counts.
    pub completed_total: Option<u64>,
    /// Failed for good since counting began, kept or not; `null` when no worker counts.
    pub failed_total: Option<u64>,
    /// Job schedulers that BullMQ programs registered.
    pub schedulers: u64,
    /// When the earliest of them runs next, ms since 1970.
    pub next_scheduled: Option<Timestamp>,
}

impl QueueCounts {
    /// How many are in this state; `None` for [`JobState::Unknown`].
    #[must_use]
    pub const fn of(&self, state: JobState) -> Option<u64> {
        Some(match state {
            JobState::Waiting => self.waiting,
            JobState::Prioritized => self.prioritized,
            JobState::Delayed => self.delayed,
            JobState::Active => self.active,
            JobState::Completed => self.completed,
            JobState::Failed => self.failed,
            JobState::WaitingChildren => self.waiting_children,
            _ => return None,
        })
    }

    /// Whether the store knows anything of the queue beyond its name.
    pub(super) fn has_any(&self) -> bool {
        JobState::LISTED
            .into_iter()
            .any(|state| self.of(state) != Some(0))
            || self.paused
            || self.completed_total.is_some()
            || self.failed_total.is_some()
    }
}

impl From<Counts> for QueueCounts {
    fn from(counts: Counts) -> Self {
        let now = Timestamp::from(SystemTime::now());
        Self {
            waiting: counts.waiting,
            active: counts.active,
            completed: counts.completed,
            failed: counts.failed,
            delayed: counts.delayed,
            prioritized: counts.prioritized,
            waiting_children: counts.waiting_children,
            paused: counts.paused,
            oldest_waiting_age_ms: counts.oldest_waiting.map(|oldest| whole_ms(now.since(oldest))),
            completed_total: counts.completed_total,
            failed_total: counts.failed_total,
            schedulers: counts.schedulers,
            next_scheduled: counts.next_scheduled,
        }
    }
}

/// A queue by name, with its counts or the reason why there are none.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueStatus {
    /// The queue.
    pub name: QueueName,
    /// Its counts; the fields stand beside `name` in JSON and are left out when there are none.
    #[serde(flatten)]
    pub counts: Option<QueueCounts>,
    /// Why it could not be counted: the store is away, or another program's key is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl QueueStatus {
    pub(super) const fn counted(name: QueueName, counts: QueueCounts) -> Self {
        Self {
            name,
            counts: Some(counts),
            problem: None,
        }
    }

    pub(super) fn uncounted(name: QueueName, problem: &str) -> Self {
        Self {
            name,
            counts: None,
            problem: Some(problem.to_owned()),
        }
    }
}
