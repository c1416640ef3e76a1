//! How an idle worker hears of work: a blocking read of the queue's marker on a connection of its own.
//!
//! The read is asked for once for each time the worker is idle and is never dropped half way, since the server would
//! pop the marker all the same. It blocks in slices, so that a connection that died in silence is noticed within two
//! seconds.

use std::time::{Duration, Instant};

use base64::Engine as _;
use tokio::sync::mpsc;

use super::health::Signs;
use crate::clock::Timestamp;
use crate::queue::QueueCore;
use crate::store::Connection;

const SLICE: Duration = Duration::from_secs(1);
const WATCHDOG_MARGIN: Duration = Duration::from_millis(750);
const RETRY: Duration = Duration::from_millis(200);

/// What the listener heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There may be work.
    Work,
    /// A job becomes due then; the marker that said so is popped.
    Due(Timestamp),
    /// Nothing for the whole drain delay, or the connection was lost: look for yourself.
    Silence,
}

/// Puts a popped marker back that this worker has no use for, so that another worker wakes.
pub(super) async fn put_back(core: &QueueCore, heard: Heard) {
    let (member, score) = match heard {
        Heard::Work => ("0", 0),
        Heard::Due(due) => ("1", due.as_millis()),
        Heard::Silence => return,
    };
    let mut command = redis::cmd("ZADD");
    command.arg(core.keys.marker()).arg(score).arg(member);
    if let Err(error) = command.exec_async(&mut core.store.shared()).await {
        // Other workers look for themselves after their drain delay.
        tracing::debug!(queue = %core.name, %error, "cannot put a marker back");
    }
}

pub(super) struct Listener {
    pub(super) core: QueueCore,
    pub(super) signs: Signs,
    pub(super) worker_name: Option<String>,
    pub(super) drain_delay: Duration,
}

impl Listener {
    /// Answers each request with one [`Heard`], until the worker is gone.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<()>, heard: mpsc::Sender<Heard>) {
        let mut connection = None;
        while requests.recv().await.is_some() {
            let news = self.listen(&mut connection, &heard).await;
            if let Err(unheard) = heard.send(news).await {
                put_back(&self.core, unheard.0).await;
                return;
            }
        }
    }

    async fn listen(&self, connection: &mut Option<Connection>, heard: &mpsc::Sender<Heard>) -> Heard {
        let started = Instant::now();
        while !heard.is_closed() {
            let remaining = self.drain_delay.saturating_sub(started.elapsed());
            if remaining.is_zero() {
                break;
            }
            let open = match connection.take() {
                Some(open) => open,
                None => match self.connect().await {
                    Ok(open) => open,
                    Err(error) => {
                        self.deaf(&error);
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                },
            };
            let (open, result) = self.read(open, remaining.min(SLICE)).await;
            match result {
                Ok(popped) => {
                    if self.signs.hears(None) {
                        tracing::debug!(queue = %self.core.name, "listening again");
                    }
                    *connection = Some(open);
                    if let Some(due_ms) = popped {
                        let due = Timestamp::from_millis(due_ms);
                        return if due > self.core.clock.now() {
                            Heard::Due(due)
                        } else {
                            Heard::Work
                        };
                    }
                }
                Err(error) => {
                    self.deaf(&error);
                    tokio::time::sleep(RETRY).await;
                    // A marker may have been popped for us and lost with the connection.
                    return Heard::Silence;
                }
            }
        }
        Heard::Silence
    }

    async fn connect(&self) -> crate::Result<Connection> {
        let mut connection = self
            .core
            .store
            .dedicated(&self.core.keys.marker(), SLICE + WATCHDOG_MARGIN)
            .await?;
        // Dashboards list workers by the names of these connections; a nameless one works as well.
        let named = redis::cmd("CLIENT")
            .arg("SETNAME")
            .arg(self.connection_name())
            .exec_async(&mut connection)
            .await;
        match named {
            Err(error) if error.is_io_error() => {
                return Err(crate::store::refused("name the worker's connection", error));
            }
            Err(error) => {
                tracing::debug!(queue = %self.core.name, %error, "the worker's connection has no name");
            }
            Ok(()) => {}
        }
        Ok(connection)
    }

    fn connection_name(&self) -> String {
        let queue = base64::engine::general_purpose::STANDARD.encode(self.core.name.as_str());
        let mut name = format!("{}:{queue}", self.core.store.prefix());
        if let Some(worker) = self.worker_name.as_deref().filter(|worker| !worker.is_empty()) {
            name.push_str(":w:");
            name.push_str(worker);
        }
        // What Redis takes in a client's name.
        name.chars()
            .map(|character| {
                if character.is_ascii_graphic() {
                    character
                } else {
                    '-'
                }
            })
            .collect()
    }

    /// Score of the marker popped within this time, in ms.
    async fn read(
        &self,
        mut connection: Connection,
        slice: Duration,
    ) -> (Connection, redis::RedisResult<Option<u64>>) {
        let mut command = redis::cmd("BZPOPMIN");
        // At least the shortest block that no server version takes for "for ever".
        command
            .arg(self.core.keys.marker())
            .arg(format!("{:.3}", slice.as_secs_f64().max(0.01)));
        let popped = command
            .query_async::<Option<(String, String, f64)>>(&mut connection)
            .await;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and a score is ms"
        )]
        let score = popped.map(|popped| popped.map(|(_, _, score)| score as u64));
        (connection, score)
    }

    fn deaf(&self, problem: &dyn std::error::Error) {
        if self
            .signs
            .hears(Some(format!("cannot listen for work: {problem}")))
        {
            tracing::debug!(queue = %self.core.name, %problem, "cannot listen for work; reconnecting");
        }
    }
}
