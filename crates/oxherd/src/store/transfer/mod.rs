//! Whole stores on the move: copies to another store, dumps to a file, and loads from one.
//!
//! Ordinary commands only, so that any two stores understand each other. A reader turns keys into rows
//! (`source.rs`), a row goes into a store (`target.rs`) or a file (`dump.rs`), and comes out of a file again
//! (`load.rs`). Keys are written whole or not at all; what changed in the source meanwhile is found and told.
//! Next: `row.rs` (what travels).

mod changes;
mod commands;
mod dump;
mod jsonl;
mod load;
mod resp;
mod row;
mod source;
mod target;

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncWrite, BufReader};

use self::dump::Dump;
use self::row::{Kind, Sink, Tally};
use self::source::Source;
use self::target::Target;
use super::Store;
use crate::error::{Error, Result};

const READ: &str = "read the source";

/// The forms of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// Redis commands, as `redis-cli --pipe` takes them.
    Resp,
    /// One JSON object a line: a key with type, expiry and value.
    Jsonl,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// Keys dealt with.
    pub done: u64,
    /// Keys there are; `None` for a file, which does not tell before its end.
    pub total: Option<u64>,
    /// Bytes of keys and values written.
    pub bytes: u64,
    /// All keys are written, and the source is compared with what was read.
    pub is_checking: bool,
}

/// A key that was not transferred as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The key; bytes that are no UTF-8 are shown as `�`.
    pub key: String,
    /// What happened.
    pub reason: String,
}

/// What a transfer did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TransferReport {
    /// Keys written, by type.
    pub keys: BTreeMap<&'static str, u64>,
    /// Bytes of these keys and their values.
    pub bytes: u64,
    /// Keys that were gone when their turn came.
    pub vanished: u64,
    /// Keys whose time was over when they arrived.
    pub expired: u64,
    /// Keys that could not be read, and why.
    pub not_copied: Vec<Fault>,
    /// Keys of the source that are not as they were read, and what happened to them.
    pub changed: Vec<Fault>,
}

impl TransferReport {
    /// Keys written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.keys.values().sum()
    }

    /// Whether the target holds what the source held throughout.
    #[must_use]
    pub fn is_faithful(&self) -> bool {
        self.not_copied.is_empty() && self.changed.is_empty()
    }
}

/// A transfer with its settings.
///
/// ```no_run
/// # use oxherd::{Store, Transfer};
/// # async fn example() -> oxherd::Result<()> {
/// let from = Store::open("redis://127.0.0.1:6379").await?;
/// let to = Store::open("redis://127.0.0.1:6380").await?;
/// let report = Transfer::new().matching("bull:*").copy(&from, &to).await?;
/// assert!(report.is_faithful());
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Transfer<'a> {
    pattern: Option<Vec<u8>>,
    replaces: bool,
    is_partial: bool,
    listener: Option<Listener<'a>>,
}

type Listener<'a> = Box<dyn FnMut(Progress) + Send + 'a>;

impl<'a> Transfer<'a> {
    /// All keys of a store, whatever their prefix; none of the target's is replaced.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes only keys whose names match a glob pattern, as in `KEYS`. Default: all. A load takes its whole file.
    #[must_use]
    pub fn matching(mut self, pattern: impl Into<Vec<u8>>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Replaces keys that the target holds already. Default: they are an error.
    #[must_use]
    pub fn with_replacing(mut self, replaces: bool) -> Self {
        self.replaces = replaces;
        self
    }

    /// Loads a file that has no end mark, or another number of keys than that says. Default: it is an error.
    #[must_use]
    pub fn with_partial(mut self, is_partial: bool) -> Self {
        self.is_partial = is_partial;
        self
    }

    /// Calls this after every few hundred keys.
    #[must_use]
    pub fn on_progress(mut self, listener: impl FnMut(Progress) + Send + 'a) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// Copies keys with type, value and expiry from one store to another.
    ///
    /// # Errors
    /// [`Error::KeysExist`] before anything is written when the target holds one of the keys, [`Error::SameStore`] when
    /// both are one; else what either store answered, as [`Error::TransferStopped`].
    pub async fn copy(mut self, from: &Store, to: &Store) -> Result<TransferReport> {
        require_redis_7(from)?;
        require_redis_7(to)?;
        let mut target = Target::new(to, self.replaces);
        target.must_not_be(from).await?;
        let mut listing = source::list(from, self.pattern.as_deref(), READ).await?;
        target.must_hold_none(listing.keys().map(Vec::as_slice)).await?;
        let mut steps = Steps::new(self.listener.as_mut(), Some(listing.len()));
        let read = Source::new(from, READ)
            .read(&mut listing, &mut target, &mut steps)
            .await;
        // Rows that are whole are written, whatever happened after them; one that is not is removed.
        target.abandon().await?;
        let flushed = target.flush().await;
        let outcome = read.and_then(|readings| flushed.map(|()| readings));
        let readings = outcome.map_err(|error| stopped(target.tally(), error))?;
        let changed = changes::find(from, self.pattern.as_deref(), &listing, READ, &mut steps).await;
        let changed = changed.map_err(|error| stopped(target.tally(), error))?;
        Ok(report(target.tally(), readings, changed))
    }

    /// Writes keys with type, value and expiry to a file.
    ///
    /// # Errors
    /// [`Error::DumpFile`] when the file cannot be written, else what the store answered; as
    /// [`Error::TransferStopped`].
    pub async fn dump(
        mut self,
        from: &Store,
        format: DumpFormat,
        output: impl AsyncWrite + Unpin + Send,
    ) -> Result<TransferReport> {
        require_redis_7(from)?;
        let mut listing = source::list(from, self.pattern.as_deref(), READ).await?;
        let mut steps = Steps::new(self.listener.as_mut(), Some(listing.len()));
        let mut dump = Dump::new(output, format);
        let mut source = Source::new(from, READ);
        let read = source.read(&mut listing, &mut dump, &mut steps).await;
        let readings = read.map_err(|error| stopped(dump.tally(), error))?;
        let finished = dump.finish().await;
        finished.map_err(|error| stopped(dump.tally(), error))?;
        let changed = changes::find(from, self.pattern.as_deref(), &listing, READ, &mut steps).await;
        let changed = changed.map_err(|error| stopped(dump.tally(), error))?;
        Ok(report(dump.tally(), readings, changed))
    }

    /// Writes the keys of a dump to a store; without a format, the file's first byte tells it.
    ///
    /// # Errors
    /// [`Error::Dump`] for a file that is no dump or not a whole one, [`Error::KeysExist`] at the first key that the
    /// store holds, else what the store answered; as [`Error::TransferStopped`]. Keys before the fault are written,
    /// the key at fault is not.
    pub async fn load(
        mut self,
        input: impl AsyncRead + Unpin + Send,
        format: Option<DumpFormat>,
        to: &Store,
    ) -> Result<TransferReport> {
        require_redis_7(to)?;
        let mut input = BufReader::with_capacity(256 << 10, input);
        let mut target = Target::new(to, self.replaces);
        let mut steps = Steps::new(self.listener.as_mut(), None);
        let loaded = load::load(&mut input, format, self.is_partial, &mut target, &mut steps).await;
        loaded.map_err(|error| stopped(target.tally(), error))?;
        Ok(report(target.tally(), source::Readings::default(), Vec::new()))
    }
}

impl std::fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transfer")
            .field("pattern", &self.pattern)
            .field("replaces", &self.replaces)
            .field("is_partial", &self.is_partial)
            .finish_non_exhaustive()
    }
}

/// Tells the listener how far it is.
struct Steps<'a> {
    listener: Option<&'a mut (dyn FnMut(Progress) + Send)>,
    progress: Progress,
}

impl<'a> Steps<'a> {
    fn new<'b>(listener: Option<&'a mut Listener<'b>>, total: Option<usize>) -> Self {
        Self {
            listener: listener.map(|listener| &mut **listener as &mut (dyn FnMut(Progress) + Send)),
            progress: Progress {
                done: 0,
                total: total.map(|total| total as u64),
                bytes: 0,
                is_checking: false,
            },
        }
    }

    fn passed(&mut self, keys: usize, tally: &Tally) {
        self.progress.bytes = tally.bytes;
        self.tell(keys);
    }

    fn checked(&mut self, keys: usize) {
        if !std::mem::replace(&mut self.progress.is_checking, true) {
            self.progress.done = 0;
        }
        self.tell(keys);
    }

    fn tell(&mut self, keys: usize) {
        self.progress.done += keys as u64;
        if let Some(listener) = &mut self.listener {
            listener(self.progress);
        }
    }
}

fn report(tally: &Tally, readings: source::Readings, changed: Vec<Fault>) -> TransferReport {
    let counts = Kind::ALL.into_iter().zip(tally.kinds);
    TransferReport {
        keys: counts
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| (kind.name(), count))
            .collect(),
        bytes: tally.bytes,
        vanished: readings.vanished,
        expired: tally.expired,
        not_copied: readings.faults,
        changed,
    }
}

fn stopped(tally: &Tally, error: Error) -> Error {
    Error::TransferStopped {
        written: tally.keys(),
        source: Box::new(error),
    }
}

/// `PEXPIRETIME`, and what a stream remembers, came with 7.0.
fn require_redis_7(store: &Store) -> Result<()> {
    let server = store.server();
    let major = server
        .version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    if server.product == "redis" && major.unwrap_or(0_u32) < 7 {
        let reason = format!("{} is Redis {}, and 7.0 is needed", store.name(), server.version);
        return Err(Error::Store {
            operation: "transfer keys".to_owned(),
            source: reason.into(),
        });
    }
    Ok(())
}
