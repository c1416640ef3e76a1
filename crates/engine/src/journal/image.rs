//! Writing an image: slices of the state, then an end that says how far the log must reach.
//!
//! An image is written beside the log, by whichever thread has the time, and is nothing until the directory adopts
//! it: `image-<n>.part`, removed when it is given up. It is synced as it grows, so that its last sync is short and the
//! log's syncs in between do not wait for all of it.
//! Next: `directory.rs` (`adopt`).

use std::io;
use std::sync::Arc;

use super::error::{JournalError, NamingError, cannot};
use super::frame::{Draft, FILE_HEADER, FileHeader, FileKind, RecordKind, Seed};
use super::log::begin_part;
use super::storage::{Storage, Writable};
use super::survey::{PART, name};

/// Bytes written between syncs.
const SYNCED_EVERY: u64 = 1 << 20;

/// An image being written.
#[derive(Debug)]
pub(crate) struct ImageWriter {
    part: Part,
    file: Box<dyn Writable>,
    number: u64,
    seed: Seed,
    length: u64,
    synced_length: u64,
    slices: u64,
    has_failed: bool,
}

/// An image that is durable, but not the state's yet.
#[derive(Debug)]
pub(crate) struct WholeImage {
    part: Part,
    number: u64,
    length: u64,
    needs: u64,
}

impl ImageWriter {
    pub(crate) fn begin(storage: Arc<dyn Storage>, header: &FileHeader) -> Result<Self, JournalError> {
        let part = Part {
            name: format!("{}{PART}", name(FileKind::Image, header.number)),
            storage,
            is_wanted: false,
        };
        let file = begin_part(part.storage.as_ref(), &part.name, header)
            .map_err(cannot(|| format!("cannot begin {}", part.name)))?;
        Ok(Self {
            part,
            file,
            number: header.number,
            seed: header.seed(),
            length: FILE_HEADER as u64,
            synced_length: 0,
            slices: 0,
            has_failed: false,
        })
    }

    /// Writes a slice, in one call.
    pub(crate) fn write(&mut self, slice: &mut Draft) -> Result<(), JournalError> {
        self.slices += 1;
        self.put(RecordKind::Slice, self.slices, 0, slice)?;
        if self.length - self.synced_length >= SYNCED_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Ends the image. It holds what was the state at some moment of its taking, for each value its own, so it is the
    /// state only together with a log that reaches change `needs`, the last one before the last slice was taken.
    pub(crate) fn finish(mut self, needs: u64) -> Result<WholeImage, JournalError> {
        self.put(RecordKind::End, needs, self.slices, &mut Draft::new())?;
        self.sync()?;
        let Self {
            part, number, length, ..
        } = self;
        Ok(WholeImage {
            part,
            number,
            length,
            needs,
        })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn put(
        &mut self,
        kind: RecordKind,
        last: u64,
        synced: u64,
        draft: &mut Draft,
    ) -> Result<(), JournalError> {
        let record = draft.seal(kind, last, synced, self.seed, self.length);
        let length = record.len() as u64;
        self.attempt("write to", |file| file.write(record))?;
        self.length += length;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        self.attempt("sync", |file| file.sync())?;
        self.synced_length = self.length;
        Ok(())
    }

    /// What failed once is not tried again.
    fn attempt(
        &mut self,
        verb: &str,
        act: impl FnOnce(&mut dyn Writable) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        if self.has_failed {
            return Err(JournalError::HasFailed);
        }
        let outcome = act(self.file.as_mut());
        self.has_failed = outcome.is_err();
        outcome.map_err(cannot(|| format!("cannot {verb} {}", self.part.name)))
    }
}

impl WholeImage {
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The change that the log must reach.
    pub(crate) fn needs(&self) -> u64 {
        self.needs
    }

    /// Its bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Gives it its name, durably.
    pub(crate) fn publish(mut self) -> Result<(), NamingError> {
        let named = name(FileKind::Image, self.number);
        let Part {
            name,
            storage,
            is_wanted,
        } = &mut self.part;
        let failed = |source| cannot(|| format!("cannot rename {name} to {named}"))(source);
        storage
            .rename(name, &named)
            .map_err(|error| NamingError::Before(failed(error)))?;
        *is_wanted = true;
        storage
            .sync_directory()
            .map_err(|error| NamingError::Between(failed(error)))
    }
}

/// An unfinished file, removed when it is given up.
#[derive(Debug)]
struct Part {
    name: String,
    storage: Arc<dyn Storage>,
    is_wanted: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_wanted {
            // What cannot be removed now is removed when the directory is opened next.
            drop(self.storage.remove(&self.name));
        }
    }
}
