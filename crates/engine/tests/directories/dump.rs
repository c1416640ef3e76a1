//! All an engine holds, as text.

use std::fmt::Write as _;

use oxherd_engine::{Connection, Engine};
use redis::{Value, cmd};

/// Databases looked at.
const DATABASES: u8 = 16;

/// Every key of every database, in order.
pub(crate) async fn all(engine: &Engine) -> String {
    let mut connection = engine.connect();
    let mut dump = String::new();
    for database in 0..DATABASES {
        cmd("SELECT")
            .arg(database)
            .exec_async(&mut connection)
            .await
            .unwrap();
        let mut keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        keys.sort();
        for key in keys {
            let expires: i64 = cmd("PEXPIRETIME")
                .arg(&key)
                .query_async(&mut connection)
                .await
                .unwrap();
            let kind: String = cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
            let expires = if expires < 0 {
                String::new()
            } else {
                format!(" until {expires}")
            };
            writeln!(dump, "{database} {key} {kind}{expires}").unwrap();
            value(&mut connection, &kind, &key, &mut dump).await;
        }
    }
    dump
}

async fn value(connection: &mut Connection, kind: &str, key: &str, dump: &mut String) {
    let reads: &[&str] = match kind {
        "string" => &["GET"],
        "list" => &["LRANGE 0 -1"],
        "hash" => &["HGETALL"],
        "set" => &["SMEMBERS"],
        "zset" => &["ZRANGE 0 -1 WITHSCORES"],
        "stream" => &["XINFO STREAM FULL COUNT 0"],
        other => panic!("{other}"),
    };
    for read in reads {
        let mut words = read.split(' ');
        let mut command = cmd(words.next().unwrap());
        if kind == "stream" {
            command.arg(words.next());
        }
        command.arg(key).arg(words.collect::<Vec<_>>());
        let reply: Value = command.query_async(connection).await.unwrap();
        show(&reply, matches!(kind, "set"), matches!(kind, "hash"), dump);
    }
}

fn show(reply: &Value, is_set: bool, is_hash: bool, dump: &mut String) {
    let mut lines: Vec<String> = match reply {
        Value::Array(items) if is_hash => items
            .chunks(2)
            .map(|pair| format!("{} = {}", text(&pair[0]), text(&pair[1])))
            .collect(),
        Value::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| format!("{} = {}", text(name), text(value)))
            .collect(),
        Value::Array(items) | Value::Set(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    };
    // What has no order of its own.
    if is_set || is_hash {
        lines.sort();
    }
    for line in lines {
        writeln!(dump, "  {line}").unwrap();
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => shortened(&bytes.escape_ascii().to_string()),
        Value::SimpleString(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Nil => "nil".to_owned(),
        Value::Array(items) | Value::Set(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(pairs) => {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{} {}", text(name), text(value)))
                .collect();
            format!("[{}]", pairs.join(" "))
        }
        other => panic!("{other:?}"),
    }
}

/// Long values by their beginning, their length and their sum.
fn shortened(text: &str) -> String {
    if text.len() <= 200 {
        return text.to_owned();
    }
    let sum = crc32c(text.as_bytes());
    format!("{}… {} characters, {sum:08x}", &text[..20], text.len())
}

/// Written out: what checks a format does not share its code.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = sum >> 1 ^ (0x82f6_3b78 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc32c(bytes)
}
