//! Reading a directory: the image, then every group of the log, in order.
//!
//! Nothing on the disk changes. Whatever is not whole is an error that names file and offset, but for a torn tail of
//! the newest segment, which ends the reading. Files must belong to one store and follow each other without a gap, and
//! the log must reach the change that the image needs.
//! Next: `tail.rs` (torn or damaged), `directory.rs` (what is done about it).

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::{Damage, JournalError, cannot};
use super::frame::{FileHeader, FileKind, RecordHeader, RecordKind};
use super::reader::{Broken, Reader, Step};
use super::storage::Storage;
use super::survey::{Survey, name};
use super::tail::{can_be_torn, look_behind};

/// What is done about damage in the newest segment that is no torn tail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDamage {
    /// The directory is refused.
    #[default]
    Refuse,
    /// The log ends there, as if it were a torn tail. Acknowledged changes may be lost: for a person to decide.
    Cut,
}

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
    /// Why it was cut off although it is no torn tail, if it is none.
    pub(crate) damage: Option<Damage>,
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
            progress: Progress { read: 0, of },
        })
    }

    /// The next slice of the image, or the next group of the log; `None` when everything was read and is whole.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        let Some(header) = self.advance()? else {
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

    fn advance(&mut self) -> Result<Option<RecordHeader>, JournalError> {
        loop {
            if !self.in_image && self.limit.is_some_and(|limit| self.last >= limit) {
                return Ok(None);
            }
            let Some(reader) = &mut self.reader else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            match (reader.advance()?, reader.header().kind) {
                (Step::Record(header), FileKind::Image) => {
                    if self.take_from_image(&header)? {
                        return Ok(Some(header));
                    }
                }
                (Step::Record(header), FileKind::Log) => {
                    if self.take_from_log(&header)? {
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
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some((kind, number)) = self.files.pop_front() else {
            if self.needs > self.last {
                return Err(self.too_short());
            }
            return Ok(false);
        };
        let reader =
            Reader::open(self.storage.as_ref(), &name(kind, number)).map_err(|error| match error {
                JournalError::Damaged(damage) => JournalError::Damaged(Damage {
                    whole_up_to: self.last,
                    ..damage
                }),
                other => other,
            })?;
        let header = reader.header();
        self.reader = Some(reader);
        if (header.kind, header.number) != (kind, number) {
            return Err(self.damage("it is another file under this name"));
        }
        if *self.store.get_or_insert(header.store) != header.store {
            return Err(self.damage("it is another directory's"));
        }
        if kind == FileKind::Log && header.previous != self.last {
            let what = format!(
                "it follows change {}, but the log ends with {}",
                header.previous, self.last
            );
            return Err(self.damage(&what));
        }
        self.unproven.clear();
        Ok(true)
    }

    /// True for a slice.
    fn take_from_image(&mut self, header: &RecordHeader) -> Result<bool, JournalError> {
        match header.kind {
            RecordKind::Slice if header.last == self.slices + 1 => {
                self.slices += 1;
                Ok(true)
            }
            RecordKind::End if header.synced == self.slices => {
                self.needs = header.last;
                self.close_image()?;
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

    /// Behind the end of an image nothing follows, and the log goes on where the image began.
    fn close_image(&mut self) -> Result<(), JournalError> {
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        let header = reader.header();
        let length = reader.length();
        if reader.ends() != length {
            self.reader = Some(reader);
            return Err(self.damage("something follows the image's end"));
        }
        self.progress.read += length;
        self.lengths.push((header.kind, header.number, length));
        self.last = header.previous;
        self.in_image = false;
        Ok(())
    }

    fn close_segment(&mut self, cut: Option<Cut>) {
        let Some(reader) = self.reader.take() else {
            return;
        };
        let header = reader.header();
        let length = reader.ends();
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
        let may_cut = self.on_damage == OnDamage::Cut && self.files.is_empty();
        if !is_torn && !may_cut {
            return Err(JournalError::Damaged(damage));
        }
        Ok(Cut {
            file: damage.file.clone(),
            offset,
            bytes,
            damage: (!is_torn).then_some(damage),
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
