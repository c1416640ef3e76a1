//! Golden tests: what a real server of version 7.0.15 replied to a thousand scripts.
//!
//! A file holds scripts behind `> ` (`3> ` from a RESP3 client), more lines of the same script behind `| `, and
//! behind `= ` the reply as it went over the wire, or its SHA-1 if it is long. All ran as `EVAL script 2 key text a
//! 17` on a keyspace whose few keys the host below pretends to have.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::{Host, Limits, Machine};
use crate::number::general;
use crate::reply::{Fault, Reply};

/// A host with a handful of commands.
pub(super) struct FakeHost {
    strings: HashMap<Vec<u8>, Vec<u8>>,
    read_only: bool,
    pub(super) has_written: bool,
    pub(super) calls: usize,
    pub(super) logged: Vec<(i64, Vec<u8>)>,
}

impl Default for FakeHost {
    fn default() -> Self {
        Self {
            strings: HashMap::from([(b"text".to_vec(), b"hello".to_vec())]),
            read_only: false,
            has_written: false,
            calls: 0,
            logged: Vec::new(),
        }
    }
}

fn score(member: &str, score: f64) -> (Reply, Reply) {
    (Reply::bulk(member), Reply::Double(score))
}

impl FakeHost {
    fn answer(&mut self, words: &[&str], args: &[&[u8]]) -> Reply {
        let scores = || vec![score("a", 0.1), score("b", 1_764_000_000_000_123.0)];
        match words {
            ["ECHO", _] => Reply::bulk(args[1]),
            ["PING"] => Reply::status("PONG"),
            ["GET", _] => Reply::bulk_or_nil(self.strings.get(args[1])),
            ["SET", "x", ..] if self.read_only => Reply::Error(Fault::err(
                "Write commands are not allowed from read-only scripts.",
            )),
            ["SET", "a", ..] => Reply::Error(Fault::err(
                "Write commands are not allowed from read-only scripts.",
            )),
            ["SET", .., "BOGUS"] => Reply::Error(Fault::SYNTAX),
            ["SET", _, _, "NX"] if self.strings.contains_key(args[1]) => Reply::Nil,
            ["SET", ..] => {
                self.strings.insert(args[1].to_vec(), args[2].to_vec());
                Reply::OK
            }
            ["LPUSH", "text", ..] => Reply::Error(Fault::WRONG_TYPE),
            ["RPUSH", _, rest @ ..] => Reply::count(rest.len()),
            ["LLEN", "list"] => Reply::Int(2),
            ["LRANGE", "list", ..] => Reply::bulks(["a", "b"]),
            ["LRANGE", ..] => Reply::Array(Vec::new()),
            ["ZRANGE", ..] => Reply::Pairs(scores()),
            ["ZSCORE", _, "a"] => Reply::Double(0.1),
            ["HGETALL", _] => Reply::Map(vec![(Reply::bulk("f"), Reply::bulk("v"))]),
            ["HMGET", ..] => Reply::Array(vec![Reply::bulk("v"), Reply::Nil]),
            ["SMEMBERS", _] => Reply::Set(vec![Reply::bulk("x")]),
            ["GET", ..] => Reply::Error(Fault::err(
                "Wrong number of args calling Redis command from script",
            )),
            _ => Reply::Error(Fault::err("Unknown Redis command called from script")),
        }
    }
}

impl Host for FakeHost {
    fn call(&mut self, args: &[&[u8]]) -> Reply {
        self.calls += 1;
        let mut words: Vec<String> = args
            .iter()
            .map(|arg| String::from_utf8_lossy(arg).into_owned())
            .collect();
        words[0] = words[0].to_uppercase();
        self.answer(&words.iter().map(String::as_str).collect::<Vec<_>>(), args)
    }

    fn log(&mut self, level: i64, message: &[u8]) {
        self.logged.push((level, message.to_vec()));
    }

    fn has_written(&self) -> bool {
        self.has_written
    }

    fn set_resp(&mut self, _: u8) {}

    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool> {
        (args[0] == b"GET").then_some(true)
    }
}

fn run(machine: &mut Machine, script: &str) -> Reply {
    let function = match machine.load(script.as_bytes()) {
        Ok(function) => function,
        Err(fault) => return Reply::Error(fault),
    };
    let kill = AtomicBool::new(false);
    let limits = Limits {
        busy_after: Duration::from_secs(60),
        kill: &kill,
        memory: 1 << 30,
    };
    let reply = machine.run(
        &function,
        &[b"key", b"text"],
        &[b"a", b"17"],
        &mut FakeHost::default(),
        &limits,
    );
    machine.unload(function);
    reply
}

/// A reply as it goes over the wire.
fn encode(reply: &Reply, is_new: bool, out: &mut Vec<u8>) {
    let bulk = |bytes: &[u8], out: &mut Vec<u8>| {
        out.extend(format!("${}\r\n", bytes.len()).into_bytes());
        out.extend(bytes);
        out.extend(b"\r\n");
    };
    let line = |text: String, out: &mut Vec<u8>| out.extend(format!("{text}\r\n").into_bytes());
    match reply {
        Reply::Simple(text) => line(format!("+{text}"), out),
        Reply::Error(fault) => line(format!("-{fault}"), out),
        Reply::Int(number) => line(format!(":{number}"), out),
        Reply::Bulk(bytes) => bulk(bytes, out),
        Reply::Nil | Reply::NilArray if is_new => out.extend(b"_\r\n"),
        Reply::Nil => out.extend(b"$-1\r\n"),
        Reply::NilArray => out.extend(b"*-1\r\n"),
        Reply::Double(number) if is_new => line(format!(",{}", general(*number, 17)), out),
        Reply::Double(number) => bulk(general(*number, 17).as_bytes(), out),
        Reply::Bool(is_true) if is_new => line(format!("#{}", if *is_true { 't' } else { 'f' }), out),
        Reply::Bool(is_true) => line(format!(":{}", u8::from(*is_true)), out),
        Reply::BigNumber(digits) if is_new => line(format!("({digits}"), out),
        Reply::Verbatim(text) if is_new => line(format!("={}\r\ntxt:{text}", text.len() + 4), out),
        Reply::BigNumber(text) | Reply::Verbatim(text) => bulk(text.as_bytes(), out),
        Reply::Array(items) | Reply::Several(items) | Reply::Set(items) | Reply::Push(items) => {
            let mark = if is_new && matches!(reply, Reply::Set(_)) {
                '~'
            } else {
                '*'
            };
            line(format!("{mark}{}", items.len()), out);
            items.iter().for_each(|item| encode(item, is_new, out));
        }
        Reply::Map(pairs) | Reply::Pairs(pairs) => {
            let (mark, count) = if is_new {
                ('%', pairs.len())
            } else {
                ('*', pairs.len() * 2)
            };
            line(format!("{mark}{count}"), out);
            for (left, right) in pairs {
                encode(left, is_new, out);
                encode(right, is_new, out);
            }
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\\' => text.push_str("\\\\"),
            32..=126 => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}

/// Runs all scripts of a file; tells all that differ.
fn compare(fixture: &str) {
    let mut machine = Machine::new().unwrap();
    let (mut script, mut is_new, mut failures) = (String::new(), false, String::new());
    for line in fixture.lines() {
        if let Some(first) = line.strip_prefix("> ") {
            (script, is_new) = (first.to_owned(), false);
        } else if let Some(first) = line.strip_prefix("3> ") {
            (script, is_new) = (first.to_owned(), true);
        } else if let Some(more) = line.strip_prefix('|') {
            script.push('\n');
            script.push_str(more.strip_prefix(' ').unwrap_or(more));
        } else if let Some(expected) = line.strip_prefix("= ") {
            let mut wire = Vec::new();
            encode(&run(&mut machine, &script), is_new, &mut wire);
            let found = match expected.strip_prefix("sha1 ") {
                Some(_) => format!("sha1 {}", sha1_smol::Sha1::from(&wire).hexdigest()),
                None => escaped(&wire),
            };
            if found != expected {
                writeln!(failures, "> {script}\n= {expected}\n  {found}").unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn values_cross_the_border_as_in_redis() {
    compare(include_str!("fixtures/values.txt"));
}

#[test]
fn errors_are_worded_as_in_redis() {
    compare(include_str!("fixtures/errors.txt"));
}

#[test]
fn scripts_see_what_they_see_in_redis() {
    compare(include_str!("fixtures/sandbox.txt"));
}

#[test]
fn a_bit_of_everything_agrees() {
    compare(include_str!("fixtures/more.txt"));
}

#[test]
fn shebangs_are_read_as_in_redis() {
    compare(include_str!("fixtures/shebang.txt"));
}

#[test]
fn cjson_agrees_byte_for_byte() {
    compare(include_str!("fixtures/cjson.txt"));
}

#[test]
fn cmsgpack_agrees_byte_for_byte() {
    compare(include_str!("fixtures/cmsgpack.txt"));
}

#[test]
fn struct_agrees_byte_for_byte() {
    compare(include_str!("fixtures/packing.txt"));
}

#[test]
fn bit_agrees() {
    compare(include_str!("fixtures/bit.txt"));
}
