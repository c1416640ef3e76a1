//! The state at the end: every key of every database, read through commands.
//!
//! Type, remaining time, encoding and content of each key; the commands' replies are compared like any others, so
//! the dump of one side is never built. Next: `compare.rs`.

use crate::compare::Comparer;
use crate::frame::Frame;
use crate::runner::{Difference, Runner};
use crate::step::{Arguments, encode, name_of};

/// Sequences use the first few databases.
pub(crate) const DATABASES: usize = 4;

/// Compares the keyspaces through the client `reader`.
pub(crate) fn compare(runner: &mut Runner, reader: usize, comparer: &mut Comparer) -> Result<(), Difference> {
    let mut listing = Vec::new();
    for database in 0..DATABASES {
        listing.push(words(&["SELECT", &database.to_string()]));
        listing.push(words(&["KEYS", "*"]));
    }
    let lists = replies(runner, reader, &listing, comparer)?;
    for database in 0..DATABASES {
        let mut keys: Vec<Vec<u8>> = lists[2 * database + 1]
            .items()
            .unwrap_or_default()
            .iter()
            .filter_map(Frame::text)
            .collect();
        if keys.is_empty() {
            continue;
        }
        keys.sort();
        let mut types = vec![words(&["SELECT", &database.to_string()])];
        types.extend(keys.iter().map(|key| vec![b"TYPE".to_vec(), key.clone()]));
        let types = replies(runner, reader, &types, comparer)?;
        let contents: Vec<Arguments> = keys
            .iter()
            .zip(&types[1..])
            .flat_map(|(key, kind)| readings(key, kind))
            .collect();
        replies(runner, reader, &contents, comparer)?;
    }
    Ok(())
}

fn readings(key: &[u8], kind: &Frame) -> Vec<Arguments> {
    let with_key = |command: &str, rest: &[&str]| {
        let mut arguments = words(&command.split(' ').collect::<Vec<_>>());
        arguments.push(key.to_vec());
        arguments.extend(words(rest));
        arguments
    };
    let content = match kind.text().unwrap_or_default().as_slice() {
        b"string" => with_key("GET", &[]),
        b"list" => with_key("LRANGE", &["0", "-1"]),
        b"hash" => with_key("HGETALL", &[]),
        b"set" => with_key("SMEMBERS", &[]),
        b"zset" => with_key("ZRANGE", &["0", "-1", "WITHSCORES"]),
        _ => with_key("XINFO STREAM", &["FULL", "COUNT", "0"]),
    };
    // The encoding directly before the content tells whether the content's order is fixed.
    vec![with_key("PTTL", &[]), with_key("OBJECT ENCODING", &[]), content]
}

fn replies(
    runner: &mut Runner,
    reader: usize,
    commands: &[Arguments],
    comparer: &mut Comparer,
) -> Result<Vec<Frame>, Difference> {
    let mut bytes = Vec::new();
    for command in commands {
        encode(command, &mut bytes);
    }
    runner.oracle.send(reader, &bytes);
    runner.subject.send(reader, &bytes);
    let right = runner.subject.replies(reader, commands.len());
    let left = runner.oracle.replies(reader, commands.len());
    for (index, command) in commands.iter().enumerate() {
        let nothing = Frame::Error(b"(nothing)".to_vec());
        let (left, right) = (
            left.get(index).unwrap_or(&nothing),
            right.get(index).unwrap_or(&nothing),
        );
        if !comparer.agree(reader, command, left, right) {
            let text: Vec<String> = command
                .iter()
                .map(|text| crate::notation::argument(text))
                .collect();
            return Err(Difference {
                at: 0,
                command: format!("{reader}> {}", text.join(" ")),
                name: name_of(command),
                oracle: format!("{reader}< {left}"),
                subject: format!("{reader}< {right}"),
            });
        }
    }
    Ok(left)
}

fn words(words: &[&str]) -> Arguments {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}
