//! The seam between features and storage: everything a feature needs is redis-rs's `ConnectionLike`.
//!
//! One enum of connections stands behind it, so a feature cannot tell what answers: a server, or the engine in this
//! process. Those of [`tracked`](super::tracked) hand over what comes beside replies before the replies.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::link::Link;
#[cfg(test)]
use super::simulated::Line;
use super::tracked::Ear;

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
    /// The engine in this process, which answers within the call unless its disk keeps it waiting.
    Engine {
        connection: oxherd_engine::Connection,
        deadline: Duration,
    },
    /// The same, and somebody who hears of changes.
    Hearing { ear: Arc<Ear>, deadline: Duration },
    /// The engine behind a network whose every move a test decides; it knows no time.
    #[cfg(test)]
    Simulated(Line),
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
            Self::Engine { connection, .. } => Self::Engine { connection, deadline },
            Self::Hearing { ear, .. } => Self::Hearing { ear, deadline },
            #[cfg(test)]
            Self::Simulated(line) => Self::Simulated(line),
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
                    within(*deadline, connection.req_packed_command(cmd)).await
                }
                Self::Hearing { ear, deadline } => {
                    let request =
                        ear.request(|mut connection| async move { connection.req_packed_command(cmd).await });
                    within(*deadline, request).await
                }
                #[cfg(test)]
                Self::Simulated(line) => line.request(cmd).await,
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
                    within(*deadline, connection.req_packed_commands(pipeline, offset, count)).await
                }
                Self::Hearing { ear, deadline } => {
                    let request = ear.request(|mut connection| async move {
                        connection.req_packed_commands(pipeline, offset, count).await
                    });
                    within(*deadline, request).await
                }
                #[cfg(test)]
                Self::Simulated(line) => line.request_all(pipeline, offset, count).await,
            }
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// What is answered at once needs no timer, which is most of what the engine is asked.
async fn within<T>(deadline: Duration, request: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let mut request = pin!(request);
    if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(request.as_mut().poll(context))).await {
        return answer;
    }
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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nothing_answers_ends_and_may_have_been_executed() {
        let (deadline, began) = (Duration::from_secs(5), Instant::now());
        let error = within::<()>(deadline, std::future::pending()).await.unwrap_err();
        assert_eq!(began.elapsed(), deadline);
        assert!(error.is_timeout() && error.is_io_error() && !error.is_connection_refusal());
        assert!(error.to_string().contains("no answer within 5000 ms"), "{error}");
    }

    #[test]
    fn what_is_answered_at_once_needs_no_timer() {
        // Arming one on this runtime panics.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(within(Duration::ZERO, async { Ok(7) }));
        assert_eq!(answer.unwrap(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn the_engine_heeds_the_deadline_it_was_given_last() {
        let engine = oxherd_engine::Engine::in_memory();
        let connection = Connection::Engine {
            connection: engine.connect(),
            deadline: Duration::from_secs(5),
        };
        let mut connection = connection.with_deadline(Duration::from_secs(2));
        let began = Instant::now();
        let mut waiting = redis::cmd("BLPOP");
        waiting.arg("nothing").arg(0);
        let single = waiting.exec_async(&mut connection).await.unwrap_err();
        assert!(single.is_timeout());
        let mut pipeline = redis::pipe();
        pipeline.cmd("BLPOP").arg("nothing").arg(0);
        let several = pipeline.exec_async(&mut connection).await.unwrap_err();
        assert!(several.is_timeout());
        assert_eq!(began.elapsed(), Duration::from_secs(4));
    }
}
