//! From a frozen state to a backup: every record is checked on its way.
//!
//! In memory are one piece and the record that is being read.
//! Next: `format.rs` (the bytes), `mod.rs` (who asks).

use std::io::{self, Write};
use std::sync::Arc;

use crc32c::crc32c;

use super::format::{END, Header, Kind, PIECE, PieceHeader, Seed};
use crate::engine::Boot;
use crate::journal::contents::{Contents, OnDamage};
use crate::journal::error::{JournalError, cannot};
use crate::journal::frame::FileKind;
use crate::journal::frozen::Frozen;
use crate::journal::storage::Storage;
use crate::journal::survey::Survey;

/// What was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) store: u128,
    pub(crate) files: u64,
    /// Bytes of the backup.
    pub(crate) bytes: u64,
    pub(crate) last: u64,
    /// Why not everything could be written.
    pub(crate) missing: Option<JournalError>,
}

/// Writes a state as a backup. Of a damaged one, if `may_salvage`, what is whole before the damage.
pub(crate) fn write(
    frozen: &Arc<Frozen>,
    may_salvage: bool,
    taken_at: u64,
    into: &mut dyn Write,
    hear: &mut dyn FnMut(Boot),
) -> Result<Written, JournalError> {
    let mut survey = Survey::list(frozen.listed());
    let gap = survey.cut_at_gap();
    let on_damage = match may_salvage {
        true => OnDamage::Stop,
        false => OnDamage::Refuse,
    };
    if !may_salvage || !survey.has_beginning() {
        gap.map_or(Ok(()), Err)?;
        return copy(frozen, &survey, on_damage, None, taken_at, into, hear);
    }
    copy(frozen, &survey, on_damage, gap, taken_at, into, hear)
}

fn copy(
    frozen: &Arc<Frozen>,
    survey: &Survey,
    on_damage: OnDamage,
    gap: Option<JournalError>,
    taken_at: u64,
    into: &mut dyn Write,
    hear: &mut dyn FnMut(Boot),
) -> Result<Written, JournalError> {
    let storage: Arc<dyn Storage> = Arc::<Frozen>::clone(frozen);
    let mut contents = Contents::new(storage, survey, on_damage, None)?;
    let mut packer = Packer::new(into, taken_at);
    loop {
        let more = contents.next_through(&mut |kind, number, bytes| packer.take(kind, number, bytes))?;
        let is_over = more.is_none();
        let progress = contents.progress();
        hear(Boot {
            read: progress.read,
            of: progress.of,
        });
        if is_over {
            break;
        }
    }
    if let Some(header) = contents.empty_log() {
        // No directory is without one.
        packer.take(header.kind, header.number, &header.encode())?;
    }
    let last = contents.last();
    let stopped = contents.stopped().cloned().map(JournalError::Damaged);
    let missing = stopped.or(gap.map(|gap| gap.seen_up_to(last)));
    packer.end(last, missing)
}

/// Puts bytes of files into pieces.
struct Packer<'a> {
    into: &'a mut dyn Write,
    taken_at: u64,
    /// Known from the first file on.
    store: Option<(u128, Seed)>,
    /// The file that is being written, and where in it the piece begins.
    file: Option<(FileKind, u64)>,
    at: u64,
    piece: Vec<u8>,
    files: u64,
    bytes: u64,
    offset: u64,
}

impl<'a> Packer<'a> {
    fn new(into: &'a mut dyn Write, taken_at: u64) -> Self {
        Self {
            into,
            taken_at,
            store: None,
            file: None,
            at: 0,
            piece: Vec::with_capacity(PIECE),
            files: 0,
            bytes: 0,
            offset: 0,
        }
    }

    /// Takes the next bytes of a file.
    fn take(&mut self, kind: FileKind, number: u64, mut bytes: &[u8]) -> Result<(), JournalError> {
        if self.file != Some((kind, number)) {
            self.flush()?;
            self.begin_file(kind, number, bytes)?;
        }
        while !bytes.is_empty() {
            let room = PIECE.saturating_sub(self.piece.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() >= PIECE {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// A file begins with its header, and so does the first one, which says whose they are.
    fn begin_file(&mut self, kind: FileKind, number: u64, header: &[u8]) -> Result<(), JournalError> {
        use crate::journal::frame::{FILE_HEADER, FileHeader};
        if self.store.is_none() {
            let decoded = header.first_chunk::<FILE_HEADER>().map(FileHeader::decode);
            let Some(Ok(FileHeader { store, .. })) = decoded else {
                return Err(failed(io::ErrorKind::InvalidData.into()));
            };
            let header = Header {
                store,
                taken_at: self.taken_at,
            };
            self.put(&header.encode())?;
            self.store = Some((store, header.seed()));
        }
        self.file = Some((kind, number));
        self.at = 0;
        self.files += 1;
        Ok(())
    }

    /// Writes the piece that is in memory.
    fn flush(&mut self) -> Result<(), JournalError> {
        let Some((kind, number)) = self.file.filter(|_| !self.piece.is_empty()) else {
            return Ok(());
        };
        let piece = std::mem::take(&mut self.piece);
        let length = piece.len() as u64;
        self.put_piece(Kind::File(kind), number, self.at, &piece)?;
        self.at += length;
        self.bytes += length;
        self.piece = piece;
        self.piece.clear();
        Ok(())
    }

    fn end(mut self, last: u64, missing: Option<JournalError>) -> Result<Written, JournalError> {
        self.flush()?;
        let mut contents = [0; END];
        let words = [last, u64::from(missing.is_some())].map(u64::to_le_bytes);
        contents.copy_from_slice(words.as_flattened());
        self.put_piece(Kind::End, self.files, self.bytes, &contents)?;
        self.into.flush().map_err(failed)?;
        let (store, _) = self.store.unwrap_or_else(|| unreachable!("a state has a file"));
        Ok(Written {
            store,
            files: self.files,
            bytes: self.offset,
            last,
            missing,
        })
    }

    fn put_piece(&mut self, kind: Kind, number: u64, at: u64, contents: &[u8]) -> Result<(), JournalError> {
        let Some((_, seed)) = self.store else {
            return Err(failed(io::ErrorKind::InvalidData.into()));
        };
        let header = PieceHeader {
            kind,
            length: contents.len() as u64,
            check: crc32c(contents),
            number,
            at,
        };
        self.put(&header.encode(seed, self.offset))?;
        self.put(contents)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        self.into.write_all(bytes).map_err(failed)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn failed(error: io::Error) -> JournalError {
    cannot(|| "cannot write the backup".to_owned())(error)
}
