//! SORT and SORT_RO: the elements of a list, set or sorted set in another order.
//!
//! Elements and weights are borrowed from the database while they are sorted; only what is shown is copied.
//! Next: `sort/pattern.rs` (BY and GET), `sort/order.rs` (weights and comparison).

mod order;
mod pattern;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::{Command, Keys};
use crate::arguments::{self, Args};
use crate::context::{Ctx, Origin};
use crate::keyspace::{Database, List, Member, SortedSet, Value};
use crate::reply::{Answer, Fault, Reply};
use order::{Alphabet, Weights};
use pattern::{Lookup, Pattern};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("sort", -2, sort).grows().keys_at(Keys::Sort),
    Command::read("sort_ro", -2, sort_ro).keys_at(Keys::Sort),
];

/// What SORT was told beside the key.
#[derive(Debug, Default)]
struct Options<'a> {
    is_descending: bool,
    is_alphabetic: bool,
    start: i64,
    /// Negative for all.
    count: Option<i64>,
    by: Option<Pattern<'a>>,
    /// A pattern without a star: the elements stay in the order they have.
    keeps_order: bool,
    get: Vec<Pattern<'a>>,
    store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn read(mut options: arguments::Options<'a>, may_store: bool) -> Result<Self, Fault> {
        let mut read = Self::default();
        while !options.is_empty() {
            if options.take("ASC") {
                read.is_descending = false;
            } else if options.take("DESC") {
                read.is_descending = true;
            } else if options.take("ALPHA") {
                read.is_alphabetic = true;
            } else if options.len() > 2 && options.take("LIMIT") {
                read.start = options.next_int()?;
                read.count = Some(options.next_int()?);
            } else if may_store && let Some(key) = options.take_with_value("STORE") {
                read.store = Some(key);
            } else if let Some(text) = options.take_with_value("BY") {
                read.by = Some(Pattern::read(text));
                // Once said, it holds, whatever pattern follows.
                read.keeps_order |= !text.contains(&b'*');
            } else if let Some(text) = options.take_with_value("GET") {
                read.get.push(Pattern::read(text));
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(read)
    }

    /// The positions to be shown of so many sorted elements.
    fn window(&self, len: usize) -> std::ops::Range<usize> {
        let start = usize::try_from(self.start.max(0)).unwrap_or(usize::MAX).min(len);
        let count = self
            .count
            .and_then(|count| usize::try_from(count).ok())
            .unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

fn sort(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    run(ctx, args, true)
}

fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    run(ctx, args, false)
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, may_store: bool) -> Answer {
    let key = args.at(1);
    let mut options = Options::read(args.options(2), may_store)?;
    // A set has no order to keep, yet what is stored or used by a script must not depend on chance.
    let must_be_stable = options.store.is_some() || ctx.origin == Origin::Script;
    match ctx.entry(key).map(|entry| &entry.value) {
        Some(Value::Set(_)) if options.keeps_order && must_be_stable => {
            options.keeps_order = false;
            options.is_alphabetic = true;
            options.by = None;
        }
        None | Some(Value::List(_) | Value::Set(_) | Value::SortedSet(_)) => {}
        Some(_) => return Err(Fault::WRONG_TYPE),
    }

    if let Ok(Some(set)) = ctx.write::<SortedSet>(key) {
        set.note_sorted();
    }
    let (now, track) = (ctx.now(), ctx.tracks_changes());
    let database = &*ctx.db();
    let sorted = in_order(database, now, key, &options)?;
    let mut lookup = Lookup::new(database, now);
    let Some(target) = options.store else {
        return Ok(Reply::Array(if options.get.is_empty() {
            sorted.into_iter().map(Reply::bulk).collect()
        } else {
            let mut shown = Vec::with_capacity(sorted.len() * options.get.len());
            for element in &sorted {
                shown.extend(
                    options
                        .get
                        .iter()
                        .map(|pattern| Reply::bulk_or_nil(lookup.find(pattern, element))),
                );
            }
            shown
        }));
    };

    let mut list = List::new(track);
    for element in &sorted {
        if options.get.is_empty() {
            list.push_back(element);
        }
        for pattern in &options.get {
            list.push_back(&lookup.find(pattern, element).unwrap_or_default());
        }
    }
    drop(sorted);
    let count = list.len();
    ctx.put(target, Value::List(Box::new(list)));
    Ok(Reply::count(count))
}

/// The elements that are asked for, in the order that is asked for.
fn in_order<'a>(
    database: &'a Database,
    now: u64,
    key: &[u8],
    options: &Options<'_>,
) -> Result<Vec<Cow<'a, [u8]>>, Fault> {
    let value = database.get(key).map(|entry| &entry.value);
    let mut elements: Vec<Cow<'a, [u8]>> = match value {
        Some(Value::List(list)) => list.iter().map(Cow::Borrowed).collect(),
        Some(Value::SortedSet(set)) => set.iter().map(|(member, _)| Cow::Borrowed(member)).collect(),
        Some(Value::Set(set)) => set.iter().map(element).collect(),
        _ => return Ok(Vec::new()),
    };
    let window = options.window(elements.len());
    if options.keeps_order {
        let has_order = !matches!(value, Some(Value::Set(_)));
        if options.is_descending && has_order {
            elements.reverse();
        }
        elements.truncate(window.end);
        elements.drain(..window.start);
        return Ok(elements);
    }
    let lookup = Lookup::new(database, now);
    let alphabet = options.is_alphabetic.then_some(match options.store {
        Some(_) => Alphabet::Bytes,
        None => Alphabet::C,
    });
    let weights = Weights::of(&elements, options.by.as_ref(), alphabet, lookup)?;
    Ok(order::pick(&elements, &weights, options.is_descending, window))
}

fn element(member: Member<'_>) -> Cow<'_, [u8]> {
    match member {
        Member::Bytes(bytes) => Cow::Borrowed(bytes),
        Member::Integer(_) => Cow::Owned(member.to_vec()),
    }
}
