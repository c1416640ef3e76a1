//! A shared command connection that always comes back.
//!
//! One multiplexed connection for the whole process, with a deadline on every request. It is made when it is first
//! needed and made anew after a failure. A request that is never answered gives its connection up, because a server or
//! network that swallows requests leaves a socket that looks healthy for ever.
//!
//! redis-rs's `ConnectionManager` does much of this, but does not tell a request that waited in vain for a connection
//! from one that was sent: the first certainly changed nothing, and producers must hear the difference.

use std::future::Future;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::open;

/// Shortest and longest wait between two attempts to connect: work goes on within 2 s of the store's return.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
/// How long one attempt to connect may take, handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A request that got its connection late still has this long for its answer.
const SHORTEST_ANSWER: Duration = Duration::from_millis(200);

/// Whether the store answered lately.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkState {
    /// Since when requests fail, and why; `None` while they are answered.
    pub(crate) trouble: Option<(Instant, Arc<RedisError>)>,
}

#[derive(Clone)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    deadline: Duration,
}

struct Shared {
    client: Client,
    live: RwLock<Option<Live>>,
    /// Held by the one that connects; how many connections there have been.
    connecting: Mutex<u64>,
    state: RwLock<LinkState>,
}

/// A connection, and the how many-eth it is.
#[derive(Clone)]
struct Live {
    number: u64,
    connection: MultiplexedConnection,
}

impl Link {
    pub(crate) fn new(client: Client, deadline: Duration) -> Self {
        let shared = Shared {
            client,
            live: RwLock::default(),
            connecting: Mutex::new(0),
            state: RwLock::default(),
        };
        Self {
            shared: Arc::new(shared),
            deadline,
        }
    }

    /// The same connection with another deadline for each request.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            deadline,
        }
    }

    pub(crate) fn state(&self) -> LinkState {
        self.shared
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends through the live connection, or the next one. An error that [`RedisError::is_connection_refusal`] was
    /// never sent; any other I/O error may have been executed.
    pub(crate) async fn request<T, F>(&self, send: impl FnOnce(MultiplexedConnection) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let started = Instant::now();
        let Ok(live) = timeout(self.deadline, self.shared.connected()).await else {
            return Err(self.never_sent());
        };
        let left = self
            .deadline
            .saturating_sub(started.elapsed())
            .max(SHORTEST_ANSWER);
        let result = match timeout(left, send(live.connection)).await {
            Ok(result) => result,
            Err(_elapsed) => {
                let reason = format!("no answer within {} ms", self.deadline.as_millis());
                Err(io::Error::new(io::ErrorKind::TimedOut, reason).into())
            }
        };
        match &result {
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.shared.give_up(live.number);
                self.shared.failed(error);
            }
            _ => self.shared.answered(),
        }
        result
    }

    fn never_sent(&self) -> RedisError {
        let last = self.state().trouble.map_or_else(
            || "no attempt succeeded".to_owned(),
            |(_, error)| error.to_string(),
        );
        let reason = format!("not connected within {} ms: {last}", self.deadline.as_millis());
        io::Error::new(io::ErrorKind::ConnectionRefused, reason).into()
    }
}

impl Shared {
    /// The live connection, or a new one however long that takes.
    async fn connected(&self) -> Live {
        if let Some(live) = self.live() {
            return live;
        }
        // One caller connects, the others wait for it; when its time is up the next one goes on.
        let mut count = self.connecting.lock().await;
        let mut wait = FIRST_BACKOFF;
        loop {
            if let Some(live) = self.live() {
                return live;
            }
            match open::connect(&self.client, CONNECT_TIMEOUT).await {
                Ok(connection) => {
                    *count += 1;
                    let live = Live {
                        number: *count,
                        connection,
                    };
                    *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                    return live;
                }
                Err(error) => self.failed(&error),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_BACKOFF);
        }
    }

    fn live(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets this connection; a younger one is left alone.
    fn give_up(&self, number: u64) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.as_ref().is_some_and(|live| live.number == number) {
            *live = None;
        }
    }

    fn answered(&self) {
        if self
            .state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .trouble
            .is_none()
        {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.trouble.take().is_some() {
            tracing::info!("the store answers again");
        }
    }

    fn failed(&self, error: &RedisError) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let error = Arc::new(error.clone());
        match &mut state.trouble {
            Some((_, last)) => *last = error,
            None => {
                tracing::warn!(%error, "the store does not answer; reconnecting");
                state.trouble = Some((Instant::now(), error));
            }
        }
    }
}
