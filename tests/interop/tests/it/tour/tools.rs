//! The tools that come with Redis, on two servers: redis-cli answers alike, redis-benchmark runs to its end.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use oxherd_testkit::RedisServer;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::Candidate;

const DEADLINE: Duration = Duration::from_secs(60);

/// What a person types, one after the other, and what goes to stdin.
const TYPED: &[(&[&str], &str)] = &[
    (&["PING"], ""),
    (&["PING", "hello"], ""),
    (&["ECHO", "two words"], ""),
    (&["SET", "greeting", "hello"], ""),
    (&["GET", "greeting"], ""),
    (&["GET", "nobody"], ""),
    (&["-x", "SET", "typed"], "from stdin\n"),
    (&["--raw", "GET", "typed"], ""),
    (&["--no-raw", "GET", "typed"], ""),
    (&["-r", "3", "INCR", "counter"], ""),
    (&["RPUSH", "list", "a", "b", "c", "d"], ""),
    (&["LRANGE", "list", "0", "-1"], ""),
    (&["--csv", "LRANGE", "list", "0", "-1"], ""),
    (&["HSET", "hash", "one", "1", "two", "2"], ""),
    (&["HGETALL", "hash"], ""),
    (&["-3", "HGETALL", "hash"], ""),
    (&["-3", "--json", "HGETALL", "hash"], ""),
    (&["ZADD", "ranks", "1", "a", "2.5", "b", "inf", "c"], ""),
    (&["ZRANGE", "ranks", "0", "-1", "WITHSCORES"], ""),
    (&["-3", "ZRANGE", "ranks", "0", "-1", "WITHSCORES"], ""),
    (&["-3", "ZSCORE", "ranks", "b"], ""),
    (&["SADD", "set", "a"], ""),
    (&["-3", "SMEMBERS", "set"], ""),
    (&["XADD", "stream", "1-1", "field", "value"], ""),
    (&["XRANGE", "stream", "-", "+"], ""),
    (&["-3", "XREAD", "STREAMS", "stream", "0"], ""),
    (&["TYPE", "stream"], ""),
    (&["-3", "GET", "nobody"], ""),
    (
        &[
            "EVAL",
            "return {1, redis.call('GET', KEYS[1]), false}",
            "1",
            "greeting",
        ],
        "",
    ),
    (
        &["--eval", "/dev/stdin", "greeting", ",", "argument"],
        "return {KEYS[1], ARGV[1]}",
    ),
    (&["NONSENSE", "with", "arguments"], ""),
    (&["GET"], ""),
    (&["INCR", "greeting"], ""),
    (&["LPUSH", "greeting", "x"], ""),
    (&["SELECT", "99999"], ""),
    (&["-n", "2", "SET", "elsewhere", "1"], ""),
    (&["-n", "2", "DBSIZE"], ""),
    (&["DBSIZE"], ""),
    (
        &["--pipe"],
        "*3\r\n$3\r\nSET\r\n$5\r\npiped\r\n$1\r\n1\r\n*2\r\n$4\r\nINCR\r\n$5\r\npiped\r\n",
    ),
    (&["GET", "piped"], ""),
    (
        &[],
        "MULTI\nINCR counter\nGET greeting\nEXEC\nDISCARD\nNONSENSE\nGET counter\n",
    ),
];

/// What is said and shown in an order of the server's own.
const LISTED: &[&[&str]] = &[
    &["--scan"],
    &["--scan", "--pattern", "g*"],
    &["--scan", "--count", "1"],
    &["KEYS", "*"],
];

/// Keys of every type in many sizes; of each type one key is the biggest.
const MANY_KEYS: &str = "
local function grow(suffix, size)
  for i = 1, size do
    redis.call('APPEND', 'string' .. suffix, 'x')
    redis.call('RPUSH', 'list' .. suffix, i)
    redis.call('SADD', 'set' .. suffix, i)
    redis.call('HSET', 'hash' .. suffix, i, i)
    redis.call('ZADD', 'zset' .. suffix, i, i)
    redis.call('XADD', 'stream' .. suffix, i, 'a', 'b')
  end
end
for n = 1, 300 do grow(n, n % 40 + 1) end
grow('', 99)";

struct Said {
    is_success: bool,
    text: String,
}

async fn run(tool: &str, port: u16, arguments: &[&str], stdin: &str) -> Said {
    let mut child = Command::new(tool)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {tool} ({error}): install redis-tools"));
    let mut input = child.stdin.take().unwrap();
    input.write_all(stdin.as_bytes()).await.unwrap();
    drop(input);
    let output = timeout(DEADLINE, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{tool} {arguments:?} did not end within {DEADLINE:?}"))
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said {
        is_success: output.status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
    }
}

/// The engine in a directory: what memory alone would do, and the journal besides.
async fn both() -> (RedisServer, Candidate) {
    (RedisServer::start().await, Candidate::on_disk())
}

#[tokio::test]
async fn redis_cli_prints_the_same_on_the_engine_as_on_redis() {
    let (redis, engine) = both().await;
    let mut text = String::new();
    for (arguments, stdin) in TYPED {
        let expected = run("redis-cli", redis.port(), arguments, stdin).await;
        let found = run("redis-cli", engine.port(), arguments, stdin).await;
        if (&expected.text, expected.is_success) != (&found.text, found.is_success) {
            text.push_str(&format!(
                "\nredis-cli {arguments:?}\n── redis ──\n{}── engine ──\n{}",
                expected.text, found.text
            ));
        }
    }
    for arguments in LISTED {
        let expected = run("redis-cli", redis.port(), arguments, "").await;
        let found = run("redis-cli", engine.port(), arguments, "").await;
        let lines = |said: &Said| said.text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        if lines(&expected) != lines(&found) {
            text.push_str(&format!(
                "\nredis-cli {arguments:?}\n── redis ──\n{}── engine ──\n{}",
                expected.text, found.text
            ));
        }
    }
    assert!(text.is_empty(), "{text}");
}

#[tokio::test]
async fn redis_cli_finds_the_biggest_keys_of_the_engine() {
    let (redis, engine) = both().await;
    let mut summaries = Vec::new();
    for port in [redis.port(), engine.port()] {
        let said = run("redis-cli", port, &["EVAL", MANY_KEYS, "0"], "").await;
        assert_eq!((said.text.trim(), said.is_success), ("", true));
        let said = run("redis-cli", port, &["--bigkeys"], "").await;
        assert!(said.is_success, "{}", said.text);
        let (_, summary) = said
            .text
            .split_once("summary")
            .unwrap_or_else(|| panic!("no summary: {}", said.text));
        // Kinds are named in the order in which the scan met them.
        let lines: BTreeSet<String> = summary.lines().map(str::to_owned).collect();
        summaries.push(lines);
    }
    assert_eq!(summaries[0], summaries[1]);
}

#[tokio::test]
async fn redis_cli_reads_what_the_engine_says_of_itself() {
    let (redis, engine) = both().await;
    for port in [redis.port(), engine.port()] {
        let info = run("redis-cli", port, &["INFO"], "").await;
        assert!(info.is_success);
        for field in [
            "redis_version:7.",
            "redis_mode:standalone",
            "maxmemory_policy:noeviction",
            "tcp_port:",
            "role:master",
        ] {
            assert!(info.text.contains(field), "no {field} in {}", info.text);
        }
        let section = run("redis-cli", port, &["INFO", "server"], "").await.text;
        assert!(
            section.contains("# Server") && !section.contains("# Memory"),
            "{section}"
        );
        let hello = run("redis-cli", port, &["-3", "HELLO", "3"], "").await.text;
        let fields: Vec<&str> = hello
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(field, _)| field)
            .collect();
        assert_eq!(
            fields,
            ["server", "version", "proto", "id", "mode", "role", "modules"],
            "{hello}"
        );
        let clients = run("redis-cli", port, &["CLIENT", "LIST"], "").await.text;
        assert!(clients.contains("cmd=client"), "{clients}");
    }
}

/// What a redis-cli that listens prints until it has printed `count` lines, while others type.
async fn overheard(port: u16, listens: &[&str], greeting: usize, typed: &str, count: usize) -> Vec<String> {
    let mut listener = Command::new("redis-cli")
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(listens)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run redis-cli ({error}): install redis-tools"));
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut heard = Vec::new();
    while heard.len() < count {
        if heard.len() == greeting {
            let said = run("redis-cli", port, &[], typed).await;
            assert!(said.is_success, "{}", said.text);
        }
        let line = timeout(DEADLINE, lines.next_line())
            .await
            .unwrap_or_else(|_| panic!("redis-cli {listens:?} heard only {heard:?}"));
        heard.push(
            line.unwrap()
                .unwrap_or_else(|| panic!("redis-cli {listens:?} ended after {heard:?}")),
        );
    }
    heard
}

/// A line of MONITOR without the time and the client's address.
fn without_moment(line: &str) -> String {
    let Some((time, rest)) = line.split_once(" [") else {
        return line.to_owned();
    };
    let (from, command) = rest.split_once("] ").unwrap();
    assert!(time.parse::<f64>().is_ok(), "{line}");
    let database = from.split(' ').next().unwrap();
    let by = if from.ends_with("lua") { "lua" } else { "client" };
    format!("[{database} {by}] {command}")
}

#[tokio::test]
async fn redis_cli_listens_to_the_engine_as_to_redis() {
    let (redis, engine) = both().await;
    let said = "SET key \"a \\\"quoted\\\" \\x00 value\"\nMULTI\nINCR counter\nDISCARD\nNONSENSE\nPING\n";
    let shouted = "PUBLISH news one\nPUBLISH weather two\nPUBLISH news \"three lines\\n\"\n";
    let mut heard = Vec::new();
    for port in [redis.port(), engine.port()] {
        let monitored = overheard(port, &["MONITOR"], 1, said, 6).await;
        heard.push([
            monitored.iter().map(|line| without_moment(line)).collect(),
            overheard(port, &["SUBSCRIBE", "news", "weather"], 6, shouted, 15).await,
            overheard(port, &["-3", "PSUBSCRIBE", "n*"], 3, shouted, 11).await,
        ]);
    }
    assert_eq!(heard[0], heard[1]);
}

/// The tests that ran, by name; everything else that redis-benchmark says is about speed or went wrong.
async fn benchmark(port: u16, arguments: &[&str]) -> Vec<String> {
    let said = run(
        "redis-benchmark",
        port,
        &[&["-q", "-n", "1000"], arguments].concat(),
        "",
    )
    .await;
    assert!(said.is_success, "redis-benchmark {arguments:?}:\n{}", said.text);
    // While a test runs, its line is written again and again.
    let lines = said
        .text
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut names = Vec::new();
    for line in lines.filter(|line| !line.contains("overall: ") && !line.contains(": rps=")) {
        let Some((name, speed)) = line.split_once(": ") else {
            panic!("redis-benchmark {arguments:?} said {line:?}:\n{}", said.text)
        };
        assert!(
            speed.contains("requests per second"),
            "redis-benchmark {arguments:?} said {line:?}"
        );
        names.push(name.to_owned());
    }
    names
}

#[tokio::test]
async fn redis_benchmark_finishes_on_the_engine() {
    let (redis, engine) = both().await;
    for arguments in [
        &[][..],
        &["-P", "16", "-r", "100", "-c", "20"],
        &["-3"],
        &["-d", "300", "-c", "5"],
    ] {
        let expected = benchmark(redis.port(), arguments).await;
        assert!(expected.len() >= 18, "{expected:?}");
        assert_eq!(benchmark(engine.port(), arguments).await, expected);
    }
}
