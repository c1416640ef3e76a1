//! Reading a directory: the image, then every group of the log, in order.
//!
//! Nothing on the disk changes. Whatever is not whole is an error that names file and offset, but for a torn tail of
//! the newest segment, which ends the reading. Files must belong to one store and follow each other without a gap, and
//! the log must reach the change that the image needs.
//! Next: `tail.rs` (torn or damaged), `directory.rs` (what is done about it).

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::{Damage, JournalError, cannot};
use super::frame::{FILE_HEADER, FileHeader, FileKind, RecordHeader, RecordKind};
use super::reader::{Broken, Reader, Step};
use super::storage::Storage;
use super::survey::{Survey, name};
use super::tail::{can_be_torn, look_behind};

/// What is done about damage that is no torn tail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDamage {
    /// The directory is refused.
    #[default]
    Refuse,
    /// The log ends there, in whichever segment it is, if it reaches what its image needs. For those who only read.
    Stop,
}

/// Takes all bytes of the state as they are found whole, file by file: headers, records, marks.
pub(crate) type Pass<'a> = &'a mut dyn FnMut(FileKind, u64, &[u8]) -> Result<(), JournalError>;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// The change that a group of the log ends with; of a slice of the image there is none.
    pub(crate) last: Option<u64>,
    pub(crate) payload: &'a [u8],
}

/// How far the reading is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) read: u64,
    pub(crate) of: u64,
}

/// What a process that was cut short had left behind the last whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) file: String,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// Where the log ends.
#[derive(Clone, Debug)]
pub(crate) struct LogEnd {
    pub(crate) header: FileHeader,
    /// The newest segment's length up to its last whole record.
    pub(crate) length: u64,
    /// From here on nothing says that it has reached the disk.
    pub(crate) unproven: u64,
    pub(crate) cut: Option<Cut>,
}

/// A directory being read.
#[derive(Debug)]
pub(crate) struct Contents {
    storage: Arc<dyn Storage>,
    on_damage: OnDamage,
    /// Reading ends with the group that ends with this change.
    limit: Option<u64>,
    /// What is still to be read.
    files: VecDeque<(FileKind, u64)>,
    reader: Option<Reader>,
    /// The files read, with their lengths.
    lengths: Vec<(FileKind, u64, u64)>,
    store: Option<u128>,
    /// The last change so far.
    last: u64,
    groups: u64,
    /// The image is not read to its end.
    in_image: bool,
    /// What the image asks of the log.
    needs: u64,
    slices: u64,
    /// Changes and offsets of records of this segment of which nothing says yet that they are durable.
    unproven: VecDeque<(u64, u64)>,
    end: Option<LogEnd>,
    /// Where the reading stopped.
    stopped: Option<Damage>,
    progress: Progress,
}

impl Contents {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        survey: &Survey,
        on_damage: OnDamage,
        limit: Option<u64>,
    ) -> Result<Self, JournalError> {
        let image = survey.image.map(|number| (FileKind::Image, number));
        let segments = survey.segments.iter().map(|number| (FileKind::Log, *number));
        let files: VecDeque<_> = image.into_iter().chain(segments).collect();
        let mut of = 0;
        for (kind, number) in &files {
            let name = name(*kind, *number);
            let file = storage
                .read(&name)
                .map_err(cannot(|| format!("cannot read {name}")))?;
            of += file.length();
        }
        Ok(Self {
            storage,
            on_damage,
            limit,
            files,
            reader: None,
            lengths: Vec::new(),
            store: None,
            last: 0,
            groups: 0,
            in_image: survey.image.is_some(),
            needs: 0,
            slices: 0,
            unproven: VecDeque::new(),
            end: None,
            stopped: None,
            progress: Progress { read: 0, of },
        })
    }

    /// The next slice of the image, or the next group of the log; `None` when everything was read and is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        self.next_through(&mut |_, _, _| Ok(()))
    }

    /// As [`Self::next`]; what is read on the way goes through `pass`.
    pub(crate) fn next_through(&mut self, pass: Pass<'_>) -> Result<Option<Record<'_>>, JournalError> {
        let Some(header) = self.advance_or_stop(pass)? else {
            return Ok(None);
        };
        let payload = self.reader.as_ref().map(Reader::payload).unwrap_or_default();
        let last = (header.kind == RecordKind::Group).then_some(header.last);
        Ok(Some(Record { last, payload }))
    }

    pub(crate) fn progress(&self) -> Progress {
        let here = self.reader.as_ref().map(Reader::ends).unwrap_or_default();
        let Progress { read, of } = self.progress;
        Progress {
            read: read + here,
            of,
        }
    }

    /// The last change read.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Groups of the log read.
    pub(crate) fn groups(&self) -> u64 {
        self.groups
    }

    /// Where the log ends, when everything was read and there is one.
    pub(crate) fn end(&self) -> Option<&LogEnd> {
        self.end.as_ref()
    }

    /// The files read, in order: kind, number and length.
    pub(crate) fn lengths(&self) -> &[(FileKind, u64, u64)] {
        &self.lengths
    }

    /// Where the reading stopped, see [`OnDamage::Stop`].
    pub(crate) fn stopped(&self) -> Option<&Damage> {
        self.stopped.as_ref()
    }

    /// The directory that these files were made in.
    pub(crate) fn store(&self) -> Option<u128> {
        self.store
    }

    /// The image was not read to its end.
    pub(crate) fn in_image(&self) -> bool {
        self.in_image
    }

    /// The header of a log that begins with the image, when the image is all that was read.
    pub(crate) fn empty_log(&self) -> Option<FileHeader> {
        let [(FileKind::Image, number, _)] = self.lengths.as_slice() else {
            return None;
        };
        Some(FileHeader {
            kind: FileKind::Log,
            number: *number,
            store: self.store?,
            previous: self.last,
        })
    }

    /// File and offset of the record that was read last.
    pub(crate) fn place(&self) -> Option<(String, u64)> {
        let reader = self.reader.as_ref()?;
        Some((reader.name().to_owned(), reader.begins()))
    }

    fn advance_or_stop(&mut self, pass: Pass<'_>) -> Result<Option<RecordHeader>, JournalError> {
        if self.stopped.is_some() {
            return Ok(None);
        }
        match self.advance(pass) {
            Err(JournalError::Damaged(damage)) if self.may_stop() => {
                if let Some(reader) = &self.reader {
                    let begins = reader.begins();
                    self.close_segment_at(begins, None);
                }
                self.stopped = Some(damage);
                Ok(None)
            }
            outcome => outcome,
        }
    }

    /// Up to here it is a state, and it is enough.
    fn may_stop(&self) -> bool {
        let is_something = self.reader.is_some() || !self.lengths.is_empty();
        self.on_damage == OnDamage::Stop && is_something && !self.in_image && self.needs <= self.last
    }

    fn advance(&mut self, pass: Pass<'_>) -> Result<Option<RecordHeader>, JournalError> {
        loop {
            if !self.in_image && self.limit.is_some_and(|limit| self.last >= limit) {
                return Ok(None);
            }
            let Some(reader) = &mut self.reader else {
                if !self.open_next(pass)? {
                    return Ok(None);
                }
                continue;
            };
            let (kind, number) = (reader.header().kind, reader.header().number);
            match (reader.advance()?, kind) {
                (Step::Record(header), FileKind::Image) => {
                    let is_slice = self.check_in_image(&header)?;
                    pass(kind, number, self.record())?;
                    if is_slice {
                        return Ok(Some(header));
                    }
                    self.close_image();
                }
                (Step::Record(header), FileKind::Log) => {
                    let is_group = self.take_from_log(&header)?;
                    pass(kind, number, self.record())?;
                    if is_group {
                        return Ok(Some(header));
                    }
                }
                (Step::End, FileKind::Image) => return Err(self.damage("the image has no end")),
                (Step::Broken(broken), FileKind::Image) => return Err(self.damage(broken.what())),
                (Step::End, FileKind::Log) => self.close_segment(None),
                (Step::Broken(broken), FileKind::Log) => {
                    let cut = self.judge(broken)?;
                    self.close_segment(Some(cut));
                }
            }
        }
    }

    /// Opens the next file and checks that it follows. False behind the last one.
    fn open_next(&mut self, pass: Pass<'_>) -> Result<bool, JournalError> {
        let Some((kind, number)) = self.files.pop_front() else {
            if self.needs > self.last {
                return Err(self.too_short());
            }
            return Ok(false);
        };
        let mut reader =
            Reader::open(self.storage.as_ref(), &name(kind, number)).map_err(|error| match error {
                JournalError::Damaged(damage) => JournalError::Damaged(Damage {
                    whole_up_to: self.last,
                    ..damage
                }),
                other => other,
            })?;
        let header = reader.header();
        let refused = |what: &str| {
            JournalError::Damaged(Damage {
                file: name(kind, number),
                offset: 0,
                what: what.to_owned(),
                whole_up_to: self.last,
                groups_behind: 0,
            })
        };
        if (header.kind, header.number) != (kind, number) {
            return Err(refused("it is another file under this name"));
        }
        if self.store.is_some_and(|store| store != header.store) {
            return Err(refused("it is another directory's"));
        }
        if kind == FileKind::Log && header.previous != self.last {
            let what = format!(
                "it follows change {}, but the log ends with {}",
                header.previous, self.last
            );
            return Err(refused(&what));
        }
        pass(kind, number, reader.bytes(0, FILE_HEADER)?)?;
        self.store = Some(header.store);
        self.reader = Some(reader);
        self.unproven.clear();
        Ok(true)
    }

    /// True for a slice, false for the end.
    fn check_in_image(&mut self, header: &RecordHeader) -> Result<bool, JournalError> {
        match header.kind {
            RecordKind::Slice if header.last == self.slices + 1 => {
                self.slices += 1;
                Ok(true)
            }
            RecordKind::End if header.synced == self.slices => {
                self.needs = header.last;
                let is_end = self
                    .reader
                    .as_ref()
                    .is_none_or(|reader| reader.ends() == reader.length());
                if !is_end {
                    return Err(self.damage("something follows the image's end"));
                }
                Ok(false)
            }
            _ => Err(self.damage("a slice is missing")),
        }
    }

    /// True for a group.
    fn take_from_log(&mut self, header: &RecordHeader) -> Result<bool, JournalError> {
        let begins = self.reader.as_ref().map(Reader::begins).unwrap_or_default();
        let is_group = header.kind == RecordKind::Group;
        let is_mark = header.kind == RecordKind::Mark && header.last == self.last;
        let follows = is_mark || is_group && header.last > self.last;
        if !follows {
            return Err(self.damage("a record is out of order"));
        }
        while self
            .unproven
            .front()
            .is_some_and(|(last, _)| *last <= header.synced)
        {
            self.unproven.pop_front();
        }
        // A mark is proven by whatever proves more than the mark says.
        let proven_by = header.last + u64::from(is_mark);
        self.unproven.push_back((proven_by, begins));
        self.last = header.last;
        self.groups += u64::from(is_group);
        Ok(is_group)
    }

    /// The log goes on where the image began.
    fn close_image(&mut self) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        let header = reader.header();
        self.progress.read += reader.length();
        self.lengths.push((header.kind, header.number, reader.length()));
        self.last = header.previous;
        self.in_image = false;
    }

    fn close_segment(&mut self, cut: Option<Cut>) {
        let ends = self.reader.as_ref().map(Reader::ends).unwrap_or_default();
        self.close_segment_at(ends, cut);
    }

    fn close_segment_at(&mut self, length: u64, cut: Option<Cut>) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        let header = reader.header();
        self.progress.read += reader.length();
        self.lengths.push((header.kind, header.number, length));
        self.end = Some(LogEnd {
            header,
            length,
            unproven: self.unproven.front().map_or(length, |(_, offset)| *offset),
            cut,
        });
    }

    /// Something in a segment is no record: a torn tail is cut off, everything else is an error.
    fn judge(&mut self, broken: Broken) -> Result<Cut, JournalError> {
        let last = self.last;
        let Some(reader) = &mut self.reader else {
            return Err(self.damage(broken.what()));
        };
        let offset = reader.begins();
        let bytes = reader.length() - offset;
        let can_be_torn = self.files.is_empty() && can_be_torn(reader, offset, broken)?;
        let behind = look_behind(reader, offset + 1, last)?;
        // What is missing begins with a change behind `last`.
        let is_torn = can_be_torn && behind.synced <= last;
        let damage = Damage {
            file: reader.name().to_owned(),
            offset,
            what: broken.what().to_owned(),
            whole_up_to: last,
            groups_behind: behind.groups,
        };
        if !is_torn {
            return Err(JournalError::Damaged(damage));
        }
        Ok(Cut {
            file: damage.file,
            offset,
            bytes,
        })
    }

    /// Refuses a log that ends before a change that it once held.
    pub(crate) fn check_reaches(&self, change: u64) -> Result<(), JournalError> {
        if self.last >= change {
            return Ok(());
        }
        let (kind, number, offset) = self.lengths.last().copied().unwrap_or((FileKind::Log, 0, 0));
        Err(JournalError::Damaged(Damage {
            file: name(kind, number),
            offset,
            what: format!("the log was durable up to change {change}, and ends before it"),
            whole_up_to: self.last,
            groups_behind: 0,
        }))
    }

    /// The record that was read last, header and payload.
    fn record(&self) -> &[u8] {
        self.reader.as_ref().map(Reader::record).unwrap_or_default()
    }

    /// The image is newer than the log.
    fn too_short(&self) -> JournalError {
        let (kind, number, offset) = self.lengths.last().copied().unwrap_or((FileKind::Log, 0, 0));
        JournalError::Damaged(Damage {
            file: name(kind, number),
            offset,
            what: format!(
                "the log ends with change {}, and its image needs it up to {}",
                self.last, self.needs
            ),
            whole_up_to: 0,
            groups_behind: 0,
        })
    }

    /// Damage to the record that was read last.
    fn damage(&self, what: &str) -> JournalError {
        let (file, offset) = self
            .reader
            .as_ref()
            .map(|reader| (reader.name().to_owned(), reader.begins()))
            .unwrap_or_default();
        JournalError::Damaged(Damage {
            file,
            offset,
            what: what.to_owned(),
            whole_up_to: self.last,
            groups_behind: 0,
        })
    }
}
