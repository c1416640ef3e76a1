//! The writing side: rows into a store.
//!
//! A row is built under a temporary name and takes its own name whole, by `RENAMENX` or `RENAME`: nobody sees half a
//! key, and a failure leaves none. Temporary keys expire, so that even a killed process leaves nothing for long.
//! Many rows share a round trip.
//! Next: `target/name.rs` (temporary names).

mod name;

use redis::{Cmd, Pipeline, RedisError, Value};

pub(super) use name::is_temporary;
use name::temporary;

use super::commands::{adding, closing, opening};
use super::row::{Head, Piece, Sink, Tally, shown};
use super::source::{DEADLINE, send};
use crate::error::{Error, Result};
use crate::store::{Connection, Store, refused};

/// How long a temporary key stays when nobody writes to it any more.
const TEMPORARY_MS: u64 = 3_600_000;
/// Commands are sent when so many have gathered, or so many bytes.
const COMMANDS: usize = 1000;
const BYTES: usize = 2 << 20;
const OPERATION: &str = "write to the target";
/// A store that is written to.
pub(super) struct Target {
    store: Store,
    connection: Connection,
    replaces: bool,
    /// Tells this transfer's temporary keys from those of others.
    run: String,
    begun: u64,
    /// Rows with commands on the way; only the last may be open.
    rows: Vec<Row>,
    queue: Pipeline,
    /// To which row each command of the queue belongs.
    owners: Vec<usize>,
    queued: usize,
    tally: Tally,
}

struct Row {
    head: Head,
    temporary: Vec<u8>,
    bytes: u64,
    stage: Stage,
    problem: Option<RedisError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Ended,
    Abandoned,
}

/// Why a row is not in its place.
enum Lost {
    /// The store's answer, or it was abandoned.
    Problem,
    /// Another key has its name.
    Held,
}

impl Target {
    pub(super) fn new(store: &Store, replaces: bool) -> Self {
        Self {
            store: store.clone(),
            connection: store.shared().with_deadline(DEADLINE),
            replaces,
            run: uuid::Uuid::new_v4().simple().to_string(),
            begun: 0,
            rows: Vec::new(),
            queue: Pipeline::new(),
            owners: Vec::new(),
            queued: 0,
            tally: Tally::default(),
        }
    }

    /// Fails when the source shows what is written here.
    pub(super) async fn must_not_be(&mut self, source: &Store) -> Result<()> {
        let probe = temporary(b"probe", &self.run, 0);
        let fault = |error| refused(OPERATION, error);
        redis::cmd("SET")
            .arg(&probe)
            .arg("")
            .arg("PX")
            .arg(10_000)
            .exec_async(&mut self.connection)
            .await
            .map_err(fault)?;
        let there: bool = redis::cmd("EXISTS")
            .arg(&probe)
            .query_async(&mut source.shared())
            .await
            .map_err(fault)?;
        redis::cmd("UNLINK")
            .arg(&probe)
            .exec_async(&mut self.connection)
            .await
            .map_err(fault)?;
        if there {
            return Err(Error::SameStore {
                store: self.store.name().to_owned(),
            });
        }
        Ok(())
    }

    /// Fails when one of the keys is there already and must not be replaced.
    pub(super) async fn must_hold_none(&mut self, keys: impl Iterator<Item = &[u8]>) -> Result<()> {
        if self.replaces {
            return Ok(());
        }
        let keys: Vec<&[u8]> = keys.collect();
        let mut held = Held::default();
        for batch in keys.chunks(COMMANDS) {
            let mut pipeline = Pipeline::new();
            for key in batch {
                pipeline.cmd("EXISTS").arg(*key);
            }
            let replies: Vec<bool> = pipeline
                .query_async(&mut self.connection)
                .await
                .map_err(|error| refused(OPERATION, error))?;
            for (key, _) in batch.iter().zip(replies).filter(|(_, there)| *there) {
                held.add(key);
            }
        }
        held.verdict(&self.store)
    }

    /// Adds ready commands to the row that is under way; they name its temporary key.
    pub(super) async fn push(&mut self, commands: Vec<Cmd>, bytes: u64) -> Result<()> {
        if let Some(row) = self.rows.last_mut() {
            row.bytes += bytes;
        }
        let share = usize::try_from(bytes).unwrap_or(BYTES) / commands.len().max(1);
        for command in commands {
            let Some(owner) = self.rows.len().checked_sub(1) else {
                break;
            };
            self.enqueue(command, owner);
            self.queued += share;
            if self.is_full() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Begins a row whose commands come ready, by `push`.
    pub(super) fn open(&mut self, head: Head) {
        self.begun += 1;
        self.rows.push(Row {
            bytes: 0,
            temporary: temporary(&head.key, &self.run, self.begun),
            head,
            stage: Stage::Open,
            problem: None,
        });
    }

    /// When the row that is under way expires.
    pub(super) fn expires(&mut self, at: Option<i64>) {
        if let Some(row) = self.rows.last_mut() {
            row.head.expires_at = at;
        }
    }

    /// The name under which the row that is under way is built.
    pub(super) fn name(&self) -> &[u8] {
        self.rows.last().map_or(&[], |row| row.temporary.as_slice())
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= COMMANDS || self.queued >= BYTES
    }

    fn enqueue(&mut self, command: Cmd, owner: usize) {
        self.queue.add_command(command);
        self.owners.push(owner);
    }

    /// Sends what has gathered; rows that have ended take their names.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.fill().await?;
        let open = self.rows.pop_if(|row| row.is_open_and_well());
        let outcome = self.publish().await;
        self.rows.extend(open);
        outcome
    }

    /// The commands that build rows.
    async fn fill(&mut self) -> Result<()> {
        for owner in 0..self.rows.len() {
            let Some(row) = self.rows.get(owner) else { break };
            let mut expire = redis::cmd("PEXPIRE");
            expire.arg(&row.temporary).arg(TEMPORARY_MS);
            self.enqueue(expire, owner);
        }
        let queue = std::mem::take(&mut self.queue);
        let owners = std::mem::take(&mut self.owners);
        self.queued = 0;
        if queue.is_empty() {
            return Ok(());
        }
        let replies = send(&mut self.connection, &queue).await;
        let replies = replies.map_err(|error| refused(OPERATION, error))?;
        for (owner, reply) in owners.into_iter().zip(replies) {
            let Err(error) = reply.extract_error() else {
                continue;
            };
            if let Some(row) = self.rows.get_mut(owner) {
                row.problem.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// Gives the rows their names, or removes what was built of them.
    async fn publish(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let (ready, lost): (Vec<Row>, Vec<Row>) = rows
            .into_iter()
            .partition(|row| row.stage == Stage::Ended && row.problem.is_none());
        let mut pipeline = Pipeline::new();
        for row in &ready {
            pipeline.add_command(closing(&row.temporary, row.head.expires_at));
            let rename = if self.replaces { "RENAME" } else { "RENAMENX" };
            pipeline.cmd(rename).arg(&row.temporary).arg(&row.head.key);
        }
        let mut replies = Vec::new();
        if !ready.is_empty() {
            let sent = send(&mut self.connection, &pipeline).await;
            replies = sent.map_err(|error| refused(OPERATION, error))?;
        }
        let mut replies = replies.into_iter();
        let mut lost: Vec<(Row, Lost)> = lost.into_iter().map(|row| (row, Lost::Problem)).collect();
        for row in ready {
            let closed = replies.next().unwrap_or(Value::Nil).extract_error();
            let renamed = replies.next().unwrap_or(Value::Nil).extract_error();
            if let Some((row, why)) = self.settle(row, closed, renamed) {
                lost.push((row, why));
            }
        }
        self.remove(&lost).await?;
        self.verdict(lost)
    }

    /// Counts a row that is in its place, or tells why it is not.
    fn settle(
        &mut self,
        mut row: Row,
        closed: Result<Value, RedisError>,
        renamed: Result<Value, RedisError>,
    ) -> Option<(Row, Lost)> {
        let was_there = matches!(closed, Ok(Value::Int(1)));
        match renamed {
            Ok(Value::Int(0)) => return Some((row, Lost::Held)),
            Ok(_) => self.tally.count(row.head.kind, row.bytes),
            // The row's own time was over.
            Err(error) if was_there && error.to_string().contains("no such key") => {
                self.tally.expired += 1;
            }
            Err(error) => {
                row.problem = Some(closed.err().unwrap_or(error));
                return Some((row, Lost::Problem));
            }
        }
        None
    }

    /// Removes temporary keys that nobody needs.
    async fn remove(&mut self, rows: &[(Row, Lost)]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::new();
        for (row, _) in rows {
            pipeline.cmd("UNLINK").arg(&row.temporary);
        }
        let sent = send(&mut self.connection, &pipeline).await;
        sent.map(drop).map_err(|error| refused(OPERATION, error))
    }

    fn verdict(&self, lost: Vec<(Row, Lost)>) -> Result<()> {
        let mut held = Held::default();
        for (row, why) in lost {
            match (why, row.problem) {
                (_, Some(problem)) => {
                    let place = match row.head.place.as_str() {
                        "" => String::new(),
                        place => format!(" of {place}"),
                    };
                    let operation = format!("write key {:?}{place}", shown(&row.head.key));
                    return Err(refused(&operation, problem));
                }
                (Lost::Held, None) => held.add(&row.head.key),
                (Lost::Problem, None) => {}
            }
        }
        held.verdict(&self.store)
    }
}

impl Sink for Target {
    async fn begin(&mut self, head: Head) -> Result<()> {
        let kind = head.kind;
        self.open(head);
        let commands = opening(self.name(), kind);
        self.push(commands, 0).await
    }

    async fn add(&mut self, piece: Piece) -> Result<()> {
        let commands = adding(self.name(), &piece);
        self.push(commands, piece.size().1).await
    }

    async fn end(&mut self) -> Result<()> {
        if let Some(row) = self.rows.last_mut() {
            row.stage = Stage::Ended;
            row.bytes += row.head.key.len() as u64;
        }
        if self.is_full() || self.rows.len() >= COMMANDS {
            self.flush().await?;
        }
        Ok(())
    }

    async fn abandon(&mut self) -> Result<()> {
        if let Some(row) = self.rows.last_mut().filter(|row| row.stage == Stage::Open) {
            row.stage = Stage::Abandoned;
        }
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Row {
    fn is_open_and_well(&self) -> bool {
        self.stage == Stage::Open && self.problem.is_none()
    }
}

/// Keys that are there already.
#[derive(Default)]
struct Held {
    first: Option<String>,
    count: u64,
}

impl Held {
    fn add(&mut self, key: &[u8]) {
        self.first.get_or_insert_with(|| shown(key));
        self.count += 1;
    }

    fn verdict(self, store: &Store) -> Result<()> {
        let Some(key) = self.first else { return Ok(()) };
        Err(Error::KeysExist {
            store: store.name().to_owned(),
            key,
            count: self.count,
        })
    }
}
