//! A queue's event stream, as every program on the queue writes it.
//!
//! Reading starts at the end of the stream (or after a known event) and goes on over reconnects without a gap, as
//! long as the stream is not trimmed faster than it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::QueueCore;
use crate::error::Error;
use crate::job::JobId;

/// How long one read blocks; a dead connection is noticed this much later at most, plus [`WATCHDOG_MARGIN`].
const BLOCK: Duration = Duration::from_secs(1);
const WATCHDOG_MARGIN: Duration = Duration::from_secs(1);
/// Pause after a failed read.
const RETRY: Duration = Duration::from_millis(200);
/// Events read ahead of the listener; then the reader waits.
const READ_AHEAD: usize = 256;

/// One entry of a queue's event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEvent {
    /// The entry's id in the stream: `<ms>-<n>`.
    pub id: String,
    /// What happened: `added`, `waiting`, `active`, `progress`, `completed`, `failed`, `delayed`, `stalled`, ...
    pub event: String,
    /// The job it is about, if any.
    pub job_id: Option<JobId>,
    /// The entry's other fields.
    pub fields: BTreeMap<String, String>,
}

/// Receives a queue's events; dropping it ends the reading.
#[derive(Debug)]
pub struct QueueEvents {
    received: mpsc::Receiver<QueueEvent>,
}

impl QueueEvents {
    /// The next event; `None` only when the runtime shuts down.
    pub async fn next(&mut self) -> Option<QueueEvent> {
        self.received.recv().await
    }
}

/// Starts reading after `last_id`; everything written from now on without one.
pub(super) async fn follow(core: QueueCore, last_id: Option<String>) -> crate::Result<QueueEvents> {
    let last_id = match last_id {
        Some(id) if is_position(&id) => id,
        Some(position) => {
            return Err(Error::EventPosition {
                queue: core.name.to_string(),
                position,
            });
        }
        // `$` would be resolved anew after each reconnect and lose what came between.
        None => newest(&core).await?,
    };
    let (send, received) = mpsc::channel(READ_AHEAD);
    tokio::spawn(read(core, last_id, send));
    Ok(QueueEvents { received })
}

async fn newest(core: &QueueCore) -> crate::Result<String> {
    let mut command = redis::cmd("XREVRANGE");
    command
        .arg(core.keys.events())
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1);
    let entries: redis::RedisResult<Vec<Entry>> = command.query_async(&mut core.store.shared()).await;
    let entries = entries.map_err(|error| crate::store::refused("read the queue's events", error));
    let entries = core.explained(entries).await?;
    Ok(entries
        .into_iter()
        .next()
        .map_or_else(|| "0-0".to_owned(), |(id, _)| id))
}

async fn read(core: QueueCore, mut last_id: String, send: mpsc::Sender<QueueEvent>) {
    let key = core.keys.events();
    while !send.is_closed() {
        let mut connection = match core.store.dedicated(&key, BLOCK + WATCHDOG_MARGIN).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::debug!(queue = %core.name, %error, "cannot read events yet");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        // The reading itself is never dropped half way: it ends by its own time-out, then we look who listens.
        while !send.is_closed() {
            let mut command = redis::cmd("XREAD");
            command
                .arg("COUNT")
                .arg(READ_AHEAD)
                .arg("BLOCK")
                .arg(crate::clock::millis(BLOCK));
            command.arg("STREAMS").arg(&key).arg(&last_id);
            match command
                .query_async::<Option<Vec<(Vec<u8>, Vec<Entry>)>>>(&mut connection)
                .await
            {
                Ok(streams) => {
                    for (id, fields) in streams.into_iter().flatten().flat_map(|(_, entries)| entries) {
                        last_id.clone_from(&id);
                        if send.send(QueueEvent::read(id, fields)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    tracing::debug!(queue = %core.name, %error, "reading events failed; reconnecting");
                    tokio::time::sleep(RETRY).await;
                    break;
                }
            }
        }
    }
}

/// An entry's id and its flat field/value list, which any program may have written.
type Entry = (String, Vec<Vec<u8>>);

impl QueueEvent {
    fn read(id: String, flat: Vec<Vec<u8>>) -> Self {
        let mut texts = flat
            .into_iter()
            .map(|text| String::from_utf8_lossy(&text).into_owned());
        let mut fields = BTreeMap::new();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            fields.insert(name, value);
        }
        let event = fields.remove("event").unwrap_or_default();
        let job_id = fields.remove("jobId").map(JobId::existing);
        Self {
            id,
            event,
            job_id,
            fields,
        }
    }
}

fn is_position(id: &str) -> bool {
    let (milliseconds, number) = id.split_once('-').unwrap_or((id, "0"));
    [milliseconds, number]
        .iter()
        .all(|part| part.parse::<u64>().is_ok() && !part.starts_with('+'))
}
