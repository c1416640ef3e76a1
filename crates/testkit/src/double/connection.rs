//! A connection to the double: redis-rs's `ConnectionLike`.
//!
//! Commands run when their future is first polled; each gives other tasks a turn first, as waiting for a server would.
//! A dropped future of a blocking command takes nothing.
//! Next: `blocking.rs`, `machine.rs`.

use std::fmt;
use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};

use super::Shared;
use super::blocking::Blocking;
use super::reply::Reply;

/// One client of a [`Double`](crate::Double); clones are the same client.
#[derive(Clone)]
pub struct DoubleConnection {
    session: Arc<Session>,
}

/// What the clones of a connection share.
pub(super) struct Session {
    id: u64,
    pub(super) shared: Arc<Shared>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.machine().clients.close(self.id);
    }
}

impl DoubleConnection {
    pub(super) fn open(shared: Arc<Shared>) -> Self {
        let id = shared.machine().clients.open();
        Self {
            session: Arc::new(Session { id, shared }),
        }
    }

    async fn run(&self, arguments: Vec<Vec<u8>>) -> Reply {
        tokio::task::yield_now().await;
        match Blocking::of(&arguments) {
            Some(blocking) => blocking.run(&self.session).await,
            None => self.session.run_now(&arguments),
        }
    }

    async fn run_pipeline(&self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let commands: Vec<_> = pipeline.cmd_iter().map(arguments).collect();
        if pipeline.is_transaction() {
            tokio::task::yield_now().await;
            return self.session.run_transaction(&commands);
        }
        let mut replies = Vec::with_capacity(commands.len());
        for arguments in commands {
            replies.push(self.run(arguments).await.into_value());
        }
        Ok(replies)
    }
}

impl Session {
    fn run_now(&self, arguments: &[Vec<u8>]) -> Reply {
        let mut machine = self.shared.machine();
        let reply = machine.run(self.id, arguments);
        self.announce(std::mem::take(&mut machine.keyspace.has_arrivals));
        reply
    }

    /// The replies that redis-rs expects of a transaction: those of EXEC only.
    fn run_transaction(&self, commands: &[Vec<Vec<u8>>]) -> RedisResult<Vec<Value>> {
        let mut machine = self.shared.machine();
        let outcome = machine.run_transaction(self.id, commands);
        self.announce(std::mem::take(&mut machine.keyspace.has_arrivals));
        match outcome {
            Ok(replies) => Ok(vec![Reply::Array(replies).into_value()]),
            Err(refusal) => Err(Reply::Error(refusal.0)
                .into_value()
                .extract_error()
                .expect_err("a refusal becomes an error")),
        }
    }

    fn announce(&self, has_arrivals: bool) {
        if has_arrivals {
            self.shared.arrivals.notify_waiters();
        }
    }
}

impl ConnectionLike for DoubleConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { Ok(self.run(arguments(cmd)).await.into_value()) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let replies = self.run_pipeline(pipeline).await?;
            // Offset and count follow the wire; of a transaction only the reply to EXEC is here.
            let skipped = if pipeline.is_transaction() { 0 } else { offset };
            Ok(replies.into_iter().skip(skipped).take(count).collect())
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl fmt::Debug for DoubleConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DoubleConnection")
            .field("client", &self.session.id)
            .finish_non_exhaustive()
    }
}

/// The command and its arguments as they would go over the wire.
fn arguments(cmd: &Cmd) -> Vec<Vec<u8>> {
    let simple = cmd.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => Some(bytes.to_vec()),
        _ => None,
    });
    // The cursor of a scan is not public: the encoded command has it.
    simple.collect::<Option<_>>().unwrap_or_else(|| {
        let encoded = cmd.get_packed_command();
        let value = redis::parse_redis_value(&encoded).expect("a command parses");
        redis::from_redis_value(value).expect("a command is an array of strings")
    })
}
