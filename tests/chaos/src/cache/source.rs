//! The rows that are cached: a small server in the test, asked by lines.
//!
//! `read SPACE KEY LAG_MS NUMBER` is answered by the row's version (as it was so long ago, for a replica that lags), `write SPACE KEY
//! MARKED_UNTIL` by the new one. Reads and writes of the primary are linearizable.

use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A way to the rows, with connections as many as there are questions at once.
pub(crate) struct Source {
    address: String,
    /// Which of the test's processes this is.
    number: String,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Source {
    pub(crate) fn at(address: &str, number: &str) -> Self {
        Self {
            address: address.to_owned(),
            number: number.to_owned(),
            idle: Mutex::default(),
        }
    }

    /// The version of a row, as it was `lag_ms` ago.
    pub(crate) async fn read(&self, space: &str, key: u64, lag_ms: u64) -> io::Result<u64> {
        self.ask(&format!("read {space} {key} {lag_ms} {}\n", self.number))
            .await
    }

    /// Writes a row; `marked_until` is the time until which readers were told to stay away, or 0.
    pub(crate) async fn write(&self, space: &str, key: u64, marked_until: u64) -> io::Result<u64> {
        self.ask(&format!("write {space} {key} {marked_until}\n")).await
    }

    async fn ask(&self, question: &str) -> io::Result<u64> {
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.get_mut().write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_line(&mut answer).await?;
        let answer = answer.trim_end().parse().map_err(io::Error::other)?;
        self.idle().push(connection);
        Ok(answer)
    }

    async fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<BufReader<TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Source")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
