//! Copies of a directory in one file, taken while it is in use.
//!
//! Nobody is asked and nothing is locked: what the files held at one moment is read, checked record by record and
//! written. Everything acknowledged before the backup began is in it.
//! Next: `frozen.rs` (that moment), `write.rs`, `format.rs` (the file), `target.rs` (its name), `restore.rs` (the way back).

mod format;
mod read;
mod target;
#[cfg(test)]
pub(super) mod tests;
mod write;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use read::{Next, Unpacking};
use target::Target;
pub(super) use write::{Written, write};

use super::error::{Damage, JournalError};
use super::frozen::Frozen;
use super::storage::disk::Disk;
use super::survey::Survey;
use crate::clock::Clock;
use crate::engine::{Boot, Hear};
use crate::error::Error;

/// A copy to be taken of a directory, by this process or another one that has it, or by nobody.
pub struct Backup {
    directory: PathBuf,
    may_salvage: bool,
    may_replace: bool,
    hear: Hear,
}

/// What a backup holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupReport {
    /// A random number that all files of a store have in common.
    pub store: u128,
    /// Files of the directory.
    pub files: u64,
    /// Bytes of the backup.
    pub bytes: u64,
    /// Everything up to this change is in it.
    pub last_change: u64,
    /// What is not, when the directory is damaged.
    pub missing: Option<Missing>,
}

/// Why a backup does not hold everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// What is damaged, with file and offset.
    pub message: String,
    /// Whole groups of changes behind it in the same file, which cannot be used without what is missing.
    pub groups_behind: u64,
}

impl Backup {
    /// Of everything in a directory.
    pub fn of(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            may_salvage: false,
            may_replace: false,
            hear: Box::new(|_| {}),
        }
    }

    /// Of a damaged directory takes what is whole before the damage, and says so. Otherwise it is refused.
    #[must_use]
    pub fn salvage(mut self, may_salvage: bool) -> Self {
        self.may_salvage = may_salvage;
        self
    }

    /// Takes the place of a file that is there. Otherwise that is refused.
    #[must_use]
    pub fn replace(mut self, may_replace: bool) -> Self {
        self.may_replace = may_replace;
        self
    }

    /// Tells how far the reading of the directory is, in bytes.
    #[must_use]
    pub fn on_progress(mut self, hear: impl FnMut(Boot) + Send + 'static) -> Self {
        self.hear = Box::new(hear);
        self
    }

    /// Writes it to a file, which has mode 0600. Blocks.
    ///
    /// The file has its name when it is whole and durable, whatever happens on the way; until then it is `<file>.part`.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`](crate::ErrorKind) when the file is there, and as [`Backup::write_to`].
    pub fn write_to_file(self, file: impl AsRef<Path>) -> Result<BackupReport, Error> {
        let frozen = freeze(&self.directory)?;
        let mut target = Target::at(file.as_ref(), self.may_replace)?;
        let report = self.write(&frozen, &mut target)?;
        target.publish()?;
        Ok(report)
    }

    /// Writes it to a pipe or whatever else takes bytes. Blocks. If this fails, what was written has no end, and is
    /// refused by [`restore`](crate::restore).
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind) when a file is not what was written, unless what is whole before that is
    /// wanted and there is enough of it; `NoStore` when there is nothing, `Format` when another version has written it,
    /// `Storage` when the system refuses something.
    pub fn write_to(self, into: &mut dyn Write) -> Result<BackupReport, Error> {
        let frozen = freeze(&self.directory)?;
        Ok(self.write(&frozen, into)?)
    }

    fn write(mut self, frozen: &Arc<Frozen>, into: &mut dyn Write) -> Result<BackupReport, JournalError> {
        let now = Clock::system().wall_nanos() / 1_000_000;
        let written = write(frozen, self.may_salvage, now, into, &mut self.hear)?;
        Ok(written.into())
    }
}

fn freeze(directory: &Path) -> Result<Arc<Frozen>, JournalError> {
    let frozen = Frozen::new(&Disk::visit(directory)?)?;
    if Survey::list(frozen.listed()).is_new() {
        return Err(JournalError::NoStore(directory.to_owned()));
    }
    Ok(Arc::new(frozen))
}

impl From<Written> for BackupReport {
    fn from(written: Written) -> Self {
        let missing = written.missing.map(|error| Missing {
            message: error.to_string(),
            groups_behind: match error {
                JournalError::Damaged(Damage { groups_behind, .. }) => groups_behind,
                _ => 0,
            },
        });
        Self {
            store: written.store,
            files: written.files,
            bytes: written.bytes,
            last_change: written.last,
            missing,
        }
    }
}

impl fmt::Debug for Backup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Backup")
            .field("directory", &self.directory)
            .field("may_salvage", &self.may_salvage)
            .field("may_replace", &self.may_replace)
            .finish_non_exhaustive()
    }
}
