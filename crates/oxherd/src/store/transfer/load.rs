//! Rows out of a file: which format it has, and whether it was whole.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use super::target::Target;
use super::{DumpFormat, Steps, jsonl, resp};
use crate::error::{Error, Result};

/// The end of a whole dump.
pub(super) struct EndMark {
    /// How many keys it says the dump has.
    pub(super) promised: u64,
    /// How many were read.
    pub(super) rows: u64,
}

/// Writes the rows of a file to the target; `is_partial` takes one that was cut off or filtered.
pub(super) async fn load(
    input: &mut (impl AsyncBufRead + Unpin + Send),
    format: Option<DumpFormat>,
    is_partial: bool,
    target: &mut Target,
    steps: &mut Steps<'_>,
) -> Result<()> {
    let format = match format {
        Some(format) => format,
        None => detect(input).await?,
    };
    let read = match format {
        DumpFormat::Resp => resp::load(input, target, steps).await,
        DumpFormat::Jsonl => jsonl::load(input, target, steps).await,
    };
    // What stood whole before a fault is written, so that what is told of it is true.
    let flushed = target.flush().await;
    let mark = read?;
    flushed?;
    let place = || "its end".to_owned();
    match mark {
        _ if is_partial => Ok(()),
        Some(mark) if mark.promised == mark.rows => Ok(()),
        Some(mark) => Err(invalid(
            place(),
            format!(
                "the end mark promises {} keys, but {} were read",
                mark.promised, mark.rows
            ),
        )),
        None => Err(invalid(
            place(),
            "there is no end mark: the dump was cut off, or filtered",
        )),
    }
}

/// The format by the first byte.
async fn detect(input: &mut (impl AsyncBufRead + Unpin + Send)) -> Result<DumpFormat> {
    match input.fill_buf().await.map_err(failed)?.first() {
        Some(b'*') => Ok(DumpFormat::Resp),
        Some(b'{') => Ok(DumpFormat::Jsonl),
        Some(_) => Err(invalid(
            "its beginning".to_owned(),
            "neither JSON lines nor Redis commands",
        )),
        None => Err(invalid("its beginning".to_owned(), "the file is empty")),
    }
}

pub(super) fn invalid(place: String, reason: impl Into<String>) -> Error {
    Error::Dump {
        place,
        reason: reason.into(),
    }
}

pub(super) fn failed(source: std::io::Error) -> Error {
    Error::DumpFile {
        operation: "read the dump",
        source,
    }
}
