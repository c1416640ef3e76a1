//! The states of a job.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum JobState {
    /// In line, to be taken by any worker.
    Waiting,
    /// In line by priority, served when no standard job waits.
    Prioritized,
    /// Waiting for its time.
    Delayed,
    /// Being processed.
    Active,
    /// Done.
    Completed,
    /// Failed for good.
    Failed,
    /// A parent waiting for its children.
    WaitingChildren,
    /// Its data is there, but it is in no list; another program interfered.
    Unknown,
}

impl JobState {
    /// All states a job can be listed by, in the order in which a job passes them.
    pub const LISTED: [Self; 7] = [
        Self::Waiting,
        Self::Prioritized,
        Self::Delayed,
        Self::WaitingChildren,
        Self::Active,
        Self::Completed,
        Self::Failed,
    ];

    /// The state's name, as it stands in URLs and output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Prioritized => "prioritized",
            Self::Delayed => "delayed",
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::WaitingChildren => "waiting-children",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing more happens to a job in this state by itself.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no state.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown state {0:?}; known are waiting, prioritized, delayed, waiting-children, active, completed and failed"
)]
pub struct UnknownState(String);

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let known = Self::LISTED.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| UnknownState(text.to_owned()))
    }
}
