//! A file of the journal, taken apart from its beginning to its end.
//!
//! Read in large pieces; a record larger than a piece is read at once, and a length is believed only when its header
//! is valid and the file is long enough. What is not a record is told, not judged: that depends on the file.
//! Next: `contents.rs` (files in their order), `tail.rs` (what damage at the end of the log means).

use std::io;

use crc32c::crc32c;

use super::error::{Damage, JournalError, cannot};
use super::frame::{FILE_HEADER, FileHeader, HeaderFault, RECORD_HEADER, RecordHeader, Seed, VERSION};
use super::storage::{Readable, Storage};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// A file being read.
#[derive(Debug)]
pub(crate) struct Reader {
    name: String,
    file: Box<dyn Readable>,
    header: FileHeader,
    seed: Seed,
    window: Window,
    /// Where the record that was read last begins.
    begins: u64,
    /// The length of its payload.
    payload: usize,
    /// Where the next one begins.
    next: u64,
}

/// What stands at the next place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Record(RecordHeader),
    /// The file ends here, between records.
    End,
    Broken(Broken),
}

/// Something that is not a whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The file ends within a header or a payload.
    Short,
    /// There is no header.
    Header,
    /// Its payload, up to this offset, is not what its header says.
    Payload { end: u64 },
}

impl Broken {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Short => "the file ends within a record",
            Self::Header => "no record begins there",
            Self::Payload { .. } => "a record's checksum is wrong",
        }
    }
}

impl Reader {
    /// Opens a file and reads its header.
    pub(crate) fn open(storage: &dyn Storage, name: &str) -> Result<Self, JournalError> {
        let failed = |source| cannot(|| format!("cannot read {name}"))(source);
        let file = storage.read(name).map_err(failed)?;
        let mut window = Window::default();
        let damaged = |what: &str| {
            JournalError::Damaged(Damage {
                file: name.to_owned(),
                offset: 0,
                what: what.to_owned(),
                whole_up_to: 0,
                groups_behind: 0,
            })
        };
        let bytes = window.at(file.as_ref(), 0, FILE_HEADER).map_err(failed)?;
        let Some(bytes) = bytes.first_chunk() else {
            return Err(damaged("the file ends within its header"));
        };
        let header = match FileHeader::decode(bytes) {
            Ok(header) => header,
            Err(HeaderFault::Garbled) => return Err(damaged("its header is not one")),
            Err(HeaderFault::Version(found)) => {
                return Err(JournalError::Format {
                    file: name.to_owned(),
                    found,
                    known: VERSION,
                });
            }
        };
        Ok(Self {
            name: name.to_owned(),
            file,
            header,
            seed: header.seed(),
            window,
            begins: 0,
            payload: 0,
            next: FILE_HEADER as u64,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn header(&self) -> FileHeader {
        self.header
    }

    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// The file's length.
    pub(crate) fn length(&self) -> u64 {
        self.file.length()
    }

    /// Where the record that was read last begins, or what is broken.
    pub(crate) fn begins(&self) -> u64 {
        self.begins
    }

    /// Where the record that was read last ends.
    pub(crate) fn ends(&self) -> u64 {
        self.next
    }

    /// The next record. Its payload is [`Self::payload`]. Behind what is broken nothing is read.
    pub(crate) fn advance(&mut self) -> Result<Step, JournalError> {
        self.begins = self.next;
        self.payload = 0;
        let left = self.length().saturating_sub(self.begins);
        if left == 0 {
            return Ok(Step::End);
        }
        let (begins, seed) = (self.begins, self.seed);
        let Some(header) = self.bytes(begins, RECORD_HEADER)?.first_chunk() else {
            return Ok(Step::Broken(Broken::Short));
        };
        let Some(header) = RecordHeader::decode(header, seed, begins) else {
            return Ok(Step::Broken(Broken::Header));
        };
        if header.length > left - RECORD_HEADER as u64 {
            return Ok(Step::Broken(Broken::Short));
        }
        let Ok(length) = usize::try_from(header.length) else {
            return Ok(Step::Broken(Broken::Short));
        };
        let record = self.bytes(begins, RECORD_HEADER + length)?;
        let payload = record.get(RECORD_HEADER..).unwrap_or_default();
        if payload.len() < length {
            return Ok(Step::Broken(Broken::Short));
        }
        let end = begins + (RECORD_HEADER + length) as u64;
        if crc32c(payload) != header.check {
            return Ok(Step::Broken(Broken::Payload { end }));
        }
        self.payload = length;
        self.next = end;
        Ok(Step::Record(header))
    }

    /// The record that was read last, with its header.
    pub(crate) fn record(&self) -> &[u8] {
        self.window.held(self.begins, RECORD_HEADER + self.payload)
    }

    /// The payload of the record that was read last.
    pub(crate) fn payload(&self) -> &[u8] {
        self.window.held(self.begins + RECORD_HEADER as u64, self.payload)
    }

    /// So many bytes from an offset on, or fewer when the file ends.
    pub(crate) fn bytes(&mut self, offset: u64, length: usize) -> Result<&[u8], JournalError> {
        let Self {
            file, window, name, ..
        } = self;
        window
            .at(file.as_ref(), offset, length)
            .map_err(cannot(|| format!("cannot read {name}")))
    }

    /// At least so many bytes from an offset on, and whatever else is in memory; fewer when the file ends.
    pub(crate) fn bytes_behind(&mut self, offset: u64, least: usize) -> Result<&[u8], JournalError> {
        self.bytes(offset, least)?;
        Ok(self.window.held(offset, usize::MAX))
    }
}

/// A part of a file in memory.
#[derive(Debug, Default)]
struct Window {
    bytes: Vec<u8>,
    /// Of `bytes`, so many are the file's.
    filled: usize,
    /// Where in the file it begins.
    base: u64,
}

impl Window {
    /// So many bytes from an offset on, or fewer when the file ends: what is held already, else a piece more.
    fn at(&mut self, file: &dyn Readable, offset: u64, length: usize) -> io::Result<&[u8]> {
        if self.held(offset, length).len() < length {
            self.move_to(offset);
            self.fill(file, length)?;
        }
        Ok(self.held(offset, length))
    }

    /// What is held of so many bytes from an offset on.
    fn held(&self, offset: u64, length: usize) -> &[u8] {
        let Some(from) = offset
            .checked_sub(self.base)
            .and_then(|from| usize::try_from(from).ok())
        else {
            return &[];
        };
        let to = from.saturating_add(length).min(self.filled);
        self.bytes.get(from..to).unwrap_or_default()
    }

    /// Begins at an offset, with what is held of it.
    fn move_to(&mut self, offset: u64) {
        let from = offset
            .checked_sub(self.base)
            .and_then(|from| usize::try_from(from).ok())
            .filter(|from| *from <= self.filled);
        match from {
            Some(from) => {
                self.bytes.copy_within(from..self.filled, 0);
                self.filled -= from;
            }
            None => self.filled = 0,
        }
        self.base = offset;
    }

    /// Reads until so many bytes are held, or the file ends.
    fn fill(&mut self, file: &dyn Readable, length: usize) -> io::Result<()> {
        let left = file.length().saturating_sub(self.base);
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(length.max(PIECE));
        if self.bytes.len() < room {
            // A record that grew the window is the rare case, so what it needs is all it gets.
            self.bytes.reserve_exact(room - self.bytes.len());
            self.bytes.resize(room, 0);
        }
        while self.filled < length.min(room) {
            let free = self.bytes.get_mut(self.filled..room).unwrap_or_default();
            match file.read_at(self.base + self.filled as u64, free)? {
                0 => break,
                read => self.filled += read,
            }
        }
        Ok(())
    }
}
