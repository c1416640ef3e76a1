//! Writing the log: one segment at a time, one record a group.
//!
//! A segment begins as `log-<n>.part` and has its name only when its header is durable, so a segment without a valid
//! header is always damage. What failed once is not tried again: the writer takes nothing more.
//! Next: `contents.rs` (reading it back), `directory.rs` (when a new segment begins).

use std::io;
use std::sync::Arc;

use super::error::{JournalError, NamingError, cannot};
use super::frame::{Draft, FILE_HEADER, FileHeader, FileKind, RecordKind, Seed};
use super::storage::{Storage, Writable};
use super::survey::{PART, name};

/// The newest segment of a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    storage: Arc<dyn Storage>,
    file: Box<dyn Writable>,
    number: u64,
    seed: Seed,
    /// Bytes of the segment.
    length: u64,
    /// The last change written.
    last: u64,
    /// The last change known to be durable, and the segment's length then.
    synced: u64,
    synced_length: u64,
    /// The last change that a record says is durable.
    said: u64,
    has_failed: bool,
    /// A sync has failed: nobody knows what of the unsynced part is on the disk.
    has_sync_failed: bool,
    mark: Draft,
}

impl LogWriter {
    /// Begins a segment. When that fails before the segment has its name, nothing has happened.
    pub(crate) fn begin(storage: Arc<dyn Storage>, header: &FileHeader) -> Result<Self, NamingError> {
        let FileHeader { number, previous, .. } = *header;
        let named = name(FileKind::Log, number);
        let part = format!("{named}{PART}");
        let failed = |source| cannot(|| format!("cannot begin {named}"))(source);
        let file = begin_part(storage.as_ref(), &part, header)
            .and_then(|mut file| file.sync().map(|()| file))
            .map_err(|error| NamingError::Before(failed(error)))?;
        // Even a rename that failed may have been done.
        storage
            .rename(&part, &named)
            .and_then(|()| storage.sync_directory())
            .map_err(|error| NamingError::Between(failed(error)))?;
        Ok(Self::at(storage, file, header, FILE_HEADER as u64, previous))
    }

    /// Goes on with a segment that is durable up to its end.
    pub(crate) fn resume(
        storage: Arc<dyn Storage>,
        header: &FileHeader,
        length: u64,
        last: u64,
    ) -> Result<Self, JournalError> {
        let named = name(FileKind::Log, header.number);
        let file = storage
            .append_to(&named)
            .map_err(cannot(|| format!("cannot open {named} for writing")))?;
        Ok(Self::at(storage, file, header, length, last))
    }

    fn at(
        storage: Arc<dyn Storage>,
        file: Box<dyn Writable>,
        header: &FileHeader,
        length: u64,
        last: u64,
    ) -> Self {
        Self {
            storage,
            file,
            number: header.number,
            seed: header.seed(),
            length,
            last,
            synced: last,
            synced_length: length,
            said: last,
            has_failed: false,
            has_sync_failed: false,
            mark: Draft::new(),
        }
    }

    /// Writes a group that ends with change `last`, in one call.
    pub(crate) fn append(&mut self, last: u64, group: &mut Draft) -> Result<(), JournalError> {
        self.check()?;
        if last <= self.last {
            return Err(JournalError::OutOfOrder {
                last: self.last,
                given: last,
            });
        }
        let record = group.seal(RecordKind::Group, last, self.synced, self.seed, self.length);
        let length = record.len() as u64;
        let written = self.file.write(record);
        self.judge(written, "write to")?;
        self.length += length;
        self.last = last;
        self.said = self.synced;
        Ok(())
    }

    /// Makes everything written durable; [`Self::synced`] says up to where.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if self.synced_length == self.length {
            return Ok(());
        }
        let synced = self.file.sync();
        self.has_sync_failed |= synced.is_err();
        self.judge(synced, "sync")?;
        self.synced = self.last;
        self.synced_length = self.length;
        Ok(())
    }

    /// Writes down that everything is durable, if no record says so yet. From when that has reached the disk, damage
    /// to what is before it is never taken for a torn tail. It needs no sync of its own: worth a call when nothing
    /// else is to be done.
    pub(crate) fn mark(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if self.said == self.synced {
            return Ok(());
        }
        let record = self
            .mark
            .seal(RecordKind::Mark, self.last, self.synced, self.seed, self.length);
        let length = record.len() as u64;
        let written = self.file.write(record);
        self.judge(written, "write to")?;
        self.length += length;
        self.said = self.synced;
        Ok(())
    }

    /// After a write that failed: makes durable what was written whole before it. No sync has failed yet, so this one
    /// can be believed; after one that has, it is refused. The log takes nothing more either way.
    pub(crate) fn sync_written(&mut self) -> Result<(), JournalError> {
        self.has_failed = true;
        if self.has_sync_failed {
            return Err(JournalError::HasFailed);
        }
        // By the file that wrote it, which is told of every error since its last sync.
        let synced = self.file.sync();
        self.has_sync_failed = synced.is_err();
        self.judge(synced, "sync")?;
        self.synced = self.last;
        self.synced_length = self.length;
        Ok(())
    }

    /// Takes away what was written since the last sync, and what a failed write has left, so that a group that was refused does not come back at the
    /// next start. For a log that has failed; it stays so. On a disk that fails this may fail too.
    pub(crate) fn discard_unsynced(&mut self) -> Result<(), JournalError> {
        self.has_failed = true;
        let named = self.name();
        self.storage
            .truncate(&named, self.synced_length)
            .map_err(cannot(|| {
                format!("cannot cut {named} off at byte {}", self.synced_length)
            }))?;
        self.length = self.synced_length;
        self.last = self.synced;
        Ok(())
    }

    /// Nothing more can be written: whatever went wrong may have left a segment that this one must not go beyond.
    pub(crate) fn give_up(&mut self) {
        self.has_failed = true;
    }

    /// Whether nobody knows what of the unsynced part is on the disk.
    pub(crate) fn has_sync_failed(&self) -> bool {
        self.has_sync_failed
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(crate) fn name(&self) -> String {
        name(FileKind::Log, self.number)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the segment.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The last change written.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// The last change known to be durable.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// The segment's length when it was last synced.
    pub(crate) fn synced_length(&self) -> u64 {
        self.synced_length
    }

    fn check(&self) -> Result<(), JournalError> {
        if self.has_failed {
            Err(JournalError::HasFailed)
        } else {
            Ok(())
        }
    }

    /// Remembers a failure.
    fn judge(&mut self, outcome: io::Result<()>, verb: &str) -> Result<(), JournalError> {
        self.has_failed |= outcome.is_err();
        outcome.map_err(cannot(|| format!("cannot {verb} {}", self.name())))
    }
}

/// Makes an unfinished file with its header, in place of one that was left over.
pub(crate) fn begin_part(
    storage: &dyn Storage,
    part: &str,
    header: &FileHeader,
) -> io::Result<Box<dyn Writable>> {
    let mut file = match storage.create(part) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            storage.remove(part)?;
            storage.create(part)?
        }
        made => made?,
    };
    file.write(&header.encode())?;
    Ok(file)
}
