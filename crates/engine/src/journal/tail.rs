//! What damage in the newest segment means: a write that power cut short, or bytes that have changed.
//!
//! It is damage of something durable when a later record says that it was (`synced`). And it is damage, whatever
//! follows, when a write cut short cannot have left it: of such a write whole sectors are missing, which then hold
//! zeros, or the file ends. Everything else is a torn tail, which was never acknowledged.
//!
//! Not seen is thus a change to the newest record alone, when that happens to hold zeros up to a sector's end and no
//! mark was written behind it.
//! Next: `contents.rs`, which asks.

use crc32c::crc32c;

use super::error::JournalError;
use super::frame::{RECORD_HEADER, RecordHeader, RecordKind};
use super::reader::{Broken, Reader};

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// What stands behind something broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Behind {
    /// Groups that are whole.
    pub(crate) groups: u64,
    /// The greatest change that any record there, whole or not, says was durable when it was written.
    pub(crate) synced: u64,
}

/// Looks for records at every offset from `from` on. `last` is the last change before it.
pub(crate) fn look_behind(reader: &mut Reader, from: u64, last: u64) -> Result<Behind, JournalError> {
    let mut behind = Behind::default();
    let mut offset = from;
    while let Some((found, header)) = find(reader, offset, last)? {
        behind.synced = behind.synced.max(header.synced);
        let end = found + RECORD_HEADER as u64 + header.length;
        let is_whole = end <= reader.length() && is_whole(reader, found, &header)?;
        if is_whole && header.kind == RecordKind::Group {
            behind.groups += 1;
        }
        // A header is believed without its payload, but what a broken payload covers may hold records all the same.
        offset = if is_whole {
            end
        } else {
            found + RECORD_HEADER as u64
        };
    }
    Ok(behind)
}

/// The first record's header at `from` or behind it.
fn find(reader: &mut Reader, from: u64, last: u64) -> Result<Option<(u64, RecordHeader)>, JournalError> {
    let seed = reader.seed();
    let mut begins = from;
    loop {
        let piece = reader.bytes_behind(begins, RECORD_HEADER)?;
        for (index, bytes) in piece.windows(RECORD_HEADER).enumerate() {
            let offset = begins + index as u64;
            if let Some(bytes) = bytes.first_chunk()
                && may_begin(bytes)
                && let Some(header) = RecordHeader::decode(bytes, seed, offset)
                && header.last >= last
            {
                return Ok(Some((offset, header)));
            }
        }
        let looked_at = (piece.len() + 1).saturating_sub(RECORD_HEADER);
        if looked_at == 0 {
            return Ok(None);
        }
        begins += looked_at as u64;
    }
}

/// Cheaper than a checksum, and no to nearly everything.
fn may_begin(bytes: &[u8; RECORD_HEADER]) -> bool {
    matches!(bytes[15], 1 | 2)
}

fn is_whole(reader: &mut Reader, begins: u64, header: &RecordHeader) -> Result<bool, JournalError> {
    let Ok(length) = usize::try_from(header.length) else {
        return Ok(false);
    };
    let payload = reader.bytes(begins + RECORD_HEADER as u64, length)?;
    Ok(payload.len() == length && crc32c(payload) == header.check)
}

/// Whether a write cut short can have left this at `begins`.
pub(crate) fn can_be_torn(reader: &mut Reader, begins: u64, broken: Broken) -> Result<bool, JournalError> {
    let end = match broken {
        Broken::Short => return Ok(true),
        Broken::Header => begins + RECORD_HEADER as u64,
        Broken::Payload { end } => end,
    };
    let mut from = begins;
    while from < end {
        // From sector to sector, a piece at a time.
        let to = ((from / SECTOR + 1) * SECTOR).min(end);
        let length = usize::try_from(to - from).unwrap_or_default();
        if reader.bytes(from, length)?.iter().all(|byte| *byte == 0) {
            return Ok(true);
        }
        from = to;
    }
    Ok(false)
}
