//! XTRIM, and the trimming options it shares with XADD.
//!
//! Next: `add.rs`, `keyspace/stream/trim.rs`.

use super::id;
use crate::arguments::{Args, Options};
use crate::context::Ctx;
use crate::keyspace::stream::{Keep, Stream, Trim};
use crate::reply::{Answer, Fault, Reply};

/// Approximate trimming drops no more than this at a time unless told otherwise.
const DEFAULT_LIMIT: u64 = 10_000;

/// `MAXLEN|MINID [=|~] threshold [LIMIT count]`, in any order and as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct TrimOptions {
    keep: Option<Keep>,
    approximate: bool,
    limit: Option<u64>,
}

impl TrimOptions {
    /// Reads one option; false when the next argument is none of these.
    pub(super) fn read(&mut self, options: &mut Options<'_>) -> Result<bool, Fault> {
        if options.len() < 2 {
            return Ok(false);
        }
        if options.take("MAXLEN") {
            let threshold = self.threshold(options)?;
            let length = crate::arguments::int(threshold)?;
            let length =
                u64::try_from(length).map_err(|_| Fault::of("ERR The MAXLEN argument must be >= 0."))?;
            self.keep = Some(Keep::Newest(length));
        } else if options.take("MINID") {
            let threshold = self.threshold(options)?;
            self.keep = Some(Keep::From(id(threshold)?));
        } else if options.take("LIMIT") {
            let limit = options.next_int()?;
            let limit =
                u64::try_from(limit).map_err(|_| Fault::of("ERR The LIMIT argument must be >= 0."))?;
            self.limit = Some(limit);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn threshold<'a>(&mut self, options: &mut Options<'a>) -> Result<&'a [u8], Fault> {
        if self.keep.is_some() {
            return Err(Fault::of(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        self.approximate = false;
        if options.len() >= 2 {
            self.approximate = options.take("~");
            if !self.approximate {
                options.take("=");
            }
        }
        options.next()
    }

    /// What is to be trimmed, if anything.
    pub(super) fn finish(self) -> Result<Option<Trim>, Fault> {
        if self.keep.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(Fault::of(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.limit.is_some() && !self.approximate {
            return Err(Fault::of(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        let default = if self.approximate { DEFAULT_LIMIT } else { 0 };
        let limit = self.limit.unwrap_or(default);
        Ok(self.keep.map(|keep| Trim {
            keep,
            approximate: self.approximate,
            limit,
        }))
    }

    fn has_strategy(&self) -> bool {
        self.keep.is_some()
    }
}

pub(super) fn xtrim(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let mut options = args.options(2);
    let mut read = TrimOptions::default();
    while !options.is_empty() {
        if !read.read(&mut options)? {
            return Err(Fault::SYNTAX);
        }
    }
    let is_pointless = !read.has_strategy() && read.limit.is_none_or(|limit| limit == 0);
    if is_pointless {
        return Err(Fault::of(
            "ERR syntax error, XTRIM must be called with trimming options",
        ));
    }
    let trim = read.finish()?;
    let key = args.at(1);
    let (Some(trim), Some(stream)) = (trim, ctx.write::<Stream>(key)?) else {
        return Ok(Reply::Int(0));
    };
    let dropped = stream.trim(&trim);
    if dropped > 0 {
        ctx.touched(key);
    }
    Ok(Reply::Int(super::signed(dropped)))
}
