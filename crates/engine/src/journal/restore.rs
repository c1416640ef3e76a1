//! From a backup back to a directory: nothing, or all of it.
//!
//! The files are written as `….part`, synced, and read again as a start would read them, with all checksums and all
//! effects. Only then they get their names, and the one without which the others are no state gets its own last, when
//! theirs are durable. So a process that is killed, or a loss of power, leaves a directory that is new for every engine
//! or refused by it, or the whole state.
//! Next: `backup/read.rs` (taking it apart), `examine.rs` (reading it again).

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::backup::{Next, Unpacking};
use super::error::{JournalError, cannot};
use super::examine::{Findings, examine};
use super::frame::FileKind;
use super::frozen::Frozen;
use super::storage::disk::{Disk, LOCK};
use super::storage::{Storage, Writable};
use super::survey::{PART, Survey, name};
use crate::clock::Clock;
use crate::engine::Boot;
use crate::error::Error;

/// Names that an empty directory may hold: what file systems put there themselves, and what is left of a process that
/// had nothing.
const HARMLESS: [&str; 2] = [LOCK, "lost+found"];
/// Sockets are no data either.
const SOCKET: &str = ".sock";
/// What a program that held the directory has said of itself, for who waits.
const HOLDER: &str = ".holder";
/// Bytes written between syncs, so that the last one is short.
const SYNCED_EVERY: u64 = 32 << 20;

/// What was restored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreReport {
    /// A random number that all files of a store have in common.
    pub store: u128,
    /// Files of the directory.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Everything up to this change is there.
    pub last_change: u64,
    /// Keys of all databases.
    pub keys: u64,
    /// When the backup was taken, in milliseconds since 1970.
    pub taken_at: u64,
    /// The backup was of a damaged directory, so that something is missing.
    pub is_salvaged: bool,
}

/// Makes a directory of what is in a backup's file. As [`restore`].
///
/// # Errors
/// As [`restore`].
pub fn restore_file(
    file: impl AsRef<Path>,
    directory: impl AsRef<Path>,
    hear: impl FnMut(Boot),
) -> Result<RestoreReport, Error> {
    let shown = file.as_ref().display();
    let opened = File::open(&file).and_then(|file| {
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let (mut file, length) = opened.map_err(cannot(|| format!("cannot read the backup {shown}")))?;
    restore(&mut file, Some(length), directory, hear)
}

/// Makes a directory of what is in a backup. Blocks, and needs as much memory as an engine with the same data, because
/// all of it is read again before it counts.
///
/// The directory must be empty or not there; afterwards it is whole and durable, or no engine takes it for one. `hear`
/// is told how far it is, if the backup's `length` in bytes is known.
///
/// # Errors
/// [`ErrorKind::Backup`](crate::ErrorKind) when the backup is not whole, `Exists` when the directory holds something,
/// `DirectoryInUse` when another process has it, `Format` when another version has written the backup, `Storage` when
/// the system refuses something.
pub fn restore(
    from: &mut dyn Read,
    length: Option<u64>,
    directory: impl AsRef<Path>,
    mut hear: impl FnMut(Boot),
) -> Result<RestoreReport, Error> {
    let mut unpacking = Unpacking::begin(from)?;
    let directory = directory.as_ref();
    if directory.exists() {
        // Nothing is left behind in one that is not to be touched.
        refuse_used(&Disk::visit(directory)?, directory)?;
    }
    let disk = Disk::open(directory)?;
    refuse_used(&disk, directory)?;
    let now = Clock::system().wall_nanos() / 1_000_000;
    Ok(unpack(&mut unpacking, length, &disk, now, &mut hear)?)
}

fn refuse_used(disk: &Disk, directory: &Path) -> Result<(), JournalError> {
    let names = disk.names().map_err(cannot(|| {
        format!("cannot list the directory {}", directory.display())
    }))?;
    let survey = Survey::list(names.clone());
    let is_ours = |name: &String| {
        let is_a_trace = name.ends_with(SOCKET) || name.ends_with(HOLDER);
        HARMLESS.contains(&name.as_str()) || is_a_trace || survey.leftovers.contains(name)
    };
    let shown = directory.display();
    if !survey.is_new() {
        return Err(JournalError::Exists(format!("{shown} holds a store already")));
    }
    match names.iter().find(|name| !is_ours(name)) {
        Some(name) => Err(JournalError::Exists(format!(
            "{shown} is not empty: it holds {name}"
        ))),
        None => Ok(()),
    }
}

/// Writes the files, reads them again and gives them their names.
pub(super) fn unpack(
    unpacking: &mut Unpacking<'_>,
    length: Option<u64>,
    storage: &dyn Storage,
    now: u64,
    hear: &mut dyn FnMut(Boot),
) -> Result<RestoreReport, JournalError> {
    let mut parts = Parts {
        storage,
        names: Vec::new(),
        are_wanted: false,
    };
    // Reading again is the other half.
    let of = length.unwrap_or_default() * 2;
    let end = parts.write(unpacking, &mut |read| {
        if of > 0 {
            hear(Boot { read, of });
        }
    })?;
    let frozen = Arc::new(Frozen::of_parts(storage, parts.names.clone())?);
    let findings = examine(&frozen, now, &mut |boot| {
        if of > 0 && boot.of > 0 {
            let share = u128::from(boot.read) * u128::from(of / 2) / u128::from(boot.of);
            let read = of / 2 + u64::try_from(share).unwrap_or_default();
            hear(Boot { read, of });
        }
    })?;
    let Findings { last, store, .. } = findings;
    if let Some(trouble) = findings.trouble {
        return Err(wrong(unpacking, &trouble.error.to_string()));
    }
    if findings.cut.is_some() || last != end.last || store != Some(end.store) {
        return Err(wrong(unpacking, "its files are not what its end says"));
    }
    parts.publish()?;
    let databases = findings.loaded.unwrap_or_default().databases;
    Ok(RestoreReport {
        keys: databases.iter().map(|database| database.len() as u64).sum(),
        ..end.report()
    })
}

fn wrong(unpacking: &Unpacking<'_>, what: &str) -> JournalError {
    JournalError::Backup {
        offset: unpacking.offset(),
        what: what.to_owned(),
    }
}

/// What the end of a backup says.
struct End {
    store: u128,
    taken_at: u64,
    files: u64,
    bytes: u64,
    last: u64,
    is_salvaged: bool,
}

impl End {
    fn report(self) -> RestoreReport {
        RestoreReport {
            store: self.store,
            files: self.files,
            bytes: self.bytes,
            last_change: self.last,
            keys: 0,
            taken_at: self.taken_at,
            is_salvaged: self.is_salvaged,
        }
    }
}

/// Files that do not have their names yet, removed when they are given up.
struct Parts<'a> {
    storage: &'a dyn Storage,
    /// In the order in which they are read.
    names: Vec<String>,
    are_wanted: bool,
}

impl Parts<'_> {
    fn write(
        &mut self,
        unpacking: &mut Unpacking<'_>,
        hear: &mut dyn FnMut(u64),
    ) -> Result<End, JournalError> {
        let header = unpacking.header();
        let mut file: Option<Box<dyn Writable>> = None;
        let mut unsynced = 0;
        loop {
            hear(unpacking.offset());
            match unpacking.next()? {
                Next::Piece {
                    kind,
                    number,
                    is_first,
                    bytes,
                } => {
                    if is_first {
                        self.sync(file.as_mut())?;
                        file = Some(self.begin(kind, number)?);
                        unsynced = 0;
                    }
                    let Some(file) = &mut file else { continue };
                    file.write(bytes).map_err(self.failed("write"))?;
                    unsynced += bytes.len() as u64;
                    if unsynced >= SYNCED_EVERY {
                        file.sync().map_err(self.failed("sync"))?;
                        unsynced = 0;
                    }
                }
                Next::End {
                    files,
                    bytes,
                    last,
                    is_salvaged,
                } => {
                    self.sync(file.as_mut())?;
                    return Ok(End {
                        store: header.store,
                        taken_at: header.taken_at,
                        files,
                        bytes,
                        last,
                        is_salvaged,
                    });
                }
            }
        }
    }

    /// Makes the next file, in place of one that was left over.
    fn begin(&mut self, kind: FileKind, number: u64) -> Result<Box<dyn Writable>, JournalError> {
        let named = name(kind, number);
        let part = format!("{named}{PART}");
        self.names.push(named);
        let made = match self.storage.create(&part) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => self
                .storage
                .remove(&part)
                .and_then(|()| self.storage.create(&part)),
            made => made,
        };
        made.map_err(self.failed("make"))
    }

    fn sync(&self, file: Option<&mut Box<dyn Writable>>) -> Result<(), JournalError> {
        file.map_or(Ok(()), |file| file.sync())
            .map_err(self.failed("sync"))
    }

    fn failed(&self, verb: &str) -> impl FnOnce(std::io::Error) -> JournalError {
        let name = self.names.last().cloned().unwrap_or_default();
        let verb = verb.to_owned();
        cannot(move || format!("cannot {verb} {name}{PART}"))
    }

    /// Gives all files their names. The first one is the image, or the first segment: without it the others are refused.
    fn publish(mut self) -> Result<(), JournalError> {
        self.are_wanted = true;
        let names = std::mem::take(&mut self.names);
        let Some((first, others)) = names.split_first() else {
            return Ok(());
        };
        for name in others {
            self.rename(name)?;
        }
        self.sync_names()?;
        self.rename(first)?;
        self.sync_names()
    }

    fn rename(&self, name: &str) -> Result<(), JournalError> {
        let part = format!("{name}{PART}");
        let renamed = self.storage.rename(&part, name);
        renamed.map_err(cannot(|| format!("cannot rename {part} to {name}")))
    }

    fn sync_names(&self) -> Result<(), JournalError> {
        let synced = self.storage.sync_directory();
        synced.map_err(cannot(|| "cannot sync the directory".to_owned()))
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        if self.are_wanted {
            return;
        }
        for name in &self.names {
            // What stays is removed by whoever takes the directory next.
            drop(self.storage.remove(&format!("{name}{PART}")));
        }
    }
}
