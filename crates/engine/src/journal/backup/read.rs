//! A backup taken apart, from its beginning to its end.
//!
//! What is handed out is whole; whether there is more missing than that shows at the end. In memory is one piece.
//! Next: `format.rs` (the bytes), `restore.rs` (what becomes of it).

use std::io::{self, Read};

use crc32c::crc32c;

use super::format::{
    END, HEADER, Header, HeaderFault, Kind, PIECE, PIECE_HEADER, PieceHeader, Seed, VERSION,
};
use crate::journal::error::{JournalError, cannot};
use crate::journal::frame::FileKind;

/// From so many bytes on it can be told what it is.
const MAGIC_LENGTH: usize = 8;

/// A backup being read.
pub(crate) struct Unpacking<'a> {
    from: &'a mut dyn Read,
    header: Header,
    seed: Seed,
    offset: u64,
    piece: Vec<u8>,
    /// The file that is being read, and how much of it was.
    file: Option<(FileKind, u64)>,
    at: u64,
    files: u64,
    bytes: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Bytes of a file.
    Piece {
        kind: FileKind,
        number: u64,
        /// They are its first ones.
        is_first: bool,
        bytes: &'a [u8],
    },
    /// There is no more.
    End {
        files: u64,
        /// Bytes of the files.
        bytes: u64,
        last: u64,
        /// Something was missing when the backup was made.
        is_salvaged: bool,
    },
}

impl<'a> Unpacking<'a> {
    pub(crate) fn begin(from: &'a mut dyn Read) -> Result<Self, JournalError> {
        let mut bytes = [0; HEADER];
        let length = fill(from, &mut bytes)?;
        let header = match Header::decode(&bytes) {
            Ok(header) if length == HEADER => header,
            Err(HeaderFault::Version(found)) if length == HEADER => {
                return Err(JournalError::Format {
                    file: "the backup".to_owned(),
                    found,
                    known: VERSION,
                });
            }
            Err(HeaderFault::Foreign) if length >= MAGIC_LENGTH => {
                return Err(broken(0, "it is no backup of a store"));
            }
            Err(HeaderFault::Garbled) if length == HEADER => return Err(broken(0, "its header is not one")),
            _ => return Err(broken(length as u64, "it was cut off")),
        };
        Ok(Self {
            from,
            header,
            seed: header.seed(),
            offset: HEADER as u64,
            piece: Vec::new(),
            file: None,
            at: 0,
            files: 0,
            bytes: 0,
        })
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn next(&mut self) -> Result<Next<'_>, JournalError> {
        let begins = self.offset;
        let header = self.read_piece()?;
        match header.kind {
            Kind::File(kind) => self.take(begins, kind, &header),
            Kind::End => self.end(begins, &header),
        }
    }

    /// Reads a piece into memory.
    fn read_piece(&mut self) -> Result<PieceHeader, JournalError> {
        let begins = self.offset;
        let mut bytes = [0; PIECE_HEADER];
        let length = self.fill(&mut bytes)?;
        if length < PIECE_HEADER {
            return Err(broken(begins + length as u64, "it was cut off"));
        }
        let header = PieceHeader::decode(&bytes, self.seed, begins)
            .filter(|header| header.length <= PIECE as u64)
            .ok_or_else(|| broken(begins, "no piece begins there"))?;
        let wanted = usize::try_from(header.length).unwrap_or(PIECE);
        let mut piece = std::mem::take(&mut self.piece);
        piece.resize(wanted, 0);
        let length = self.fill(&mut piece)?;
        self.piece = piece;
        if length < wanted {
            return Err(broken(self.offset, "it was cut off"));
        }
        if crc32c(&self.piece) != header.check {
            return Err(broken(begins, "a piece's checksum is wrong"));
        }
        Ok(header)
    }

    fn take(&mut self, begins: u64, kind: FileKind, header: &PieceHeader) -> Result<Next<'_>, JournalError> {
        let number = header.number;
        let is_first = self.file != Some((kind, number));
        let follows = match self.file {
            _ if !is_first => header.at == self.at,
            None => header.at == 0,
            Some((FileKind::Image, before)) => header.at == 0 && kind == FileKind::Log && number == before,
            Some((FileKind::Log, before)) => {
                header.at == 0 && kind == FileKind::Log && before.checked_add(1) == Some(number)
            }
        };
        if !follows || header.length == 0 {
            return Err(broken(begins, "a piece is missing"));
        }
        self.file = Some((kind, number));
        self.at = header.at + header.length;
        self.files += u64::from(is_first);
        self.bytes += header.length;
        Ok(Next::Piece {
            kind,
            number,
            is_first,
            bytes: &self.piece,
        })
    }

    fn end(&mut self, begins: u64, header: &PieceHeader) -> Result<Next<'_>, JournalError> {
        let ([last, is_salvaged], []) = self.piece.as_chunks::<8>() else {
            return Err(broken(begins, "its end is not one"));
        };
        let [last, is_salvaged] = [last, is_salvaged].map(|word| u64::from_le_bytes(*word));
        if (header.number, header.at) != (self.files, self.bytes) || self.piece.len() != END {
            return Err(broken(begins, "a piece is missing"));
        }
        let end = self.offset;
        if self.fill(&mut [0])? > 0 {
            return Err(broken(end, "something follows its end"));
        }
        Ok(Next::End {
            files: self.files,
            bytes: self.bytes,
            last,
            is_salvaged: is_salvaged != 0,
        })
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<usize, JournalError> {
        let length = fill(self.from, into)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// Reads until it is full, or there is no more.
fn fill(from: &mut dyn Read, into: &mut [u8]) -> Result<usize, JournalError> {
    let mut length = 0;
    while let Some(room) = into.get_mut(length..).filter(|room| !room.is_empty()) {
        match from.read(room) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot(|| "cannot read the backup".to_owned())(error)),
        }
    }
    Ok(length)
}

fn broken(offset: u64, what: &str) -> JournalError {
    JournalError::Backup {
        offset,
        what: what.to_owned(),
    }
}
