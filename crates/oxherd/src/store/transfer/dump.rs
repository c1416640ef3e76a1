//! Rows into a file: one format or the other, a row at a time.
//!
//! A row is put together in memory and written when it is whole, so a key that vanishes while it is read leaves no
//! trace. A mark at the end tells a whole dump from one that was cut off.

use redis::Cmd;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::commands::{adding, closing, opening};
use super::row::{Head, Piece, Sink, Tally};
use super::{DumpFormat, jsonl, resp};
use crate::error::{Error, Result};

/// Rows are written to the file when so many bytes have gathered.
const GATHERED: usize = 256 << 10;

/// A file that is written.
pub(super) struct Dump<W> {
    output: W,
    format: DumpFormat,
    buffer: Vec<u8>,
    row: Option<Row>,
    tally: Tally,
}

struct Row {
    head: Head,
    /// Where it begins in the buffer.
    start: usize,
    bytes: u64,
    json: jsonl::Writer,
}

impl<W: AsyncWrite + Unpin + Send> Dump<W> {
    pub(super) fn new(output: W, format: DumpFormat) -> Self {
        let mut buffer = Vec::new();
        if format == DumpFormat::Resp {
            resp::write_head(&mut buffer);
        }
        Self {
            output,
            format,
            buffer,
            row: None,
            tally: Tally::default(),
        }
    }

    /// Writes the end mark and what is left.
    pub(super) async fn finish(&mut self) -> Result<()> {
        match self.format {
            DumpFormat::Resp => resp::write_end(&mut self.buffer, self.tally.keys()),
            DumpFormat::Jsonl => jsonl::write_end(&mut self.buffer, self.tally.keys()),
        }
        self.write().await?;
        self.output.flush().await.map_err(failed)
    }

    async fn write(&mut self) -> Result<()> {
        let written = self.output.write_all(&self.buffer).await;
        self.buffer.clear();
        written.map_err(failed)
    }

    fn commands(&mut self, commands: &[Cmd]) {
        for command in commands {
            command.write_packed_command(&mut self.buffer);
        }
    }
}

impl<W: AsyncWrite + Unpin + Send> Sink for Dump<W> {
    async fn begin(&mut self, head: Head) -> Result<()> {
        let start = self.buffer.len();
        let mut json = jsonl::Writer::default();
        match self.format {
            DumpFormat::Resp => {
                let mut begin = redis::cmd("DEL");
                begin.arg(&head.key);
                self.commands(&[begin]);
                self.commands(&opening(&head.key, head.kind));
            }
            DumpFormat::Jsonl => json.begin(&mut self.buffer, &head),
        }
        self.row = Some(Row {
            bytes: head.key.len() as u64,
            head,
            start,
            json,
        });
        Ok(())
    }

    async fn add(&mut self, piece: Piece) -> Result<()> {
        let Some(mut row) = self.row.take() else {
            return Ok(());
        };
        row.bytes += piece.size().1;
        match self.format {
            DumpFormat::Resp => self.commands(&adding(&row.head.key, &piece)),
            DumpFormat::Jsonl => row.json.add(&mut self.buffer, &piece),
        }
        self.row = Some(row);
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let Some(mut row) = self.row.take() else {
            return Ok(());
        };
        match self.format {
            DumpFormat::Resp => self.commands(&[closing(&row.head.key, row.head.expires_at)]),
            DumpFormat::Jsonl => row.json.end(&mut self.buffer, row.head.kind),
        }
        self.tally.count(row.head.kind, row.bytes);
        if self.buffer.len() >= GATHERED {
            self.write().await?;
        }
        Ok(())
    }

    async fn abandon(&mut self) -> Result<()> {
        if let Some(row) = self.row.take() {
            self.buffer.truncate(row.start);
        }
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::DumpFile {
        operation: "write the dump",
        source,
    }
}
