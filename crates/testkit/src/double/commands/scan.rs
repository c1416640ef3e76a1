//! SCAN, HSCAN and SSCAN.
//!
//! Elements come in the order of their names, at most COUNT of them at a time, and small collections come whole, as Redis
//! returns them in their compact encoding.

use crate::double::arguments::Arguments;
use crate::double::glob;
use crate::double::keyspace::{Hash, Keyspace, Set};
use crate::double::reply::{Outcome, Refusal, Reply};

/// Up to this many elements Redis keeps a hash compact and answers a scan in one piece.
const COMPACT: usize = 128;
const DEFAULT_COUNT: usize = 10;

struct Options {
    cursor: u64,
    pattern: Option<Vec<u8>>,
    type_name: Option<String>,
    count: usize,
}

impl Options {
    fn read(mut arguments: Arguments<'_>, takes_type: bool) -> Result<Self, Refusal> {
        let cursor = std::str::from_utf8(arguments.next()?)
            .ok()
            .and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or_else(|| Refusal::err("invalid cursor"))?;
        let mut options = Self {
            cursor,
            pattern: None,
            type_name: None,
            count: DEFAULT_COUNT,
        };
        while !arguments.is_empty() {
            if arguments.take("MATCH") {
                options.pattern = Some(arguments.next()?.clone());
            } else if arguments.take("COUNT") {
                let count = usize::try_from(arguments.next_integer()?)
                    .ok()
                    .filter(|count| *count > 0);
                options.count = count.ok_or_else(Refusal::syntax)?;
            } else if takes_type && arguments.take("TYPE") {
                options.type_name = Some(String::from_utf8_lossy(arguments.next()?).to_lowercase());
            } else {
                return Err(Refusal::syntax());
            }
        }
        Ok(options)
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.pattern
            .as_ref()
            .is_none_or(|pattern| glob::matches(pattern, name))
    }
}

pub(super) fn scan(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let options = Options::read(Arguments::of(arguments), true)?;
    let names: Vec<(Vec<u8>, bool)> = keyspace
        .live()
        .map(|(key, entry)| {
            let is_type = options
                .type_name
                .as_ref()
                .is_none_or(|name| name == entry.value.type_name());
            (key.clone(), is_type && options.matches(key))
        })
        .collect();
    let (cursor, page) = page(keyspace, &options, names);
    Ok(answer(
        cursor,
        page.iter()
            .filter(|(_, is_wanted)| *is_wanted)
            .map(|(key, _)| Reply::bulk(key.clone())),
    ))
}

pub(super) fn hscan(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let hash = keyspace.get::<Hash>(rest.next()?)?.cloned().unwrap_or_default();
    let mut options = Options::read(rest, false)?;
    if hash.len() <= COMPACT {
        options.count = COMPACT;
    }
    let (cursor, page) = page(keyspace, &options, hash.into_iter().collect());
    let wanted = page.into_iter().filter(|(field, _)| options.matches(field));
    Ok(answer(
        cursor,
        wanted.flat_map(|(field, value)| [Reply::Bulk(field), Reply::Bulk(value)]),
    ))
}

pub(super) fn sscan(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let set = keyspace.get::<Set>(rest.next()?)?.cloned().unwrap_or_default();
    let mut options = Options::read(rest, false)?;
    if set.len() <= COMPACT {
        options.count = COMPACT;
    }
    let (cursor, page) = page(
        keyspace,
        &options,
        set.into_iter().map(|member| (member, ())).collect(),
    );
    let wanted = page.into_iter().filter(|(member, ())| options.matches(member));
    Ok(answer(cursor, wanted.map(|(member, ())| Reply::Bulk(member))))
}

/// The next elements after the cursor, and the cursor after them (0 at the end).
fn page<T>(
    keyspace: &mut Keyspace,
    options: &Options,
    elements: Vec<(Vec<u8>, T)>,
) -> (u64, Vec<(Vec<u8>, T)>) {
    let after = keyspace.resume(options.cursor).cloned();
    let mut remaining = elements
        .into_iter()
        .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
        .peekable();
    let page: Vec<_> = remaining.by_ref().take(options.count).collect();
    let cursor = match page.last() {
        Some((last, _)) if remaining.peek().is_some() => keyspace.cursor_after(last),
        _ => 0,
    };
    (cursor, page)
}

fn answer(cursor: u64, elements: impl Iterator<Item = Reply>) -> Reply {
    Reply::Array(vec![
        Reply::bulk(cursor.to_string()),
        Reply::Array(elements.collect()),
    ])
}
