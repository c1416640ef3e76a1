//! The journal's directory: opening it, going on with its log, and letting old log go.
//!
//! Opening reads everything first and changes nothing on the disk before `finish`. Then the torn tail is cut off, what
//! is not proven to have reached the disk is written again and synced, names are synced, and only then is anything
//! removed. An image is adopted in the same order: it is durable, then its name is, then older files go.
//! Next: `contents.rs` (reading), `log.rs` and `image.rs` (writing).

use std::io;
use std::sync::Arc;

use super::contents::{Contents, Cut, LogEnd, OnDamage, Progress, Record};
use super::error::{JournalError, NamingError, cannot};
use super::frame::{FileHeader, FileKind};
use super::image::{ImageWriter, WholeImage};
use super::log::LogWriter;
use super::storage::Storage;
use super::survey::{Survey, name};

/// A directory whose log can be written.
#[derive(Debug)]
pub(crate) struct Directory {
    storage: Arc<dyn Storage>,
    store: u128,
    /// The image's number and length.
    image: Option<(u64, u64)>,
    /// Segments before the newest one, with their lengths, in order.
    older: Vec<(u64, u64)>,
    log: LogWriter,
}

/// A directory being read.
#[derive(Debug)]
pub(crate) struct Opening {
    storage: Arc<dyn Storage>,
    survey: Survey,
    contents: Contents,
}

/// What opening a directory came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Nothing was there.
    pub(crate) is_new: bool,
    /// The last change.
    pub(crate) last: u64,
    /// Groups of the log read.
    pub(crate) groups: u64,
    /// Bytes of the image and the log.
    pub(crate) bytes: u64,
    /// What was cut off the log's end.
    pub(crate) cut: Option<Cut>,
    /// Files removed that an earlier process had left over.
    pub(crate) removed: Vec<String>,
}

/// Files that an image has made superfluous.
#[derive(Debug)]
#[must_use = "they take up space until they are removed"]
pub(crate) struct Outdated {
    storage: Arc<dyn Storage>,
    names: Vec<String>,
}

/// A file of the state.
#[cfg(test)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateFile {
    pub(crate) name: String,
    /// Of the newest segment, its durable part.
    pub(crate) length: u64,
}

impl Opening {
    /// Looks at what is there.
    pub(crate) fn new(storage: Arc<dyn Storage>, on_damage: OnDamage) -> Result<Self, JournalError> {
        let names = storage
            .names()
            .map_err(cannot(|| "cannot list the directory".into()))?;
        let survey = Survey::of(names)?;
        let contents = Contents::new(Arc::clone(&storage), &survey, on_damage, None)?;
        Ok(Self {
            storage,
            survey,
            contents,
        })
    }

    /// The next slice of the image or group of the log; `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        self.contents.next()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.contents.progress()
    }

    /// Makes everything read durable and the log ready to be written. What was not read yet is read and let go.
    pub(crate) fn finish(mut self) -> Result<(Directory, Recovered), JournalError> {
        while self.contents.next()?.is_some() {}
        let mut recovered = Recovered {
            is_new: self.survey.is_new(),
            last: self.contents.last(),
            groups: self.contents.groups(),
            bytes: self.contents.lengths().iter().map(|(_, _, length)| length).sum(),
            ..Recovered::default()
        };
        let log = match self.contents.end() {
            None => self.begin()?,
            Some(end) => {
                recovered.cut.clone_from(&end.cut);
                self.resume(end)?
            }
        };
        // A process may have ended between a rename and the sync of its name.
        self.storage
            .sync_directory()
            .map_err(cannot(|| "cannot sync the directory".into()))?;
        let directory = Directory::new(&self, log);
        recovered.removed = std::mem::take(&mut self.survey.leftovers);
        remove(self.storage.as_ref(), &recovered.removed)?;
        Ok((directory, recovered))
    }

    /// The first segment of a new directory.
    fn begin(&self) -> Result<(LogWriter, u128), JournalError> {
        let header = FileHeader {
            kind: FileKind::Log,
            number: 0,
            store: fastrand::u128(..),
            previous: 0,
        };
        match LogWriter::begin(Arc::clone(&self.storage), &header) {
            Ok(log) => Ok((log, header.store)),
            Err(NamingError::Before(error) | NamingError::Between(error)) => Err(error),
        }
    }

    fn resume(&self, end: &LogEnd) -> Result<(LogWriter, u128), JournalError> {
        let LogEnd {
            header,
            length,
            unproven,
            cut,
        } = end;
        let named = name(FileKind::Log, header.number);
        if cut.is_some() {
            self.storage
                .truncate(&named, *length)
                .map_err(cannot(|| format!("cannot cut {named} off at byte {length}")))?;
        }
        self.storage.rewrite(&named, *unproven).map_err(cannot(|| {
            format!("cannot write {named} again from byte {unproven} on")
        }))?;
        let log = LogWriter::resume(Arc::clone(&self.storage), header, *length, self.contents.last())?;
        Ok((log, header.store))
    }
}

impl Directory {
    /// Looks at what is there, to be read.
    pub(crate) fn open(storage: Arc<dyn Storage>) -> Result<Opening, JournalError> {
        Opening::new(storage, OnDamage::Refuse)
    }

    fn new(opening: &Opening, (log, store): (LogWriter, u128)) -> Self {
        let mut image = None;
        let mut older = Vec::new();
        for (kind, number, length) in opening.contents.lengths() {
            match kind {
                FileKind::Image => image = Some((*number, *length)),
                FileKind::Log if *number != log.number() => older.push((*number, *length)),
                FileKind::Log => {}
            }
        }
        Self {
            storage: Arc::clone(&opening.storage),
            store,
            image,
            older,
            log,
        }
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The log.
    pub(crate) fn log(&mut self) -> &mut LogWriter {
        &mut self.log
    }

    /// Bytes of log that the next start must read.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.older.iter().map(|(_, length)| length).sum::<u64>() + self.log.length()
    }

    /// Bytes of the image, 0 without one.
    pub(crate) fn image_bytes(&self) -> u64 {
        self.image.map(|(_, length)| length).unwrap_or_default()
    }

    /// Bytes that can still be written.
    pub(crate) fn free_space(&self) -> Result<u64, JournalError> {
        self.storage
            .free_space()
            .map_err(cannot(|| "cannot ask for the free space".into()))
    }

    /// Begins an image and a segment that goes with it. The log up to here is synced. The image may be written by
    /// another thread.
    pub(crate) fn begin_image(&mut self) -> Result<ImageWriter, JournalError> {
        self.log.sync()?;
        let header = FileHeader {
            kind: FileKind::Log,
            number: self.log.number() + 1,
            store: self.store,
            previous: self.log.last(),
        };
        match LogWriter::begin(Arc::clone(&self.storage), &header) {
            Ok(log) => {
                let before = std::mem::replace(&mut self.log, log);
                self.older.push((before.number(), before.length()));
            }
            Err(NamingError::Before(error)) => return Err(error),
            Err(NamingError::Between(error)) => {
                self.log.give_up();
                return Err(error);
            }
        }
        let kind = FileKind::Image;
        ImageWriter::begin(Arc::clone(&self.storage), &FileHeader { kind, ..header })
    }

    /// Makes an image the one that the next start reads. The log is synced as far as the image needs it. What is
    /// outdated thereby is to be removed, by whichever thread has the time: large files take long.
    pub(crate) fn adopt(&mut self, image: WholeImage) -> Result<Outdated, JournalError> {
        let (number, length, needs) = (image.number(), image.length(), image.needs());
        if needs > self.log.last() {
            return Err(JournalError::OutOfOrder {
                last: self.log.last(),
                given: needs,
            });
        }
        if needs > self.log.synced() || self.log.has_failed() {
            self.log.sync()?;
        }
        match image.publish() {
            Ok(()) => {}
            Err(NamingError::Before(error)) => return Err(error),
            Err(NamingError::Between(error)) => {
                // No later sync of this directory can be believed.
                self.log.give_up();
                return Err(error);
            }
        }
        let replaced = self.image.replace((number, length));
        let old = self.older.extract_if(.., |(segment, _)| *segment < number);
        let segments = old.map(|(segment, _)| name(FileKind::Log, segment));
        let images = replaced.map(|(image, _)| name(FileKind::Image, image));
        Ok(Outdated {
            names: segments.chain(images).collect(),
            storage: Arc::clone(&self.storage),
        })
    }

    /// The state up to a change, read again; by [`Contents::last`] it is seen whether it was all there.
    pub(crate) fn reread(&self, up_to: u64) -> Result<Contents, JournalError> {
        let survey = Survey {
            image: self.image.map(|(number, _)| number),
            segments: self.segments().map(|(number, _)| number).collect(),
            leftovers: Vec::new(),
        };
        Contents::new(Arc::clone(&self.storage), &survey, OnDamage::Refuse, Some(up_to))
    }

    /// The files that make the state as of the last sync.
    #[cfg(test)]
    pub(crate) fn state_files(&self) -> Vec<StateFile> {
        let image = self
            .image
            .map(|(number, length)| (FileKind::Image, number, length));
        let segments = self
            .segments()
            .map(|(number, length)| (FileKind::Log, number, length));
        let files = image.into_iter().chain(segments);
        files
            .map(|(kind, number, length)| StateFile {
                name: name(kind, number),
                length,
            })
            .collect()
    }

    fn segments(&self) -> impl Iterator<Item = (u64, u64)> {
        let newest = (self.log.number(), self.log.synced_length());
        self.older.iter().copied().chain(Some(newest))
    }

    /// Ends well: everything is durable, and says so.
    pub(crate) fn close(mut self) -> Result<(), JournalError> {
        self.log.sync()?;
        self.log.mark()?;
        self.log.sync()
    }
}

impl Outdated {
    /// Removes them all. What cannot be removed is removed when the directory is opened next; the first failure is
    /// told.
    pub(crate) fn remove(self) -> Result<(), JournalError> {
        remove(self.storage.as_ref(), &self.names)
    }
}

fn remove(storage: &dyn Storage, names: &[String]) -> Result<(), JournalError> {
    let mut outcome = Ok(());
    for name in names {
        let removed = match storage.remove(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(cannot(|| format!("cannot remove {name}"))),
        };
        outcome = outcome.and(removed);
    }
    outcome
}
