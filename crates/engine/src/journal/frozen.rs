//! The files of a directory as they are at one moment, whoever writes there meanwhile.
//!
//! All files of the state are opened, then the directory is listed once more: when it shows the same files, they were
//! the state at a moment in between, since a number is never used twice, a segment that is not the newest is complete,
//! and an image that makes others superfluous shows before they go. An open file stays readable when its name is gone,
//! and is read up to the length it had. So everything that was acknowledged before the freezing began is in it; what
//! was being written is a torn tail.
//! Next: `inspect.rs` (check), `backup/` (copy).

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::{JournalError, cannot};
use super::storage::{Readable, Storage, Writable};
use super::survey::{PART, Survey};

/// So often the files may have changed in between.
const ATTEMPTS: usize = 1000;

/// See the module.
#[derive(Debug)]
pub(super) struct Frozen {
    names: Vec<String>,
    files: Vec<(String, Shared)>,
}

/// An open file that may be read more than once.
#[derive(Clone, Debug)]
struct Shared {
    file: Arc<Mutex<Box<dyn Readable>>>,
    length: u64,
}

impl Frozen {
    /// The state of a directory as it is now.
    pub(super) fn new(storage: &dyn Storage) -> Result<Self, JournalError> {
        let mut names = list(storage)?;
        for _ in 0..ATTEMPTS {
            let state: Vec<String> = Survey::list(names.clone()).state().collect();
            let opened = open(storage, &state, "")?;
            names = list(storage)?;
            if let Some(files) = opened
                && Survey::list(names.clone()).state().eq(state)
            {
                return Ok(Self { names, files });
            }
        }
        let busy = io::Error::other("its files change all the time");
        Err(cannot(|| "cannot open all files of the directory".to_owned())(
            busy,
        ))
    }

    /// Files of a state that do not have their names yet.
    pub(super) fn of_parts(storage: &dyn Storage, names: Vec<String>) -> Result<Self, JournalError> {
        match open(storage, &names, PART)? {
            Some(files) => Ok(Self { names, files }),
            None => Err(cannot(|| "cannot read again what was written".to_owned())(
                io::ErrorKind::NotFound.into(),
            )),
        }
    }

    /// Every name in the directory.
    pub(super) fn listed(&self) -> Vec<String> {
        self.names.clone()
    }

    fn find(&self, name: &str) -> Option<&Shared> {
        let mut files = self.files.iter();
        files.find_map(|(named, file)| (named == name).then_some(file))
    }
}

fn list(storage: &dyn Storage) -> Result<Vec<String>, JournalError> {
    storage
        .names()
        .map_err(cannot(|| "cannot list the directory".into()))
}

/// Opens all of these files; `None` when one of them has gone.
fn open(
    storage: &dyn Storage,
    names: &[String],
    suffix: &str,
) -> Result<Option<Vec<(String, Shared)>>, JournalError> {
    let mut files = Vec::new();
    for name in names {
        let file = match storage.read(&format!("{name}{suffix}")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(cannot(|| format!("cannot read {name}")))?,
        };
        let length = file.length();
        let file = Arc::new(Mutex::new(file));
        files.push((name.clone(), Shared { file, length }));
    }
    Ok(Some(files))
}

impl Readable for Shared {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        // What was written since does not belong to it.
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let room = left.min(into.len());
        self.file
            .lock()
            .read_at(offset, into.get_mut(..room).unwrap_or_default())
    }
}

impl Storage for Frozen {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.listed())
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        let file = self.find(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.clone()))
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn Writable>> {
        refused()
    }

    fn append_to(&self, _: &str) -> io::Result<Box<dyn Writable>> {
        refused()
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        refused()
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        refused()
    }

    fn truncate(&self, _: &str, _: u64) -> io::Result<()> {
        refused()
    }

    fn rewrite(&self, _: &str, _: u64) -> io::Result<()> {
        refused()
    }

    fn sync_directory(&self) -> io::Result<()> {
        refused()
    }

    fn free_space(&self) -> io::Result<u64> {
        refused()
    }
}

/// Whoever looks changes nothing.
fn refused<T>() -> io::Result<T> {
    Err(io::ErrorKind::ReadOnlyFilesystem.into())
}
