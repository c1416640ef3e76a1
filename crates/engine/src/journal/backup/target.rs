//! The file that a backup is written to: nothing under its name, or all of it.
//!
//! It is written beside its place as `<file>.part`, synced, renamed, and its name is synced. A part that a process left
//! when it was killed is written over by the next one; one that is being written is not, since it is locked.
//! Next: `mod.rs`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::journal::error::{JournalError, cannot};
use crate::journal::storage::disk::Disk;
use crate::journal::storage::{Storage, Writable};
use crate::journal::survey::PART;

/// Bytes written between syncs, so that the last one is short.
const SYNCED_EVERY: u64 = 32 << 20;

/// A backup's file being written.
#[derive(Debug)]
pub(super) struct Target {
    storage: Arc<dyn Storage>,
    name: String,
    file: Box<dyn Writable>,
    may_replace: bool,
    written: u64,
    synced: u64,
    is_wanted: bool,
    /// Keeps the part for this process.
    _lock: Option<File>,
}

impl Target {
    /// Begins a file of this machine.
    pub(super) fn at(path: &Path, may_replace: bool) -> Result<Self, JournalError> {
        let shown = path.display();
        let failed = |error| cannot(|| format!("cannot write the backup {shown}"))(error);
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        };
        let name = name.to_str().ok_or_else(|| {
            failed(io::Error::new(
                io::ErrorKind::InvalidInput,
                "its name is not UTF-8",
            ))
        })?;
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let above = match above == Path::new("") {
            true => Path::new("."),
            false => above,
        };
        let disk = Disk::visit(above)?;
        refuse_existing(&disk, name, may_replace)?;
        let lock = lock(&above.join(format!("{name}{PART}"))).map_err(failed)?;
        Self::begin(Arc::new(disk), name, may_replace, Some(lock))
    }

    /// Begins a file of a directory.
    pub(super) fn begin(
        storage: Arc<dyn Storage>,
        name: &str,
        may_replace: bool,
        lock: Option<File>,
    ) -> Result<Self, JournalError> {
        refuse_existing(storage.as_ref(), name, may_replace)?;
        let part = format!("{name}{PART}");
        let opened = match storage.create(&part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                storage.truncate(&part, 0).and_then(|()| storage.append_to(&part))
            }
            made => made,
        };
        let file = opened.map_err(cannot(|| format!("cannot write {part}")))?;
        Ok(Self {
            storage,
            name: name.to_owned(),
            file,
            may_replace,
            written: 0,
            synced: 0,
            is_wanted: false,
            _lock: lock,
        })
    }

    /// Gives the file its name, durably.
    pub(super) fn publish(mut self) -> Result<(), JournalError> {
        let part = format!("{}{PART}", self.name);
        self.file
            .sync()
            .map_err(cannot(|| format!("cannot sync {part}")))?;
        let Self { storage, name, .. } = &self;
        refuse_existing(storage.as_ref(), name, self.may_replace)?;
        storage
            .rename(&part, name)
            .and_then(|()| storage.sync_directory())
            .map_err(cannot(|| format!("cannot rename {part} to {name}")))?;
        self.is_wanted = true;
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)?;
        self.written += bytes.len() as u64;
        if self.written - self.synced >= SYNCED_EVERY {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync()?;
        self.synced = self.written;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if !self.is_wanted {
            // What stays is written over by the next backup to this file.
            drop(self.storage.remove(&format!("{}{PART}", self.name)));
        }
    }
}

fn refuse_existing(storage: &dyn Storage, name: &str, may_replace: bool) -> Result<(), JournalError> {
    if may_replace {
        return Ok(());
    }
    let names = storage
        .names()
        .map_err(cannot(|| "cannot list the backup's directory".into()))?;
    match names.iter().any(|there| there == name) {
        true => Err(JournalError::Exists(format!("{name} is there already"))),
        false => Ok(()),
    }
}

/// Makes a part, or takes one over that nobody is writing.
fn lock(part: &Path) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = "another process is writing it";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, what));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it before may have given it its name just now.
        let is_there = part.metadata().is_ok_and(|there| {
            let mine = file.metadata();
            mine.is_ok_and(|mine| (mine.dev(), mine.ino()) == (there.dev(), there.ino()))
        });
        if is_there {
            return Ok(file);
        }
    }
}
