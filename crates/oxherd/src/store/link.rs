//! A shared command connection that always comes back.
//!
//! Wraps redis-rs's `ConnectionManager`, which reconnects after a dropped socket, and adds what it lacks: a deadline
//! on every request, and a fresh connection after a request that was never answered. A server or network that
//! swallows requests leaves a socket that looks healthy for ever; only giving it up finds the store again.

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult};

/// Longest wait between two attempts to connect: work goes on within 2 s of the store's return.
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);
/// How long one attempt to connect may take, handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the store answered lately.
#[derive(Clone, Debug)]
pub(crate) struct LinkState {
    pub(crate) last_answer: Option<Instant>,
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
    current: RwLock<(u64, ConnectionManager)>,
    state: RwLock<LinkState>,
}

impl Link {
    pub(crate) fn new(client: Client, deadline: Duration) -> RedisResult<Self> {
        let manager = connect_lazily(&client)?;
        Ok(Self {
            shared: Arc::new(Shared {
                client,
                current: RwLock::new((0, manager)),
                state: RwLock::new(LinkState {
                    last_answer: None,
                    trouble: None,
                }),
            }),
            deadline,
        })
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

    /// Sends through the current connection; gives that connection up when no answer comes in time.
    pub(crate) async fn request<T, F>(&self, send: impl FnOnce(ConnectionManager) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (generation, manager) = self.shared.current();
        match tokio::time::timeout(self.deadline, send(manager)).await {
            Ok(Ok(reply)) => {
                self.shared.answered();
                Ok(reply)
            }
            Ok(Err(error)) => {
                if error.is_io_error() {
                    self.shared.failed(&error);
                } else {
                    self.shared.answered();
                }
                Err(error)
            }
            Err(_elapsed) => {
                let error = RedisError::from(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer within {} ms", self.deadline.as_millis()),
                ));
                self.shared.failed(&error);
                self.shared.give_up(generation)?;
                Err(error)
            }
        }
    }
}

impl Shared {
    fn current(&self) -> (u64, ConnectionManager) {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the connection of this generation; a younger one is left alone.
    fn give_up(&self, generation: u64) -> RedisResult<()> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.0 == generation {
            *current = (generation + 1, connect_lazily(&self.client)?);
        }
        Ok(())
    }

    fn answered(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.last_answer = Some(Instant::now());
        if state.trouble.take().is_some() {
            tracing::info!("the store answers again");
        }
    }

    fn failed(&self, error: &RedisError) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.trouble.is_none() {
            tracing::warn!(%error, "the store does not answer; reconnecting");
            state.trouble = Some((Instant::now(), Arc::new(error.clone())));
        }
    }
}

fn connect_lazily(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(LONGEST_BACKOFF)
        // Until the request's own deadline, so that a short absence is not an error at all.
        .set_number_of_retries(usize::MAX)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
