//! The commands of a dump, and nothing else: a file can write keys and cannot do anything besides.

use crate::store::transfer::commands::MAKING_GROUP;
use crate::store::transfer::row::{Id, Kind, is_score};

use super::{END, HEAD};

/// What a command does for the dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The file's first command.
    Head,
    /// The last one: so many keys.
    End(u64),
    /// The first of a key.
    Begin(Vec<u8>),
    /// Adds to the key, which is this word of the command.
    Grow { kind: Kind, key_at: usize },
    /// The last of a key: when it expires.
    Finish(Option<i64>),
}

impl Step {
    /// The key that the command is about.
    pub(super) fn key<'a>(&self, words: &'a [Vec<u8>]) -> Option<&'a [u8]> {
        let at = match self {
            Self::Head | Self::End(_) => return None,
            Self::Begin(_) | Self::Finish(_) => 1,
            Self::Grow { key_at, .. } => *key_at,
        };
        words.get(at).map(Vec::as_slice)
    }
}

/// Reads one command, or says why no dump has it.
pub(super) fn step(words: &[Vec<u8>]) -> Result<Step, String> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let grow = |kind, key_at| Ok(Step::Grow { kind, key_at });
    match words.as_slice() {
        [b"ECHO", text] => echo(text),
        [b"DEL", key] => Ok(Step::Begin(key.to_vec())),
        [b"PERSIST", _] => Ok(Step::Finish(None)),
        [b"PEXPIREAT", _, at] => Ok(Step::Finish(Some(number(at)?))),
        [b"SET", _, _] => grow(Kind::String, 1),
        [b"HSET", _, pairs @ ..] if are_pairs(pairs) => grow(Kind::Hash, 1),
        [b"RPUSH", _, _, ..] => grow(Kind::List, 1),
        [b"SADD", _, _, ..] => grow(Kind::Set, 1),
        [b"ZADD", _, pairs @ ..] if are_pairs(pairs) => {
            pairs.iter().step_by(2).try_for_each(|word| score(word))?;
            grow(Kind::SortedSet, 1)
        }
        [b"XADD", _, id, pairs @ ..] if are_pairs(pairs) => {
            entry(id)?;
            grow(Kind::Stream, 1)
        }
        [b"XDEL", _, first, more @ ..] => {
            entry(first)?;
            more.iter().try_for_each(|word| entry(word))?;
            grow(Kind::Stream, 1)
        }
        [b"XTRIM", _, b"MAXLEN", count] => {
            number(count)?;
            grow(Kind::Stream, 1)
        }
        [
            b"XSETID",
            _,
            last,
            b"ENTRIESADDED",
            added,
            b"MAXDELETEDID",
            deleted,
        ] => {
            entry(last)?;
            number(added)?;
            entry(deleted)?;
            grow(Kind::Stream, 1)
        }
        [
            b"XCLAIM",
            _,
            _,
            _,
            b"0",
            id,
            b"TIME",
            at,
            b"RETRYCOUNT",
            count,
            b"FORCE",
            b"JUSTID",
        ] => {
            entry(id)?;
            number(at)?;
            number(count)?;
            grow(Kind::Stream, 1)
        }
        [b"XGROUP", more @ ..] => {
            group(more)?;
            grow(Kind::Stream, 2)
        }
        [] => Err("an empty command".to_owned()),
        [name, ..] => Err(format!(
            "{} with {} words is not what a dump holds",
            name.escape_ascii(),
            words.len() - 1
        )),
    }
}

fn group(words: &[&[u8]]) -> Result<(), String> {
    match words {
        [b"CREATE", _, _, id, more @ ..] => {
            entry(id)?;
            match more {
                [] | [b"MKSTREAM"] => Ok(()),
                [b"ENTRIESREAD", count] => number(count).map(drop),
                _ => Err("XGROUP CREATE with options that a dump does not hold".to_owned()),
            }
        }
        [b"CREATECONSUMER", _, _, _] => Ok(()),
        [b"DESTROY", _, name] if *name == MAKING_GROUP.as_bytes() => Ok(()),
        _ => Err("an XGROUP that a dump does not hold".to_owned()),
    }
}

fn echo(text: &[u8]) -> Result<Step, String> {
    let text = String::from_utf8_lossy(text);
    if text == HEAD {
        return Ok(Step::Head);
    }
    match text.strip_prefix(END).map(str::parse) {
        Some(Ok(keys)) => Ok(Step::End(keys)),
        _ if text.starts_with("oxherd-dump ") => Err(format!("{text:?} is a mark of another version")),
        _ => Err("an ECHO that a dump does not hold".to_owned()),
    }
}

fn are_pairs(words: &[&[u8]]) -> bool {
    !words.is_empty() && words.len().is_multiple_of(2)
}

fn number(word: &[u8]) -> Result<i64, String> {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    number
        .filter(|number| *number >= 0)
        .ok_or_else(|| format!("{} is no whole number", word.escape_ascii()))
}

fn entry(word: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(word);
    text.parse::<Id>().map(drop)
}

fn score(word: &[u8]) -> Result<(), String> {
    if std::str::from_utf8(word).is_ok_and(is_score) {
        return Ok(());
    }
    Err(format!("{} is no score", word.escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::step;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn only_what_a_dump_holds_is_taken() {
        for line in [
            "DEL k",
            "SET k v",
            "HSET k f v",
            "RPUSH k a b",
            "ZADD k inf m 1e+17 n -0 o",
            "XADD k 5-0 f v",
            "XGROUP CREATE k g 0-0 ENTRIESREAD 7",
            "XCLAIM k g c 0 5-0 TIME 9 RETRYCOUNT 1 FORCE JUSTID",
            "PERSIST k",
            "ECHO oxherd-dump 1",
        ] {
            let words = match line.split_once("ECHO ") {
                Some((_, text)) => vec![b"ECHO".to_vec(), text.as_bytes().to_vec()],
                None => words(line),
            };
            assert!(step(&words).is_ok(), "{line}: {:?}", step(&words));
        }
        for line in [
            "FLUSHALL",
            "EVAL return 0",
            "CONFIG SET dir /tmp",
            "DEL k other",
            "SET k v GET",
            "set k v",
            "HSET k f",
            "ZADD k NX 1 m",
            "ZADD k nan m",
            "ZADD k infinity m",
            "XADD k * f v",
            "XADD k MAXLEN 1 5-0 f v",
            "XGROUP DESTROY k g",
            "XGROUP CREATE k g $",
            "PEXPIREAT k -1",
            "PEXPIREAT k 5 NX",
            "ECHO hello",
        ] {
            assert!(step(&words(line)).is_err(), "{line}");
        }
    }
}
