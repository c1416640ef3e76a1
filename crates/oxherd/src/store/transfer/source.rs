//! The reading side: all keys of a store, as rows.
//!
//! Small keys are read many at a time and whole, large ones in pieces, so that the store is never held up for long.
//! What a key was like when it was read is kept, and compared at the end (`changes.rs`).
//! Next: `source/large.rs` (keys in pieces), `source/stream.rs` (streams).

mod large;
mod stream;

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, RedisError, Value};

pub(super) use large::counting;

use super::row::{Head, Kind, Piece, Sink, shown};
use super::target::is_temporary;
use super::{Fault, Steps};
use crate::error::{Error, Result};
use crate::store::{Connection, Pick, Store, is_cut_off, refused};

/// Keys looked at in one round trip.
const BATCH: usize = 250;
/// A key of more bytes is read in pieces of about this size.
const SMALL: u64 = 1 << 20;
/// Small keys read in one round trip have about so many bytes together.
const TOGETHER: u64 = 4 << 20;
/// Even one piece may be large.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// What a key was like when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) kind: Kind,
    /// Elements, or bytes of a string.
    pub(super) size: u64,
    pub(super) expires_at: Option<i64>,
    /// Streams: how often entries were added, and the last one's id, as one number.
    pub(super) stamp: u64,
}

/// The keys by name, and what they were like; `None` for those that were not read.
pub(super) type Listing = BTreeMap<Vec<u8>, Option<Seen>>;

/// A store that is read.
pub(super) struct Source {
    connection: Connection,
    operation: &'static str,
}

/// What reading met.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// Keys that were gone when their turn came.
    pub(super) vanished: u64,
    pub(super) faults: Vec<Fault>,
}

impl Source {
    pub(super) fn new(store: &Store, operation: &'static str) -> Self {
        Self {
            connection: store.shared().with_deadline(DEADLINE),
            operation,
        }
    }

    /// Reads every key of the listing into the sink.
    pub(super) async fn read(
        &mut self,
        listing: &mut Listing,
        sink: &mut impl Sink,
        steps: &mut Steps<'_>,
    ) -> Result<Readings> {
        let mut readings = Readings::default();
        let names: Vec<Vec<u8>> = listing.keys().cloned().collect();
        for batch in names.chunks(BATCH) {
            let mut small: Vec<Head> = Vec::new();
            let mut bytes = 0;
            for (head, memory) in self.heads(batch, &mut readings).await? {
                let is_large = head.kind == Kind::Stream || (memory > SMALL && head.kind != Kind::String);
                if is_large {
                    // In the order of their names, so that dumps of the same keys can be compared.
                    self.read_small(std::mem::take(&mut small), listing, sink, &mut readings)
                        .await?;
                    bytes = 0;
                    self.read_large(head, memory, listing, sink, &mut readings)
                        .await?;
                    continue;
                }
                bytes += memory;
                small.push(head);
                if bytes > TOGETHER {
                    self.read_small(std::mem::take(&mut small), listing, sink, &mut readings)
                        .await?;
                    bytes = 0;
                }
            }
            self.read_small(small, listing, sink, &mut readings).await?;
            steps.passed(batch.len(), sink.tally());
        }
        Ok(readings)
    }

    /// Types, expiries and sizes in memory of these keys; those that are gone or strange are noted.
    async fn heads(&mut self, keys: &[Vec<u8>], readings: &mut Readings) -> Result<Vec<(Head, u64)>> {
        let mut pipeline = Pipeline::new();
        for key in keys {
            pipeline.cmd("TYPE").arg(key);
            pipeline.cmd("PEXPIRETIME").arg(key);
            pipeline.cmd("MEMORY").arg("USAGE").arg(key);
        }
        let mut replies = self.ask_all(&pipeline).await?.into_iter();
        let mut heads = Vec::with_capacity(keys.len());
        for key in keys {
            let kind: String = self.next(&mut replies)?;
            let expiry: i64 = self.next(&mut replies)?;
            let memory: Option<u64> = self.next(&mut replies)?;
            if kind == "none" || expiry == -2 {
                readings.vanished += 1;
                continue;
            }
            let Some(kind) = Kind::named(&kind) else {
                readings.fault(
                    key,
                    format!("keys of type {kind} cannot be read by ordinary commands"),
                );
                continue;
            };
            let head = Head {
                key: key.clone(),
                kind,
                expires_at: (expiry >= 0).then_some(expiry),
                place: String::new(),
            };
            heads.push((head, memory.unwrap_or(0)));
        }
        Ok(heads)
    }

    /// Keys that one command reads whole.
    async fn read_small(
        &mut self,
        heads: Vec<Head>,
        listing: &mut Listing,
        sink: &mut impl Sink,
        readings: &mut Readings,
    ) -> Result<()> {
        let mut pipeline = Pipeline::new();
        for head in &heads {
            pipeline.add_command(whole(head));
        }
        if heads.is_empty() {
            return Ok(());
        }
        let replies = self.ask_all(&pipeline).await?;
        for (head, reply) in heads.into_iter().zip(replies) {
            let reply = match reply.extract_error() {
                Ok(Value::Nil) => {
                    readings.vanished += 1;
                    continue;
                }
                Ok(reply) => reply,
                Err(error) => {
                    readings.fault(&head.key, error.to_string());
                    continue;
                }
            };
            let piece = piece_of(head.kind, reply).map_err(|error| self.unexpected(error))?;
            if piece.is_empty() && head.kind != Kind::String {
                readings.vanished += 1;
                continue;
            }
            let seen = Seen {
                kind: head.kind,
                size: piece.size().0,
                expires_at: head.expires_at,
                stamp: 0,
            };
            listing.insert(head.key.clone(), Some(seen));
            sink.begin(head).await?;
            sink.add(piece).await?;
            sink.end().await?;
        }
        Ok(())
    }

    async fn read_large(
        &mut self,
        head: Head,
        memory: u64,
        listing: &mut Listing,
        sink: &mut impl Sink,
        readings: &mut Readings,
    ) -> Result<()> {
        let key = head.key.clone();
        let seen = match head.kind {
            Kind::Stream => self.stream(head, memory, sink).await,
            _ => self.in_pieces(head, memory, sink).await,
        };
        match seen {
            Ok(Some(seen)) => {
                listing.insert(key, Some(seen));
                sink.end().await
            }
            Ok(None) => {
                readings.vanished += 1;
                sink.abandon().await
            }
            Err(Error::Store { operation, source })
                if operation == self.operation && source.to_string().contains("no such key") =>
            {
                readings.vanished += 1;
                sink.abandon().await
            }
            // Another type than a moment ago, most likely: the other keys are not concerned.
            Err(Error::Store { operation, source }) if operation == self.operation => {
                readings.fault(&key, source.to_string());
                sink.abandon().await
            }
            Err(error) => Err(error),
        }
    }

    /// The value of one command.
    async fn ask<T: FromRedisValue>(&mut self, command: Cmd) -> Result<T> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command);
        let mut replies = self.ask_all(&pipeline).await?.into_iter();
        self.next(&mut replies)
    }

    /// Sends commands that only read: once more, if the connection broke under them.
    pub(super) async fn ask_all(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>> {
        ask_all(&mut self.connection, pipeline, self.operation).await
    }

    /// The next reply as the type it must have; an error that the store answered is one here.
    pub(super) fn next<T: FromRedisValue>(&self, replies: &mut impl Iterator<Item = Value>) -> Result<T> {
        let reply = replies.next().unwrap_or(Value::Nil);
        let reply = reply
            .extract_error()
            .map_err(|error| refused(self.operation, error))?;
        T::from_redis_value(reply).map_err(|error| self.unexpected(error))
    }

    fn unexpected(&self, error: impl std::fmt::Display) -> Error {
        Error::Reply {
            operation: self.operation.to_owned(),
            reason: error.to_string(),
        }
    }
}

impl Readings {
    fn fault(&mut self, key: &[u8], reason: String) {
        self.faults.push(Fault {
            key: shown(key),
            reason,
        });
    }
}

/// The names of all keys that match.
pub(super) async fn list(store: &Store, pattern: Option<&[u8]>, operation: &'static str) -> Result<Listing> {
    let mut scan = store.scan(Pick { pattern, kind: None }, operation);
    let mut listing = Listing::new();
    while let Some(page) = scan.next().await? {
        let keys = page.into_iter().filter(|key| !is_temporary(key));
        listing.extend(keys.map(|key| (key, None)));
    }
    Ok(listing)
}

/// Sends commands whose repetition does no harm: once more, if the connection broke under them.
pub(super) async fn ask_all(
    connection: &mut Connection,
    pipeline: &Pipeline,
    operation: &str,
) -> Result<Vec<Value>> {
    let mut reply = send(connection, pipeline).await;
    if matches!(&reply, Err(error) if is_cut_off(error)) {
        reply = send(connection, pipeline).await;
    }
    reply.map_err(|error| refused(operation, error))
}

/// Sends commands; errors of single ones are among the values.
pub(super) async fn send(
    connection: &mut Connection,
    pipeline: &Pipeline,
) -> std::result::Result<Vec<Value>, RedisError> {
    use redis::aio::ConnectionLike as _;
    connection.req_packed_commands(pipeline, 0, pipeline.len()).await
}

/// The command that reads a key whole.
fn whole(head: &Head) -> Cmd {
    let (name, more): (&str, &[&str]) = match head.kind {
        Kind::String => ("GET", &[]),
        Kind::Hash => ("HGETALL", &[]),
        Kind::List => ("LRANGE", &["0", "-1"]),
        Kind::Set => ("SMEMBERS", &[]),
        Kind::SortedSet => ("ZRANGE", &["0", "-1", "WITHSCORES"]),
        Kind::Stream => ("XRANGE", &["-", "+"]),
    };
    let mut command = redis::cmd(name);
    command.arg(&head.key).arg(more);
    command
}

/// What a command that reads elements of this type answered; streams have their own reader.
fn piece_of(kind: Kind, reply: Value) -> std::result::Result<Piece, redis::ParsingError> {
    Ok(match kind {
        Kind::String | Kind::Stream => Piece::Text(Vec::from_redis_value(reply)?),
        Kind::Hash => Piece::Fields(Vec::from_redis_value(reply)?),
        Kind::List => Piece::Items(Vec::from_redis_value(reply)?),
        Kind::Set => Piece::Members(Vec::from_redis_value(reply)?),
        Kind::SortedSet => Piece::Scored(Vec::from_redis_value(reply)?),
    })
}
