//! What can go wrong with a journal.
//!
//! Damage always names its file and offset, and says how much before and behind it is whole.
//! Next: `crate::error` (the error that programs see).

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::load::{Contradiction, Unreadable};
use crate::error::{Error, ErrorKind};

/// A journal could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// The system refused something.
    #[error("{attempt}: {source}")]
    Storage {
        /// What was attempted, on what.
        attempt: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{0}")]
    Damaged(Damage),
    /// A file is of another version of this program.
    #[error("{file} has format version {found}, and this program knows version {known} alone")]
    Format {
        /// The file.
        file: String,
        /// What it says.
        found: u32,
        /// What this program writes.
        known: u32,
    },
    /// Another process has the directory.
    #[error("{} is in use by {}", .directory.display(), holder_name(*.holder))]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The number of that process, if it has said it.
        holder: Option<u32>,
    },
    /// Another engine of this process has the directory.
    #[error(
        "{} is in use by another engine of this very process: drop that one first, and its clients and endpoints",
        .directory.display()
    )]
    InUseHere {
        /// The directory.
        directory: PathBuf,
    },
    /// A record is whole, and holds what no engine writes.
    #[error("a record of the journal cannot be read: {0}")]
    Unreadable(#[source] Unreadable),
    /// All records are whole, and do not fit together.
    #[error("the journal contradicts itself: {0}")]
    Contradictory(#[source] Contradiction),
    /// A write or sync of this journal has failed before; it was reported then, and nothing is tried again.
    #[error("the journal has failed before and takes nothing more")]
    HasFailed,
    /// A group was given a number that is not greater than the last one's.
    #[error("a group that ends with change {given} cannot follow one that ends with change {last}")]
    OutOfOrder {
        /// The last number written.
        last: u64,
        /// The number given.
        given: u64,
    },
}

/// Where a file is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file.
    pub(crate) file: String,
    /// The first byte of what is damaged: a header, or a record.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) what: String,
    /// Everything up to this change is whole before it.
    pub(crate) whole_up_to: u64,
    /// Whole groups behind it, in the same file.
    pub(crate) groups_behind: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            offset,
            what,
            whole_up_to,
            groups_behind,
        } = self;
        write!(formatter, "{file} is damaged at byte {offset}: {what}; ")?;
        match whole_up_to {
            0 => write!(formatter, "nothing before it can be read"),
            _ => write!(formatter, "everything up to change {whole_up_to} can be read"),
        }?;
        match groups_behind {
            0 => Ok(()),
            1 => write!(formatter, ", and 1 group behind it"),
            _ => write!(formatter, ", and {groups_behind} groups behind it"),
        }
    }
}

/// Why a file could not be given its name.
#[derive(Debug)]
pub(crate) enum NamingError {
    /// It does not have it, so everything is as it was.
    Before(JournalError),
    /// It may have it, now or after a loss of power.
    Between(JournalError),
}

/// Makes an input or output error into one that says what was attempted.
pub(crate) fn cannot<Attempt: FnOnce() -> String>(
    attempt: Attempt,
) -> impl FnOnce(io::Error) -> JournalError {
    move |source| JournalError::Storage {
        attempt: attempt(),
        source,
    }
}

fn holder_name(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".into(), |holder| format!("process {holder}"))
}

impl From<JournalError> for Error {
    fn from(error: JournalError) -> Self {
        let message = error.to_string();
        match error {
            JournalError::Storage { source, .. } => Self::with_source(ErrorKind::Storage, message, source),
            JournalError::HasFailed | JournalError::OutOfOrder { .. } => {
                Self::new(ErrorKind::Storage, message)
            }
            JournalError::Damaged(_) => Self::new(ErrorKind::Damaged, message),
            JournalError::Unreadable(cause) => Self::with_source(ErrorKind::Damaged, message, cause),
            JournalError::Contradictory(cause) => Self::with_source(ErrorKind::Damaged, message, cause),
            JournalError::Format { .. } => Self::new(ErrorKind::Format, message),
            JournalError::InUse { .. } | JournalError::InUseHere { .. } => {
                Self::new(ErrorKind::DirectoryInUse, message)
            }
        }
    }
}
