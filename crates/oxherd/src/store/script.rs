//! The scripts of this crate and how they reach the server.
//!
//! A script is called by its SHA-1; a server that does not know it (restarted, flushed, failed over) gets the text
//! and the same call again, also in the middle of a pipeline. Constants are written by `build.rs` from `lua/`.

use redis::aio::ConnectionLike;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

/// How often a script is given to a server that forgets it again at once.
const LOADS: usize = 5;

/// One Lua script: `lua/<noun>/<operation>.lua` with its includes.
#[derive(Debug)]
pub(crate) struct Script {
    name: &'static str,
    source: &'static str,
    sha: &'static str,
}

impl Script {
    const fn new(name: &'static str, source: &'static str, sha: &'static str) -> Self {
        Self { name, source, sha }
    }

    /// What it does, for errors: "cannot ...".
    pub(crate) fn operation(&self) -> String {
        match self.name {
            "job/show" => "read the job".to_owned(),
            "job/log" => "append to the job's log".to_owned(),
            "job/progress" => "report progress".to_owned(),
            "queue/counts" => "count the queue's jobs".to_owned(),
            "queue/jobs" => "list the queue's jobs".to_owned(),
            "worker/reclaim" => "look for lost jobs".to_owned(),
            name => {
                let (noun, verb) = name.split_once('/').unwrap_or(("script", name));
                format!("{} the {noun}", verb.replace('_', " "))
            }
        }
    }

    /// The SHA-1 it is called by, and its text.
    #[cfg(test)]
    pub(crate) const fn text(&self) -> (&'static str, &'static str) {
        (self.sha, self.source)
    }

    /// A call on the queue whose keys start with `prefix`; arguments follow.
    pub(crate) fn call(&self, prefix: &str) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(self.sha).arg(1).arg(prefix);
        cmd
    }

    /// A call on these keys; arguments follow.
    pub(crate) fn call_on(&self, keys: &[&str]) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(self.sha).arg(keys.len()).arg(keys);
        cmd
    }

    async fn load(&self, connection: &mut impl ConnectionLike) -> RedisResult<()> {
        redis::cmd("SCRIPT")
            .arg("LOAD")
            .arg(self.source)
            .exec_async(connection)
            .await
    }

    /// Sends one call. A server that does not know the script has done nothing, so the call is safe to repeat.
    pub(crate) async fn run(&self, connection: &mut impl ConnectionLike, call: &Cmd) -> RedisResult<Value> {
        for _ in 0..LOADS {
            match connection
                .req_packed_command(call)
                .await
                .and_then(Value::extract_error)
            {
                Err(error) if is_missing(&error) => self.load(connection).await?,
                reply => return reply,
            }
        }
        connection
            .req_packed_command(call)
            .await
            .and_then(Value::extract_error)
    }

    /// Sends several calls of this script in one go. Each has its own reply, and only those that the server did not
    /// know are sent again.
    pub(crate) async fn run_all(
        &self,
        connection: &mut impl ConnectionLike,
        calls: &[Cmd],
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let mut replies = send_all(connection, calls.iter()).await?;
        for _ in 0..LOADS {
            let is_unknown = |reply: &RedisResult<Value>| matches!(reply, Err(error) if is_missing(error));
            let unknown = replies.iter().enumerate().filter(|(_, reply)| is_unknown(reply));
            let unknown: Vec<usize> = unknown.map(|(at, _)| at).collect();
            if unknown.is_empty() {
                break;
            }
            // What other calls did is done: an error from here on belongs to these calls only.
            let again = match self.load(connection).await {
                Ok(()) => send_all(connection, unknown.iter().filter_map(|at| calls.get(*at))).await,
                Err(error) => Err(error),
            };
            let again = again.unwrap_or_else(|error| unknown.iter().map(|_| Err(error.clone())).collect());
            for (at, reply) in unknown.into_iter().zip(again) {
                if let Some(slot) = replies.get_mut(at) {
                    *slot = reply;
                }
            }
        }
        Ok(replies)
    }
}

async fn send_all<'a>(
    connection: &mut impl ConnectionLike,
    calls: impl Iterator<Item = &'a Cmd>,
) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut pipeline = Pipeline::new();
    for call in calls {
        pipeline.add_command(call.clone());
    }
    let count = pipeline.len();
    let replies = connection.req_packed_commands(&pipeline, 0, count).await?;
    Ok(replies.into_iter().map(Value::extract_error).collect())
}

fn is_missing(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));
