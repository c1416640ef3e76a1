//! The seam between features and storage: everything a feature needs is redis-rs's `ConnectionLike`.
//!
//! One enum of connections stands behind it, so a feature cannot tell what answers: a server, or the engine in this
//! process.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::link::Link;

/// A connection to whatever holds the data.
#[derive(Clone)]
pub(crate) enum Connection {
    /// Multiplexed commands of the whole process.
    Shared(Link),
    /// One reader's own connection, for blocking commands; the watchdog ends a read that nothing answers.
    Dedicated {
        connection: MultiplexedConnection,
        watchdog: Duration,
    },
    /// The engine in this process. Without a deadline nothing is asked that waits.
    Engine {
        connection: oxherd_engine::Connection,
        deadline: Option<Duration>,
    },
}

impl Connection {
    /// The same connection with another deadline for each request.
    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        match self {
            Self::Shared(link) => Self::Shared(link.with_deadline(deadline)),
            Self::Dedicated { connection, .. } => Self::Dedicated {
                connection,
                watchdog: deadline,
            },
            // Only a blocking read waits for anything there; the rest is answered within the call.
            engine @ Self::Engine { .. } => engine,
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            match self {
                Self::Shared(link) => {
                    link.request(|mut connection| async move { connection.send_packed_command(cmd).await })
                        .await
                }
                Self::Dedicated { connection, watchdog } => {
                    within(*watchdog, connection.send_packed_command(cmd)).await
                }
                Self::Engine { connection, deadline } => {
                    let request = connection.req_packed_command(cmd);
                    match deadline {
                        Some(deadline) => within(*deadline, request).await,
                        None => request.await,
                    }
                }
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            match self {
                Self::Shared(link) => {
                    link.request(|mut connection| async move {
                        connection.send_packed_commands(pipeline, offset, count).await
                    })
                    .await
                }
                Self::Dedicated { connection, watchdog } => {
                    within(
                        *watchdog,
                        connection.send_packed_commands(pipeline, offset, count),
                    )
                    .await
                }
                Self::Engine { connection, deadline } => {
                    let request = connection.req_packed_commands(pipeline, offset, count);
                    match deadline {
                        Some(deadline) => within(*deadline, request).await,
                        None => request.await,
                    }
                }
            }
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

async fn within<T>(deadline: Duration, request: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(deadline, request)
        .await
        .unwrap_or_else(|_elapsed| {
            let reason = format!("no answer within {} ms", deadline.as_millis());
            Err(RedisError::from(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                reason,
            )))
        })
}
