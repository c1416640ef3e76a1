//! From a directory to a running engine, and what a program may ask of one that has a directory.
//!
//! Next: `directory.rs` (reading it), `load.rs` (effects to values), `writer.rs` (going on with it).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::contents::Progress as Read;
use super::directory::Directory;
use super::error::JournalError;
use super::link::Link;
use super::load::Loading;
use super::progress::Sequence;
use super::storage::Storage;
use super::storage::disk::Disk;
use super::writer::Handle;
use crate::core::Core;
use crate::effect::Recorder;
use crate::engine::{Boot, Engine, Options, Shared};
use crate::error::{Error, ErrorKind};

/// How long an engine of this process may take to leave a directory.
const PARTING_TIME: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);

impl Options {
    /// Starts an engine that keeps its data in a directory, which is made if it is not there.
    ///
    /// Blocks while what is there is read. One process has a directory at a time. What was acknowledged before the loss
    /// of power is there, as [`Fsync`](crate::Fsync) says; a torn end of the log, which nobody was told of, is cut off with a warning.
    /// [`Options::on_change`] does not work with a directory: nothing is handed over.
    ///
    /// # Errors
    /// [`ErrorKind::DirectoryInUse`](crate::ErrorKind) when another process has it, `Damaged` when a file is not what was
    /// written, `Format` when another version has written it, `Storage` when the system refuses something. Nothing in
    /// the directory is changed then.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<Engine, Error> {
        let disk = take(directory.as_ref())?;
        Ok(self.open_on(Arc::new(disk))?)
    }

    pub(crate) fn open_on(self, storage: Arc<dyn Storage>) -> Result<Engine, JournalError> {
        let (shared, directory, link) = self.read(storage)?;
        let handle = Handle::start(&Arc::downgrade(&shared), directory, &link)?;
        shared.journal.get_or_init(|| handle);
        crate::housekeeping::start(&shared);
        Ok(Engine { shared })
    }

    /// Without a thread: whoever asks drives the journal himself.
    #[cfg(test)]
    pub(super) fn open_by_hand(
        self,
        storage: Arc<dyn Storage>,
        helper: super::aside::Helper,
    ) -> Result<(Engine, super::writer::Writer), JournalError> {
        let (shared, directory, link) = self.read(storage)?;
        let writer = super::writer::Writer::new(&Arc::downgrade(&shared), directory, &link, helper);
        Ok((Engine { shared }, writer))
    }

    /// Reads everything a directory holds.
    fn read(mut self, storage: Arc<dyn Storage>) -> Result<(Arc<Shared>, Directory, Link), JournalError> {
        let mut core = Core::new(self.config, self.clock, Recorder::for_journal(), self.seed);
        let mut opening = Directory::open(storage)?;
        let mut loading = Loading::new(core.database_count(), true, core.now());
        while let Some(record) = opening.next()? {
            let taken = loading.read(record.payload);
            taken.map_err(|error| JournalError::unreadable(error, opening.place()))?;
            let Read { read, of } = opening.progress();
            if let Some(hear) = &mut self.hear {
                hear(Boot { read, of });
            }
        }
        let loaded = loading.finish().map_err(JournalError::Contradictory)?;
        let (directory, recovered) = opening.finish()?;
        if let Some(cut) = &recovered.cut {
            let (file, offset, bytes) = (&cut.file, cut.offset, cut.bytes);
            tracing::warn!(
                file,
                offset,
                bytes,
                "cut off the torn end of the log, which nothing acknowledged"
            );
        }
        let link = Link::new(self.fsync, Sequence(recovered.last));
        core.adopt(loaded, link.clone());
        Ok((
            Shared::around(core, Some(Arc::clone(&link.progress))),
            directory,
            link,
        ))
    }
}

impl Engine {
    /// Makes durable whatever has been done up to now. Blocks until it is; nothing to do for an engine in memory.
    ///
    /// # Errors
    /// When the journal fails, or has failed before; then the engine serves reads alone.
    pub fn flush(&self) -> Result<(), Error> {
        let journal = self.shared.journal.get();
        journal.map_or(Ok(()), |journal| journal.flush().map_err(of_thread))
    }

    /// Writes an image of all data and lets go of the log before it, so that the next start has less to read. Blocks
    /// until it is done; commands go on meanwhile. It happens by itself when the log has grown; an engine in memory has
    /// nothing to do.
    ///
    /// # Errors
    /// When the image cannot be written, which changes nothing, or the journal has failed.
    pub fn compact(&self) -> Result<(), Error> {
        let journal = self.shared.journal.get();
        journal.map_or(Ok(()), |journal| journal.take_image().map_err(of_thread))
    }
}

/// Takes a directory. An engine of this very process that was dropped just now may still be writing its last group.
fn take(directory: &Path) -> Result<Disk, JournalError> {
    let until = Instant::now() + PARTING_TIME;
    loop {
        match Disk::open(directory) {
            Err(JournalError::InUse {
                holder: Some(holder), ..
            }) if holder == std::process::id() && Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

/// An error that the journal's thread may tell several times.
fn of_thread(error: Arc<JournalError>) -> Error {
    match Arc::try_unwrap(error) {
        Ok(error) => error.into(),
        Err(shared) => Error::with_source(ErrorKind::Storage, shared.to_string(), shared),
    }
}
