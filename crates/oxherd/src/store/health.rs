//! Whether a store answers, and whether it keeps what it is told.
//!
//! A sign of life is asked for each time. What the store says of its disk is asked for at most once a second, however
//! often it is looked at: `INFO persistence`, which Redis, Valkey and the engine answer alike. A server whose disk
//! failed may refuse even the sign of life (`MISCONF`); it lives all the same.
//! Next: `link.rs` (for how long requests have failed).

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{Backend, Connection, ServerVersion, Store};

/// How long both questions may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long an answer about the disk is good for.
const FRESH: Duration = Duration::from_secs(1);

/// Whether the store answers.
#[derive(Clone, Debug)]
pub struct Health {
    /// The store's URL without secrets.
    pub store: String,
    /// The server's product and version.
    pub server: ServerVersion,
    /// How long a round trip took; `None` when nothing answered.
    pub round_trip: Option<Duration>,
    /// For how long requests have failed.
    pub trouble_for: Option<Duration>,
    /// What the last failure said.
    pub problem: Option<String>,
    /// Why a store that answers refuses all writes: its journal or snapshot failed. `None` when it takes them, as it said
    /// at most a second ago.
    pub writes_refused: Option<String>,
    /// How data is kept on disk, if it is and the store says so.
    pub persistence: Option<Persistence>,
    /// What a store in this process holds.
    pub memory: Option<StoreMemory>,
}

/// The memory of a store in this process.
#[derive(Clone, Copy, Debug)]
pub struct StoreMemory {
    /// Bytes of all keys and values.
    pub used: usize,
    /// Bytes beyond which what would add to them is refused.
    pub limit: Option<usize>,
}

/// How a store keeps its data on disk, as it says itself: a directory, or a Redis with an append-only file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persistence {
    /// `always`, `everysec` or `never`; only of a directory.
    pub fsync: Option<String>,
    /// Bytes of the log, which the next start reads.
    pub log_bytes: Option<u64>,
    /// Bytes of the image that the log goes on from, which the next start reads before it.
    pub image_bytes: Option<u64>,
    /// An image is being taken.
    pub is_taking_image: bool,
    /// The last image could not be written: the log goes on growing.
    pub has_image_failed: bool,
    /// What half of all syncs did not exceed; only of a directory.
    pub sync_p50: Option<Duration>,
    /// What 99 of 100 syncs did not exceed; only of a directory.
    pub sync_p99: Option<Duration>,
    /// Why nothing more is kept.
    pub failure: Option<String>,
}

/// What was said last, and when.
pub(super) type LastSaid = Option<(Instant, Option<Persistence>)>;

impl Store {
    /// Asks the server for a sign of life.
    pub async fn health(&self) -> Health {
        let started = Instant::now();
        let mut connection = self.shared().with_deadline(DEADLINE);
        let answer = redis::cmd("PING").exec_async(&mut connection).await;
        let round_trip = started.elapsed();
        let (is_alive, refusal) = match &answer {
            Ok(()) => (true, None),
            Err(error) if error.code() == Some("MISCONF") => (true, Some(error.to_string())),
            Err(_) => (false, None),
        };
        let persistence = if is_alive {
            let left = DEADLINE.saturating_sub(round_trip);
            self.persistence(connection.with_deadline(left)).await
        } else {
            None
        };
        let failure = persistence.as_ref().and_then(|said| said.failure.clone());
        let trouble = match &self.inner.backend {
            Backend::Redis { link, .. } => link.state().trouble,
            Backend::Engine { .. } => None,
            #[cfg(test)]
            Backend::Simulated { .. } => None,
        };
        Health {
            store: self.inner.name.clone(),
            server: self.inner.server.clone(),
            round_trip: is_alive.then_some(round_trip),
            trouble_for: trouble.as_ref().map(|(since, _)| since.elapsed()),
            problem: answer
                .err()
                .map(|error| error.to_string())
                .or(trouble.map(|(_, error)| error.to_string())),
            writes_refused: failure.or(refusal),
            persistence,
            memory: self.engine().map(|engine| {
                let usage = engine.usage();
                StoreMemory {
                    used: usage.memory,
                    limit: usage.max_memory,
                }
            }),
        }
    }

    /// What the store says of its disk. One that may not be asked, or has other things to do, says nothing.
    async fn persistence(&self, mut connection: Connection) -> Option<Persistence> {
        let said = || {
            self.inner
                .last_said
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some((at, persistence)) = &*said()
            && at.elapsed() < FRESH
        {
            return persistence.clone();
        }
        let asked = Instant::now();
        let mut info = redis::cmd("INFO");
        info.arg("persistence");
        let info: String = info.query_async(&mut connection).await.ok()?;
        let persistence = Persistence::parse(&info);
        *said() = Some((asked, persistence.clone()));
        persistence
    }
}

impl Persistence {
    /// From what `INFO persistence` says; `None` when there is no log.
    fn parse(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let value = info
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(value.trim())
        };
        let number = |name: &str| field(name)?.parse::<u64>().ok();
        let is = |name: &str, value: &str| field(name) == Some(value);
        if !is("aof_enabled", "1") {
            return None;
        }
        let failure = is("aof_last_write_status", "err").then(|| {
            let reason = field("oxherd_journal_error").filter(|reason| !reason.is_empty());
            reason
                .unwrap_or("its append-only file cannot be written")
                .to_owned()
        });
        Some(Self {
            fsync: field("oxherd_fsync").map(str::to_owned),
            log_bytes: number("aof_current_size"),
            image_bytes: number("aof_base_size"),
            is_taking_image: is("aof_rewrite_in_progress", "1"),
            has_image_failed: is("aof_last_bgrewrite_status", "err"),
            sync_p50: number("oxherd_journal_sync_p50_us").map(Duration::from_micros),
            sync_p99: number("oxherd_journal_sync_p99_us").map(Duration::from_micros),
            failure,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_how_it_keeps_its_data() {
        let info = "# Persistence\r\nloading:0\r\naof_enabled:1\r\naof_rewrite_in_progress:1\r\n\
                    aof_last_write_status:ok\r\naof_last_bgrewrite_status:ok\r\naof_current_size:7\r\n\
                    aof_base_size:5\r\noxherd_fsync:always\r\noxherd_journal_error:\r\n\
                    oxherd_journal_sync_p50_us:200\r\noxherd_journal_sync_p99_us:900\r\n";
        let said = Persistence::parse(info).unwrap();
        assert_eq!((said.log_bytes, said.image_bytes), (Some(7), Some(5)));
        assert_eq!(said.fsync.as_deref(), Some("always"));
        assert_eq!(said.sync_p99, Some(Duration::from_micros(900)));
        assert!(said.is_taking_image && !said.has_image_failed);
        assert_eq!(said.failure, None);
    }

    #[test]
    fn a_failed_journal_names_its_reason_and_redis_has_none() {
        let failed = "aof_enabled:1\r\naof_last_write_status:err\r\n";
        let redis = Persistence::parse(failed).unwrap();
        assert_eq!(redis.failure.unwrap(), "its append-only file cannot be written");
        let engine = format!("{failed}oxherd_journal_error:no space left: on device\r\n");
        let engine = Persistence::parse(&engine).unwrap();
        assert_eq!(engine.failure.unwrap(), "no space left: on device");
    }

    #[test]
    fn without_a_log_there_is_nothing_to_say() {
        for info in ["", "aof_enabled:0\r\naof_last_write_status:ok\r\n", "nonsense"] {
            assert_eq!(Persistence::parse(info), None, "{info:?}");
        }
    }
}
