//! A directory on a real disk, held by one process at a time.
//!
//! The directory is made with mode 0700, its files with 0600. An exclusive lock on the file `lock` is held as long as
//! this value lives; the file holds the process's number, for messages alone. Files are found in the directory that was
//! opened and not by its path, where another one may be by now: whoever moves or removes a directory under a process
//! that still has it shall not find its files among those of the next.
//! Next: `crash.rs` (the same on a machine whose power fails).

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};

use super::tenancy::Tenancy;
use super::{Readable, Storage, Writable};
use crate::journal::error::{JournalError, cannot};

/// The name of the file that is locked.
pub(crate) const LOCK: &str = "lock";
/// Bytes written again at once.
const PIECE: usize = 1 << 20;

/// A directory of this machine.
#[derive(Debug)]
pub(crate) struct Disk {
    #[cfg(test)]
    path: PathBuf,
    /// Where its files are found.
    directory: File,
    /// Locked until it is closed; `None` for who only looks.
    _lock: Option<File>,
    /// Behind the lock, so that the directory is free when this says so.
    tenancy: Option<Tenancy>,
}

impl Disk {
    /// Takes a directory for this process, and makes it when it is not there.
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let shown = path.display();
        make(&path).map_err(cannot(|| format!("cannot make the directory {shown}")))?;
        let directory = File::open(&path).map_err(cannot(|| format!("cannot open the directory {shown}")))?;
        let lock = lock(&directory, &path)?;
        let found = directory
            .metadata()
            .map_err(cannot(|| format!("cannot open the directory {shown}")))?;
        let tenancy = Tenancy::begin(&found);
        Ok(Self {
            #[cfg(test)]
            path,
            directory,
            _lock: Some(lock),
            tenancy: Some(tenancy),
        })
    }

    /// Looks at a directory, whoever has it. Nothing is made.
    pub(crate) fn visit(path: impl Into<PathBuf>) -> Result<Self, JournalError> {
        let path = path.into();
        let shown = path.display();
        let directory = File::open(&path)
            .and_then(|directory| match directory.metadata()?.is_dir() {
                true => Ok(directory),
                false => Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a file")),
            })
            .map_err(cannot(|| format!("cannot open the directory {shown}")))?;
        Ok(Self {
            #[cfg(test)]
            path,
            directory,
            _lock: None,
            tenancy: None,
        })
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for Disk {
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            // A name that is no text is none of ours.
            let name = entry.file_name().to_str().unwrap_or(".");
            if !matches!(name, "." | "..") {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let how = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        let file = file_in(&self.directory, name, how)?;
        Ok(Box::new(DiskFile { file }))
    }

    fn append_to(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let file = file_in(&self.directory, name, OFlags::WRONLY | OFlags::APPEND)?;
        Ok(Box::new(DiskFile { file }))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        let file = file_in(&self.directory, name, OFlags::RDONLY)?;
        let length = file.metadata()?.len();
        Ok(Box::new(Opened { file, length }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(renameat(&self.directory, from, &self.directory, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(&self.directory, name, AtFlags::empty())?)
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let file = file_in(&self.directory, name, OFlags::WRONLY)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        let file = file_in(&self.directory, name, OFlags::RDWR)?;
        let mut piece = vec![0; PIECE];
        let mut offset = from;
        loop {
            let length = read_at(&file, offset, &mut piece)?;
            let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return file.sync_all();
            };
            file.write_all_at(bytes, offset)?;
            offset += length as u64;
        }
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.directory.sync_all()
    }

    fn free_space(&self) -> io::Result<u64> {
        let system = rustix::fs::fstatvfs(&self.directory)?;
        Ok(system.f_bavail.saturating_mul(system.f_frsize))
    }

    fn part(&self) {
        if let Some(tenancy) = &self.tenancy {
            tenancy.part();
        }
    }
}

/// Opens a file of a directory, or makes it for this user alone.
fn file_in(directory: &File, name: &str, how: OFlags) -> io::Result<File> {
    let file = openat(directory, name, how | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

#[derive(Debug)]
struct DiskFile {
    file: File,
}

impl Writable for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // The system goes on writing to a file that nobody will ever find again.
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "it was removed from its directory",
            ));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Opened {
    file: File,
    length: u64,
}

impl Readable for Opened {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        read_at(&self.file, offset, into)
    }
}

fn read_at(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(into, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Makes a directory and what is missing above it. Each is durable in the one above, since a store whose directory is
/// lost is lost.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if path.exists() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a file"));
    }
    let above = match path.parent() {
        Some(above) if above != Path::new("") => above,
        _ => Path::new("."),
    };
    make(above)?;
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => File::open(above)?.sync_all(),
        // Somebody else was quicker.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Who has the directory, if anybody has: with the process's number, as far as it can be read.
pub(crate) fn holder(path: &Path) -> Option<Option<u32>> {
    let file = File::open(path.join(LOCK)).ok()?;
    // For a moment this keeps others out, who then try again.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(number_in(file)),
        _ => None,
    }
}

fn number_in(mut file: File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse().ok())
}

/// Locks the directory, or says who has it.
fn lock(directory: &File, path: &Path) -> Result<File, JournalError> {
    let name = path.join(LOCK);
    let failed = cannot(|| format!("cannot lock {}", name.display()));
    let mut file = match file_in(directory, LOCK, OFlags::RDWR | OFlags::CREATE) {
        Ok(file) => file,
        Err(error) => return Err(failed(error)),
    };
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            // Only the message depends on it: whoever has the lock may be about to write its number.
            let holder = number_in(file);
            let directory = path.to_owned();
            return Err(JournalError::InUse { directory, holder });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
    match written {
        Ok(()) => Ok(file),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_directory_and_its_files_are_the_users_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("above").join("store");
        let disk = Disk::open(&path).unwrap();
        disk.create("file").unwrap().write(b"x").unwrap();
        assert_eq!(mode(disk.path()), 0o700);
        assert_eq!(mode(&path.join("file")), 0o600);
        assert_eq!(mode(&path.join(LOCK)), 0o600);
    }

    #[test]
    fn a_directory_belongs_to_one_at_a_time() {
        let scratch = tempfile::tempdir().unwrap();
        let first = Disk::open(scratch.path()).unwrap();
        let refused = Disk::open(scratch.path()).unwrap_err();
        let JournalError::InUse { holder, .. } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(*holder, Some(std::process::id()));
        drop(first);
        Disk::open(scratch.path()).unwrap();
    }

    #[test]
    fn files_are_written_at_their_ends_and_read_anywhere() {
        let scratch = tempfile::tempdir().unwrap();
        let disk = Disk::open(scratch.path()).unwrap();
        let mut file = disk.create("one").unwrap();
        file.write(b"abc").unwrap();
        file.sync().unwrap();
        assert!(disk.create("one").is_err());
        disk.append_to("one").unwrap().write(b"defg").unwrap();
        disk.truncate("one", 6).unwrap();
        disk.rewrite("one", 2).unwrap();
        disk.rename("one", "two").unwrap();
        disk.sync_directory().unwrap();

        let read = disk.read("two").unwrap();
        let mut bytes = [0; 8];
        assert_eq!(read.length(), 6);
        assert_eq!(read.read_at(1, &mut bytes).unwrap(), 5);
        assert_eq!(&bytes[..5], b"bcdef");
        assert_eq!(read.read_at(6, &mut bytes).unwrap(), 0);
        disk.remove("two").unwrap();
        assert_eq!(disk.names().unwrap(), [LOCK]);
        assert!(disk.free_space().unwrap() > 0);
    }

    #[test]
    fn what_was_removed_from_its_directory_is_not_durable() {
        let scratch = tempfile::tempdir().unwrap();
        let disk = Disk::open(scratch.path().join("store")).unwrap();
        let mut file = disk.create("one").unwrap();
        file.write(b"abc").unwrap();
        file.sync().unwrap();
        std::fs::remove_dir_all(disk.path()).unwrap();
        file.write(b"def").unwrap();
        let refused = file.sync().unwrap_err();
        assert_eq!(refused.to_string(), "it was removed from its directory");
    }

    #[test]
    fn a_directory_that_was_moved_or_removed_leaves_the_next_one_at_its_place_alone() {
        for is_moved in [true, false] {
            let scratch = tempfile::tempdir().unwrap();
            let path = scratch.path().join("store");
            let before = Disk::open(&path).unwrap();
            before.create("one").unwrap().write(b"before").unwrap();
            match is_moved {
                true => std::fs::rename(&path, scratch.path().join("away")).unwrap(),
                false => std::fs::remove_dir_all(&path).unwrap(),
            }
            let next = Disk::open(&path).unwrap();
            next.create("one").unwrap().write(b"next").unwrap();

            assert_eq!(before.truncate("one", 1).is_ok(), is_moved);
            assert_eq!(before.rewrite("one", 0).is_ok(), is_moved);
            assert_eq!(before.create("two").is_ok(), is_moved);
            assert_eq!(before.read("one").is_ok(), is_moved);
            assert_eq!(before.rename("one", "three").is_ok(), is_moved);
            assert_eq!(before.remove("three").is_ok(), is_moved);
            assert_eq!(std::fs::read(path.join("one")).unwrap(), b"next");
            let mut names = next.names().unwrap();
            names.sort();
            assert_eq!(names, [LOCK, "one"]);
        }
    }

    #[test]
    fn a_place_where_nothing_can_be_made_is_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("file"), b"").unwrap();
        let path = scratch.path().join("file").join("store");
        let refused = Disk::open(&path).unwrap_err().to_string();
        assert!(refused.contains(path.to_str().unwrap()), "{refused}");
        let file = scratch.path().join("file");
        for opened in [Disk::open(&file), Disk::visit(&file)] {
            let refused = opened.unwrap_err().to_string();
            assert!(refused.ends_with("file: it is a file"), "{refused}");
        }
    }
}
