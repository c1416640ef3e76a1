//! What a bench needs of the server besides: its own CPU time, a plain question, and every trace of the bench gone.
//!
//! A connection of its own, so that nothing of it is counted as the bench's work or waits behind it. The engine in this
//! process is asked as any server: it answers the same commands.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Client, Cmd, Pipeline, RedisFuture, Value};

use crate::exit::{Code, Failure};

/// How long one request may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// Keys asked for and removed at once.
const KEYS_A_CALL: usize = 1000;
/// Nothing may come back for this long before the keys count as removed: who stopped a moment ago may have had a
/// last call under way.
const QUIET: Duration = Duration::from_millis(100);
/// Removing has an end even when something goes on writing.
const LONGEST_REMOVAL: Duration = Duration::from_secs(60);

/// The commands by which queues and workers work; the commands inside scripts are part of their time.
const WORKING: [&str; 3] = ["cmdstat_evalsha", "cmdstat_eval", "cmdstat_bzpopmin"];

/// A plain connection to whatever holds the store's data.
pub(super) struct Server {
    connection: Connection,
}

#[derive(Clone)]
pub(super) enum Connection {
    Remote(MultiplexedConnection),
    InProcess(oxherd::engine::Connection),
}

impl Server {
    /// The engine of a store in this process.
    pub(super) fn in_process(engine: &oxherd::engine::Engine) -> Self {
        Self {
            connection: Connection::InProcess(engine.connect()),
        }
    }

    /// Connects to the server that the library has opened already.
    pub(super) async fn connect(client: &Client) -> Result<Self, Failure> {
        let failed = |error: redis::RedisError| {
            Failure::new(Code::Unreachable, "cannot open a second connection to the store").because(error)
        };
        let config = redis::AsyncConnectionConfig::new()
            .set_connection_timeout(Some(DEADLINE))
            .set_response_timeout(Some(DEADLINE));
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        Ok(Self {
            connection: Connection::Remote(connection.map_err(failed)?),
        })
    }

    /// The same connection once more.
    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// The longest string whose key begins so.
    pub(super) async fn longest(&mut self, beginning: &str) -> Result<Option<(Vec<u8>, usize)>, Failure> {
        let failed =
            |error: redis::RedisError| Failure::failed("cannot look for the bench's entry").because(error);
        let mut longest: Option<(Vec<u8>, usize)> = None;
        for key in self.keys(beginning).await.map_err(failed)? {
            let mut question = redis::cmd("STRLEN");
            question.arg(&key);
            // What is no string has none.
            let length = question.query_async(&mut self.connection).await.unwrap_or(0);
            if longest.as_ref().is_none_or(|(_, most)| length > *most) {
                longest = Some((key, length));
            }
        }
        Ok(longest)
    }

    /// CPU time spent so far on the commands of queues and workers, all clients together.
    pub(super) async fn working_time(&mut self) -> Result<Duration, Failure> {
        let mut command = redis::cmd("INFO");
        command.arg("commandstats");
        let info: String = command
            .query_async(&mut self.connection)
            .await
            .map_err(|error| Failure::failed("cannot read the server's command statistics").because(error))?;
        Ok(working_time_in(&info))
    }

    /// Removes every key that begins so, until none is left and none comes back.
    pub(super) async fn remove_keys(&mut self, beginning: &str) -> Result<(), Failure> {
        let failed = |error: redis::RedisError| {
            let code = if error.is_io_error() {
                Code::Unreachable
            } else {
                Code::Failed
            };
            Failure::new(
                code,
                format!("cannot remove the bench's keys, which begin with {beginning:?}"),
            )
            .because(error)
            .help("remove them with redis-cli --scan --pattern and unlink")
        };
        let end = Instant::now() + LONGEST_REMOVAL;
        loop {
            if self.remove_once(beginning).await.map_err(failed)? == 0 {
                tokio::time::sleep(QUIET).await;
                if self.remove_once(beginning).await.map_err(failed)? == 0 {
                    return Ok(());
                }
            }
            if Instant::now() > end {
                return Err(Failure::failed(format!(
                    "keys that begin with {beginning:?} keep coming back"
                )));
            }
        }
    }

    /// One walk over the keyspace; says how many keys went.
    async fn remove_once(&mut self, beginning: &str) -> redis::RedisResult<usize> {
        let keys: Vec<_> = self.keys(beginning).await?.into_iter().collect();
        for some in keys.chunks(KEYS_A_CALL) {
            redis::cmd("UNLINK")
                .arg(some)
                .exec_async(&mut self.connection)
                .await?;
        }
        Ok(keys.len())
    }

    async fn keys(&mut self, beginning: &str) -> redis::RedisResult<BTreeSet<Vec<u8>>> {
        let pattern = format!("{}*", literally(beginning));
        let (mut cursor, mut keys) = (0_u64, BTreeSet::new());
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(KEYS_A_CALL);
            let (next, page) = scan
                .query_async::<(u64, Vec<Vec<u8>>)>(&mut self.connection)
                .await?;
            keys.extend(page);
            cursor = next;
            if cursor == 0 {
                return Ok(keys);
            }
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Remote(connection) => connection.req_packed_command(cmd),
            Self::InProcess(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Remote(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::InProcess(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Remote(connection) => connection.get_db(),
            Self::InProcess(connection) => connection.get_db(),
        }
    }
}

fn working_time_in(info: &str) -> Duration {
    let microseconds = info.lines().filter_map(|line| {
        let (command, numbers) = line.split_once(':')?;
        WORKING.contains(&command).then_some(())?;
        let spent = numbers
            .split(',')
            .find_map(|number| number.strip_prefix("usec="))?;
        spent.parse::<u64>().ok()
    });
    Duration::from_micros(microseconds.sum())
}

/// A pattern that matches this text and nothing else.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::{Duration, literally, working_time_in};

    #[test]
    fn only_the_commands_of_queues_are_counted() {
        let info = "# Commandstats\r\ncmdstat_evalsha:calls=3,usec=250,usec_per_call=83.33\r\n\
                    cmdstat_bzpopmin:calls=1,usec=7,usec_per_call=7.00\r\ncmdstat_hset:calls=9,usec=90\r\n";
        assert_eq!(working_time_in(info), Duration::from_micros(257));
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(literally("a*b[c]?\\"), "a\\*b\\[c\\]\\?\\\\");
    }
}
