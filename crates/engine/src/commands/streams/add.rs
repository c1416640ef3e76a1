//! XADD and XSETID: what moves a stream's last id.
//!
//! Next: `trim.rs` (the trimming options of XADD), `waiting.rs` (who is woken).

use super::trim::TrimOptions;
use super::{INVALID_ID, id, id_reply};
use crate::arguments::{Args, int, is};
use crate::context::Ctx;
use crate::keyspace::stream::{Stream, StreamId, Trim, WantedId};
use crate::reply::{Answer, Fault, Reply};

/// Names and values of one entry may not have more bytes than a node can hold.
const LARGEST_ENTRY: usize = 1 << 30;

const TOO_SMALL: Fault =
    Fault::of("ERR The ID specified in XADD is equal or smaller than the target stream top item");
/// Redis answers this too when the sequence numbers of a wanted millisecond have run out.
const TOO_LARGE: Fault = Fault::of("ERR Elements are too large to be stored");
const EXHAUSTED: Fault =
    Fault::of("ERR The stream has exhausted the last possible ID, unable to add more items");

/// What precedes the fields.
#[derive(Debug)]
struct Request {
    only_existing: bool,
    /// None for `*`.
    wanted: Option<WantedId>,
    trim: Option<Trim>,
    /// Where the fields begin.
    fields: usize,
}

impl Request {
    fn read(args: Args<'_>) -> Result<Self, Fault> {
        let mut options = args.options(2);
        let mut trim = TrimOptions::default();
        let (mut only_existing, mut wanted) = (false, None);
        while let Some(argument) = options.peek() {
            if argument == b"*" {
                break;
            }
            if trim.read(&mut options)? {
                continue;
            }
            if is(argument, "NOMKSTREAM") {
                only_existing = true;
                options.next()?;
                continue;
            }
            wanted = Some(StreamId::parse_wanted(argument, 0).ok_or(INVALID_ID)?);
            break;
        }
        let trim = trim.finish()?;
        let fields = args.len() - options.len() + 1;
        let count = args.len().saturating_sub(fields);
        if count < 2 || !count.is_multiple_of(2) {
            return Err(Fault::arity("xadd"));
        }
        if wanted == Some(WantedId::Exact(StreamId::MIN)) {
            return Err(Fault::of("ERR The ID specified in XADD must be greater than 0-0"));
        }
        Ok(Self {
            only_existing,
            wanted,
            trim,
            fields,
        })
    }

    /// Appends the entry, then trims.
    fn append(&self, stream: &mut Stream, fields: &[&[u8]], now: u64) -> Result<StreamId, Fault> {
        let id = new_id(self.wanted, stream.log().last_id(), now)?;
        check_size(fields)?;
        stream.append(id, fields);
        if let Some(trim) = &self.trim {
            stream.trim(trim);
        }
        Ok(id)
    }
}

pub(super) fn xadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let request = Request::read(args)?;
    let (key, now) = (args.at(1), ctx.now());
    let fields = args.tail(request.fields);
    let id = match ctx.write::<Stream>(key)? {
        Some(stream) => request.append(stream, fields, now)?,
        None if request.only_existing => return Ok(Reply::Nil),
        None => {
            // A key must not come into being for an entry that is refused.
            new_id(request.wanted, StreamId::MIN, now)?;
            check_size(fields)?;
            request.append(ctx.create::<Stream>(key)?, fields, now)?
        }
    };
    ctx.touched(key);
    Ok(id_reply(id))
}

fn check_size(fields: &[&[u8]]) -> Result<(), Fault> {
    if fields.iter().map(|field| field.len()).sum::<usize>() > LARGEST_ENTRY {
        return Err(TOO_LARGE);
    }
    Ok(())
}

/// The id of the next entry.
fn new_id(wanted: Option<WantedId>, last: StreamId, now: u64) -> Result<StreamId, Fault> {
    if last == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    let id = match wanted {
        None if now > last.milliseconds => StreamId::new(now, 0),
        None => last.next().ok_or(EXHAUSTED)?,
        Some(WantedId::Exact(id)) => id,
        Some(WantedId::NextIn(milliseconds)) if milliseconds == last.milliseconds => {
            StreamId::new(milliseconds, last.sequence.checked_add(1).ok_or(TOO_LARGE)?)
        }
        Some(WantedId::NextIn(milliseconds)) => StreamId::new(milliseconds, 0),
    };
    if id > last { Ok(id) } else { Err(TOO_SMALL) }
}

pub(super) fn xsetid(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let (key, last_id) = (args.at(1), id(args.at(2))?);
    let (mut entries_added, mut max_deleted) = (None, StreamId::MIN);
    let mut options = args.options(3);
    while !options.is_empty() {
        if let Some(number) = options.take_with_value("ENTRIESADDED") {
            let number =
                u64::try_from(int(number)?).map_err(|_| Fault::of("ERR entries_added must be positive"))?;
            entries_added = Some(number);
        } else if let Some(deleted) = options.take_with_value("MAXDELETEDID") {
            max_deleted = id(deleted)?;
            if last_id < max_deleted {
                return Err(Fault::of(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    let stream = ctx.write::<Stream>(key)?.ok_or(Fault::NO_SUCH_KEY)?;
    let log = stream.log();
    let mut meta = log.meta();
    if last_id < log.last_living_id() {
        return Err(Fault::of(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if entries_added.is_some_and(|added| added < log.len() as u64) {
        return Err(Fault::of(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    meta.last_id = last_id;
    meta.entries_added = entries_added.unwrap_or(meta.entries_added);
    if !max_deleted.is_zero() {
        meta.max_deleted = max_deleted;
    }
    stream.set_meta(meta);
    ctx.noted(key);
    Ok(Reply::OK)
}
