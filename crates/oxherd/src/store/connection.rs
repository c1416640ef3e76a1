//! The seam between features and storage: everything a feature needs is redis-rs's `ConnectionLike`.
//!
//! One enum of connections stands behind it, so a feature cannot tell what answers. An embedded engine becomes one
//! more variant here, and nothing above `store/` changes.

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
    /// A server inside this process.
    #[cfg(feature = "testing")]
    InProcess {
        server: Box<dyn InProcess>,
        deadline: Duration,
    },
}

/// A connection to a server inside this process: an in-memory double in tests.
#[cfg(feature = "testing")]
pub trait InProcess: ConnectionLike + Send + Sync {
    /// Another connection to the same server.
    fn duplicate(&self) -> Box<dyn InProcess>;
}

#[cfg(feature = "testing")]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> InProcess for C {
    fn duplicate(&self) -> Box<dyn InProcess> {
        Box::new(self.clone())
    }
}

#[cfg(feature = "testing")]
impl Clone for Box<dyn InProcess> {
    fn clone(&self) -> Self {
        (**self).duplicate()
    }
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
            #[cfg(feature = "testing")]
            Self::InProcess { server, .. } => Self::InProcess { server, deadline },
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
                #[cfg(feature = "testing")]
                Self::InProcess { server, deadline } => {
                    within(*deadline, server.req_packed_command(cmd)).await
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
                #[cfg(feature = "testing")]
                Self::InProcess { server, deadline } => {
                    within(*deadline, server.req_packed_commands(pipeline, offset, count)).await
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
