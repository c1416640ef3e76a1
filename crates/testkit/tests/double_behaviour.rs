//! What the double does beyond single replies: time, transactions, and redis-rs's own helpers on top of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code"
)]

use std::time::Duration;

use futures_util::StreamExt as _;
use oxherd_testkit::{Double, DoubleConnection, ManualClock, RedisServer, eventually};
use redis::aio::ConnectionLike;
use redis::{
    AsyncTypedCommands as _, ErrorKind, RedisError, RedisResult, Script, ServerErrorKind, cmd, pipe,
};

const DEADLINE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_key_lives_until_its_time_and_no_longer() {
    let clock = ManualClock::at(1_000_000);
    let double = Double::with_clock({
        let clock = clock.clone();
        move || clock.now_ms()
    });
    let mut connection = double.connect();
    cmd("SET")
        .arg("key")
        .arg("value")
        .arg("PX")
        .arg(500)
        .exec_async(&mut connection)
        .await
        .unwrap();
    connection.hset("hash", "field", "value").await.unwrap();
    connection.pexpire("hash", 400).await.unwrap();
    clock.advance(Duration::from_millis(399));
    let ttl: Vec<i64> = pipe()
        .cmd("PTTL")
        .arg("key")
        .cmd("PTTL")
        .arg("hash")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(ttl, [101, 1]);
    clock.advance(Duration::from_millis(1));
    assert!(!connection.exists("hash").await.unwrap());
    assert_eq!(connection.get("key").await.unwrap().as_deref(), Some("value"));
    clock.advance(Duration::from_millis(100));
    assert_eq!(connection.get("key").await.unwrap(), None);
    let size: usize = cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert_eq!(size, 0);
    let time: (String, String) = cmd("TIME").query_async(&mut connection).await.unwrap();
    assert_eq!(time, ("1000".to_owned(), "500000".to_owned()));
    let id: String = cmd("XADD")
        .arg("stream")
        .arg("*")
        .arg("f")
        .arg("v")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(id, "1000500-0");
}

/// The errors of both, for redis-rs must classify them alike.
async fn same_error(work: impl AsyncFn(&mut Box<dyn AnyConnection>) -> RedisError) -> RedisError {
    let server = RedisServer::start().await;
    let mut real: Box<dyn AnyConnection> = Box::new(server.connection().await);
    let mut double: Box<dyn AnyConnection> = Box::new(Double::new().connect());
    let (expected, found) = (work(&mut real).await, work(&mut double).await);
    assert_eq!(found.kind(), expected.kind());
    assert_eq!(found.code(), expected.code());
    assert_eq!(found.detail(), expected.detail());
    found
}

trait AnyConnection: ConnectionLike + Send {}
impl<T: ConnectionLike + Send> AnyConnection for T {}

struct Sized<'a>(&'a mut Box<dyn AnyConnection>);

impl ConnectionLike for Sized<'_> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a redis::Cmd) -> redis::RedisFuture<'a, redis::Value> {
        self.0.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a redis::Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<redis::Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

#[tokio::test]
async fn errors_have_the_kinds_of_real_ones() {
    let wrong_type = same_error(async |connection| {
        cmd("SET")
            .arg("k")
            .arg("v")
            .exec_async(&mut Sized(connection))
            .await
            .unwrap();
        cmd("LPUSH")
            .arg("k")
            .arg("v")
            .exec_async(&mut Sized(connection))
            .await
            .unwrap_err()
    })
    .await;
    assert_eq!(wrong_type.code(), Some("WRONGTYPE"));

    let no_script = same_error(async |connection| {
        cmd("EVALSHA")
            .arg("x")
            .arg(0)
            .exec_async(&mut Sized(connection))
            .await
            .unwrap_err()
    })
    .await;
    assert_eq!(no_script.kind(), ErrorKind::Server(ServerErrorKind::NoScript));

    let own_code = same_error(async |connection| {
        let script = "return redis.error_reply('LIMIT_COST 7 exceeds 5')";
        cmd("EVAL")
            .arg(script)
            .arg(0)
            .exec_async(&mut Sized(connection))
            .await
            .unwrap_err()
    })
    .await;
    assert_eq!(own_code.code(), Some("LIMIT_COST"));

    let in_pipeline = same_error(async |connection| {
        let mut pipeline = pipe();
        pipeline
            .cmd("SET")
            .arg("k")
            .arg("v")
            .cmd("INCR")
            .arg("k")
            .cmd("GET")
            .arg("k");
        pipeline.exec_async(&mut Sized(connection)).await.unwrap_err()
    })
    .await;
    assert_eq!(
        in_pipeline.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError)
    );

    let in_transaction = same_error(async |connection| {
        let mut pipeline = pipe();
        pipeline
            .atomic()
            .cmd("SET")
            .arg("k")
            .arg("v")
            .cmd("INCR")
            .arg("k");
        pipeline.exec_async(&mut Sized(connection)).await.unwrap_err()
    })
    .await;
    assert_eq!(
        in_transaction.kind(),
        ErrorKind::Server(ServerErrorKind::ResponseError)
    );
}

#[tokio::test]
async fn a_transaction_runs_whole_or_not_at_all() {
    let double = Double::new();
    let mut connection = double.connect();
    let replies: (i64, Option<String>, Vec<String>) = pipe()
        .atomic()
        .incr("n", 1)
        .get("none")
        .rpush("list", "a")
        .ignore()
        .lrange("list", 0, -1)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(replies, (1, None, vec!["a".to_owned()]));

    let outcome: RedisResult<()> = pipe()
        .atomic()
        .incr("n", 1)
        .cmd("NOSUCH")
        .query_async(&mut connection)
        .await;
    assert_eq!(
        outcome.unwrap_err().kind(),
        ErrorKind::Server(ServerErrorKind::ExecAbort)
    );
    assert_eq!(connection.get("n").await.unwrap().as_deref(), Some("1"));

    let kept: Vec<RedisResult<i64>> = pipe()
        .atomic()
        .ignore_errors()
        .incr("n", 1)
        .incr("list", 1)
        .incr("n", 1)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept[0], Ok(2));
    assert!(kept[1].is_err());
    assert_eq!(kept[2], Ok(3));
}

#[tokio::test]
async fn a_pop_in_a_transaction_does_not_wait() {
    let mut connection = Double::new().connect();
    let replies: (Option<Vec<String>>, i64) = pipe()
        .atomic()
        .cmd("BZPOPMIN")
        .arg("none")
        .arg(0)
        .incr("n", 1)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(replies, (None, 1));
}

#[tokio::test]
async fn redis_script_loads_itself_when_unknown() {
    let mut connection = Double::new().connect();
    let script = Script::new("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}");
    for count in 1..=2 {
        let reply: (String, String, i64) = script
            .key("n")
            .arg("x")
            .invoke_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(reply, ("n".to_owned(), "x".to_owned(), count));
    }
}

#[tokio::test]
async fn scans_return_every_key_that_stays() {
    let double = Double::new();
    let mut connection = double.connect();
    for number in 0..95 {
        connection.set(format!("key{number}"), number).await.unwrap();
    }
    let mut other = double.connect();
    let mut seen: Vec<String> = Vec::new();
    {
        let mut keys = connection.scan_match::<_, String>("key*").await.unwrap();
        while let Some(key) = keys.next().await {
            seen.push(key.unwrap());
            // Keys that were returned already may go; the others must still come.
            if seen.len() == 20 {
                other.del(&seen).await.unwrap();
            }
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 95);
}

#[tokio::test]
async fn large_collections_come_in_pages() {
    let mut connection = Double::new().connect();
    for number in 0..300 {
        connection
            .hset("hash", format!("f{number}"), number)
            .await
            .unwrap();
        connection.sadd("set", number).await.unwrap();
    }
    let (cursor, page): (u64, Vec<String>) = cmd("HSCAN")
        .arg("hash")
        .arg(0)
        .arg("COUNT")
        .arg(50)
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_ne!(cursor, 0);
    assert_eq!(page.len(), 100);
    let members: Vec<String> = connection
        .sscan("set")
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(members.len(), 300);
}

#[tokio::test]
async fn clients_appear_with_their_names_and_leave() {
    let double = Double::new();
    let mut watcher = double.connect();
    let list = async |watcher: &mut DoubleConnection| -> String {
        cmd("CLIENT").arg("LIST").query_async(watcher).await.unwrap()
    };
    let mut worker = double.connect();
    cmd("CLIENT")
        .arg("SETNAME")
        .arg("queue:w:1")
        .exec_async(&mut worker)
        .await
        .unwrap();
    let clone = worker.clone();
    drop(worker);
    assert!(list(&mut watcher).await.contains("name=queue:w:1 "));
    assert_eq!(list(&mut watcher).await.lines().count(), 2);
    drop(clone);
    assert_eq!(list(&mut watcher).await.lines().count(), 1);
}

#[tokio::test]
async fn info_tells_version_and_policy() {
    let mut connection = Double::new().connect();
    let info: String = cmd("INFO").query_async(&mut connection).await.unwrap();
    assert!(info.contains("redis_version:7.0.15\r\n"));
    assert!(info.contains("maxmemory_policy:noeviction\r\n"));
    let server: String = cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(server.contains("redis_version") && !server.contains("maxmemory"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scripts_from_many_threads_are_atomic() {
    let double = Double::new();
    let script =
        "local n = tonumber(redis.call('GET', KEYS[1]) or '0') redis.call('SET', KEYS[1], n + 1) return n";
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let mut connection = double.connect();
            tokio::spawn(async move {
                for _ in 0..200 {
                    cmd("EVAL")
                        .arg(script)
                        .arg(1)
                        .arg("n")
                        .exec_async(&mut connection)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(double.connect().get("n").await.unwrap().as_deref(), Some("1600"));
}

#[tokio::test]
async fn a_busy_client_leaves_turns_to_others() {
    let double = Double::new();
    let mut busy = double.connect();
    let spinning = tokio::spawn(async move { while busy.get("stop").await.unwrap().is_none() {} });
    let mut other = double.connect();
    tokio::task::yield_now().await;
    other.set("stop", 1).await.unwrap();
    eventually("the busy client sees the sign", DEADLINE, async || {
        spinning.is_finished()
    })
    .await;
}
