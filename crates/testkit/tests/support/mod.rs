//! Running the same commands on a real server and on the double.

use oxherd_testkit::{Double, DoubleConnection, RedisServer};
use redis::Value;
use redis::aio::{ConnectionLike, MultiplexedConnection};

pub(crate) struct Both {
    pub(crate) real: MultiplexedConnection,
    pub(crate) double: DoubleConnection,
    differences: Vec<String>,
    compared: usize,
    _server: RedisServer,
}

impl Both {
    pub(crate) async fn start() -> Self {
        let server = RedisServer::start().await;
        Self {
            real: server.connection().await,
            double: Double::new().connect(),
            differences: Vec::new(),
            compared: 0,
            _server: server,
        }
    }

    /// Runs one command on both and notes a difference between the replies.
    ///
    /// A leading word says how to compare: `~sorted` ignores the order of elements, `~pairs` that of pairs,
    /// `~kind` compares the kind of reply only, `~close` lets integers differ by 50.
    pub(crate) async fn compare(&mut self, line: &str) {
        let words = words(line);
        let (mode, words) = match words[0].strip_prefix(b"~") {
            Some(mode) => (String::from_utf8(mode.to_vec()).unwrap(), &words[1..]),
            None => (String::new(), &words[..]),
        };
        self.compare_words(line, &mode, words).await;
    }

    pub(crate) async fn compare_words(&mut self, label: &str, mode: &str, words: &[Vec<u8>]) {
        let expected = normal(mode, run(&mut self.real, words).await);
        let found = normal(mode, run(&mut self.double, words).await);
        self.compared += 1;
        let is_equal = match (mode, &expected, &found) {
            ("close", Value::Int(expected), Value::Int(found)) => (expected - found).abs() <= 50,
            _ => expected == found,
        };
        if !is_equal {
            self.differences
                .push(format!("{label}\n  redis:  {expected:?}\n  double: {found:?}"));
        }
    }

    /// Ends the comparison: fails with every difference there was.
    pub(crate) fn finish(self, at_least: usize) {
        let count = self.differences.len();
        assert!(
            count == 0,
            "{count} of {} replies differ:\n{}",
            self.compared,
            self.differences.join("\n")
        );
        assert!(
            self.compared >= at_least,
            "only {} commands were compared",
            self.compared
        );
    }
}

pub(crate) async fn run(connection: &mut impl ConnectionLike, words: &[Vec<u8>]) -> Value {
    let mut cmd = redis::Cmd::new();
    for word in words {
        cmd.arg(word);
    }
    connection
        .req_packed_command(&cmd)
        .await
        .expect("the connection holds")
}

fn normal(mode: &str, value: Value) -> Value {
    match (mode, value) {
        ("kind", value) => Value::SimpleString(kind(&value)),
        ("sorted", Value::Array(items)) => {
            Value::Array(sorted(items.into_iter().map(|item| normal(mode, item))))
        }
        ("pairs", Value::Array(items)) => {
            Value::Array(sorted(items.chunks(2).map(|pair| Value::Array(pair.to_vec()))))
        }
        (_, value) => value,
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(kind).collect::<Vec<_>>().join(" ")),
        Value::Int(_) => "integer".to_owned(),
        Value::BulkString(_) => "bulk".to_owned(),
        other => format!("{other:?}"),
    }
}

fn sorted(items: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut items: Vec<Value> = items.collect();
    items.sort_by_key(|item| format!("{item:?}"));
    items
}

/// Splits at spaces; double quotes keep spaces, and `\xNN` stands for a byte.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(bytes(word));
        rest = after.trim_start();
    }
    words
}

fn bytes(word: &str) -> Vec<u8> {
    let mut parts = word.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two hexadecimal digits"));
        bytes.extend(part[2..].bytes());
    }
    bytes
}
