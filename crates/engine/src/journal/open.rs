//! From a directory to a running engine, and what a program may ask of one that has a directory.
//!
//! Next: `directory.rs` (reading it), `load.rs` (effects to values), `writer.rs` (going on with it).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::codec::encode;
use super::contents::Progress as Read;
use super::directory::Directory;
use super::error::JournalError;
use super::frame::Draft;
use super::link::Link;
use super::load::Loading;
use super::progress::Sequence;
use super::storage::Storage;
use super::storage::disk::Disk;
use super::storage::tenancy::{self, Wait};
use super::writer::Handle;
use crate::core::Core;
use crate::effect::{Effect, Recorder, Volatile};
use crate::engine::{Boot, Engine, Options, Shared};
use crate::error::{Error, ErrorKind};

/// How long an engine of this process that has been dropped may take to write its last group.
const PARTING_TIME: Duration = Duration::from_secs(10);
/// How long to wait for one that is not known to be leaving: the last of its clients may be about to.
const GRACE: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_millis(5);
/// Values in one group that says they are gone.
const GONE_AT_ONCE: usize = 100_000;

impl Options {
    /// Starts an engine that keeps its data in a directory, which is made if it is not there.
    ///
    /// Blocks while what is there is read. One process has a directory at a time. What was acknowledged before the loss
    /// of power is there, as [`Fsync`](crate::Fsync) says; a torn end of the log, which nobody was told of, is cut off with a warning.
    /// [`Options::on_change`] does not work with a directory: nothing is handed over.
    ///
    /// # Errors
    /// [`ErrorKind::DirectoryInUse`](crate::ErrorKind) when another process has it, or another engine of this one (one
    /// that was dropped just now is waited for while it writes its last changes, for up to 10 s), `Damaged` when a file is not what was
    /// written, `Format` when another version has written it, `Storage` when the system refuses something, `Option` when a
    /// prefix of [`volatile`](Options::volatile) keys is empty. Nothing in the directory is changed then.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<Engine, Error> {
        if self.volatile.iter().any(Vec::is_empty) {
            return Err(Error::new(
                ErrorKind::Option,
                "volatile: an empty prefix would drop every key of the directory; name a prefix, or keep the data in memory",
            ));
        }
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
        let volatile = Volatile::of(&self.volatile);
        let recorder = Recorder::for_journal(volatile.clone());
        let mut core = Core::new(self.config, self.clock, recorder, self.seed);
        let mut opening = Directory::open(storage)?;
        let mut loading = Loading::new(core.database_count(), true, core.now()).without(volatile);
        while let Some(record) = opening.next()? {
            loading.read(record.payload).map_err(JournalError::Unreadable)?;
            let Read { read, of } = opening.progress();
            if let Some(hear) = &mut self.hear {
                hear(Boot { read, of });
            }
        }
        #[cfg_attr(
            not(test),
            allow(unused_mut, reason = "what is dropped is left out in a proof")
        )]
        let mut loaded = loading.finish().map_err(JournalError::Contradictory)?;
        let (mut directory, recovered) = opening.finish()?;
        if let Some(cut) = &recovered.cut {
            let (file, offset, bytes) = (&cut.file, cut.offset, cut.bytes);
            tracing::warn!(
                file,
                offset,
                bytes,
                "cut off the torn end of the log, which nothing acknowledged"
            );
        }
        #[cfg(test)]
        if self.forgets_drops {
            loaded.dropped.clear();
        }
        let last = let_go(&mut directory, recovered.last, &loaded.dropped)?;
        let link = Link::new(self.fsync, Sequence(last));
        core.adopt(loaded, link.clone());
        Ok((Shared::around(core, Some(link.clone())), directory, link))
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

/// Writes down that values are gone, durably, and answers the number of the last change: were they only passed over, a
/// start without their prefix would find them again, as old as they are.
fn let_go(directory: &mut Directory, mut last: u64, dropped: &[u64]) -> Result<u64, JournalError> {
    if dropped.is_empty() {
        return Ok(last);
    }
    tracing::info!(
        keys = dropped.len(),
        "dropped keys that were kept on disk and are volatile now"
    );
    let log = directory.log();
    let mut draft = Draft::new();
    for some in dropped.chunks(GONE_AT_ONCE) {
        let gone: Vec<Effect<'_>> = some.iter().map(|id| Effect::Gone { id: *id }).collect();
        draft.clear();
        encode(&gone, draft.payload());
        last += 1;
        log.append(last, &mut draft)?;
    }
    log.sync()?;
    log.mark()?;
    log.sync()?;
    Ok(last)
}

/// Takes a directory. An engine of this very process that was dropped just now may still be writing its last group.
fn take(directory: &Path) -> Result<Disk, JournalError> {
    let now = Instant::now();
    let (briefly, long) = (now + GRACE, now + PARTING_TIME);
    loop {
        let taken = Disk::open(directory);
        let Err(JournalError::InUse { holder, .. }) = &taken else {
            return taken;
        };
        match tenancy::wait(directory, briefly, long) {
            Wait::Free => {}
            Wait::Stays => {
                let directory = directory.to_owned();
                return Err(JournalError::InUseHere { directory });
            }
            // A child that was forked just now may still have what the engine had open.
            Wait::Unknown if *holder == Some(std::process::id()) && Instant::now() < briefly => {
                std::thread::sleep(PAUSE);
            }
            Wait::Unknown => return taken,
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
