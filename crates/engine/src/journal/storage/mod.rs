//! Blocking input and output on one directory: all that the journal knows of a disk.
//!
//! What was written is durable when the file's `sync` has returned, and a name when `sync_directory` has. Until then
//! a loss of power may keep any part of it. Names are plain file names.
//! Next: `disk.rs` (real files), `crash.rs` (a machine whose power fails, for tests).

#[cfg(test)]
pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod tenancy;

use std::fmt;
use std::io;

/// A directory.
pub(crate) trait Storage: Send + Sync + fmt::Debug {
    /// Every name in it.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Makes a file; fails when there is one of that name.
    fn create(&self, name: &str) -> io::Result<Box<dyn Writable>>;
    /// Opens a file to write at its end.
    fn append_to(&self, name: &str) -> io::Result<Box<dyn Writable>>;
    /// Opens a file to read.
    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>>;
    /// Gives a file another name; whatever had that name is gone.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Cuts a file off at a length, durably.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;
    /// Writes what stands in a file from an offset on once more where it stands, durably.
    ///
    /// After a failed sync a system may hold as clean what never reached the disk, and a later sync of it succeeds
    /// without having done anything. What is written again is dirty again.
    fn rewrite(&self, name: &str, from: u64) -> io::Result<()>;
    /// Makes names durable: what was created, renamed and removed.
    fn sync_directory(&self) -> io::Result<()>;
    /// Bytes that can still be written, as far as the system knows.
    fn free_space(&self) -> io::Result<u64>;
    /// Whoever has the directory is about to leave it.
    fn part(&self) {}
}

/// A file that grows at its end.
pub(crate) trait Writable: Send + fmt::Debug {
    /// Writes all of it. When that fails, any part of it may be there.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes durable what was written, and the file's length.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file read at any place.
pub(crate) trait Readable: Send + fmt::Debug {
    /// Its length when it was opened.
    fn length(&self) -> u64;
    /// Reads from an offset on, so much as is there and fits; 0 at the end.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}
