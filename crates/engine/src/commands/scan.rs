//! SCAN, and what it has in common with HSCAN, SSCAN and ZSCAN.

use super::Command;
use crate::arguments::{self, Args, Options};
use crate::context::Ctx;
use crate::glob;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[Command::read("scan", -2, scan)];

/// The options of every SCAN.
#[derive(Debug)]
pub(super) struct ScanOptions<'a> {
    pub(super) count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<Vec<u8>>,
}

impl<'a> ScanOptions<'a> {
    /// Reads MATCH and COUNT, and TYPE where it is allowed.
    pub(super) fn read(mut options: Options<'a>, takes_type: bool) -> Result<Self, Fault> {
        let mut read = Self {
            count: 10,
            pattern: None,
            type_name: None,
        };
        while !options.is_empty() {
            if let Some(count) = options.take_with_value("COUNT") {
                let count = arguments::int(count)?;
                read.count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or(Fault::SYNTAX)?;
            } else if let Some(pattern) = options.take_with_value("MATCH") {
                read.pattern = (pattern != b"*").then_some(pattern);
            } else if takes_type && let Some(name) = options.take_with_value("TYPE") {
                read.type_name = Some(name.to_ascii_lowercase());
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(read)
    }

    /// Whether an element is asked for.
    pub(super) fn wants(&self, element: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, element))
    }
}

/// A cursor as it was given out before.
pub(super) fn cursor(argument: &[u8]) -> Result<u64, Fault> {
    super::cursor::parse(argument)
}

/// The reply of every SCAN: where to go on, and what was found.
pub(super) fn found(cursor: u64, elements: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(cursor.to_string()), Reply::Array(elements)])
}

fn scan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let start = cursor(args.at(1))?;
    let options = ScanOptions::read(args.options(2), true)?;
    let now = ctx.now();
    let mut keys = Vec::new();
    let next = ctx.db().scan(start, options.count, |key, entry| {
        let is_type = options
            .type_name
            .as_deref()
            .is_none_or(|name| name == entry.value.type_name().as_bytes());
        if entry.expires > now && is_type && options.wants(key) {
            keys.push(Reply::bulk(key));
        }
    });
    Ok(found(next, keys))
}

/// The bytes of a score as the reply of ZSCAN shows it.
pub(super) fn score(score: f64) -> Reply {
    Reply::bulk(number::double(score))
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests")]
mod tests {
    use crate::reply::Reply;
    use crate::testing::Session;

    #[test]
    fn a_scan_finds_every_key_once() {
        let session = Session::new();
        for number in 0..500 {
            session.ask(&format!("SET key:{number} x"));
        }
        let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
        loop {
            let reply = session.ask(&format!("SCAN {cursor} MATCH key:* COUNT 20"));
            let Reply::Array(parts) = reply else {
                panic!("no array")
            };
            let [Reply::Bulk(next), Reply::Array(keys)] = &*parts else {
                panic!("no pair")
            };
            found.extend(keys.iter().map(|key| format!("{key:?}")));
            cursor = String::from_utf8_lossy(next).into_owned();
            if cursor == "0" {
                break;
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 500);
    }
}
