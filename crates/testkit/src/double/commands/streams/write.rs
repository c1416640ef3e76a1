//! XADD and XTRIM.

use crate::double::arguments::Arguments;
use crate::double::keyspace::Keyspace;
use crate::double::reply::{Outcome, Refusal, Reply};
use crate::double::stream::{Stream, StreamId, Trim};

/// What approximate trimming removes at most, unless LIMIT says otherwise.
const DEFAULT_LIMIT: usize = 10_000;

struct TrimOption {
    trim: Trim,
    is_approximate: bool,
    limit: usize,
}

impl TrimOption {
    /// Reads `MAXLEN|MINID [=|~] threshold [LIMIT count]`, if it comes next.
    fn read(arguments: &mut Arguments<'_>) -> Result<Option<Self>, Refusal> {
        let by_length = arguments.take("MAXLEN");
        if !by_length && !arguments.take("MINID") {
            return Ok(None);
        }
        let is_approximate = arguments.take("~");
        if !is_approximate {
            arguments.take("=");
        }
        let trim = if by_length {
            let length = arguments.next_integer()?;
            let length = usize::try_from(length);
            Trim::ToLength(length.map_err(|_| Refusal::err("The MAXLEN argument must be >= 0."))?)
        } else {
            Trim::BeforeId(StreamId::parse(arguments.next()?, 0)?)
        };
        let mut limit = DEFAULT_LIMIT;
        if arguments.take("LIMIT") {
            if !is_approximate {
                return Err(Refusal::err(
                    "syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            let count = arguments.next_integer()?;
            limit = usize::try_from(count).map_err(|_| Refusal::err("The LIMIT argument must be >= 0."))?;
        }
        Ok(Some(Self {
            trim,
            is_approximate,
            limit,
        }))
    }

    fn apply(&self, stream: &mut Stream) -> usize {
        stream.trim(self.trim, self.is_approximate, self.limit)
    }
}

pub(in crate::double::commands) fn xadd(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let key = rest.next()?;
    let mut creates = true;
    let mut trim = None;
    loop {
        if rest.take("NOMKSTREAM") {
            creates = false;
        } else if let Some(option) = TrimOption::read(&mut rest)? {
            trim = Some(option);
        } else {
            break;
        }
    }
    let wanted = WantedId::parse(rest.next()?)?;
    let fields = rest.rest();
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return Err(Refusal::wrong_arity("xadd"));
    }
    if let WantedId::Exact(StreamId {
        milliseconds: 0,
        sequence: 0,
    }) = wanted
    {
        return Err(Refusal::err("The ID specified in XADD must be greater than 0-0"));
    }
    if !creates && keyspace.get::<Stream>(key)?.is_none() {
        return Ok(Reply::Nil);
    }
    let now = u64::try_from(keyspace.now_ms()).expect("the clock is before 1970");
    let last = keyspace
        .get::<Stream>(key)?
        .map(|stream| stream.last)
        .unwrap_or_default();
    let id = wanted.after(last, now)?;
    let stream = keyspace.get_or_create::<Stream>(key)?;
    stream.entries.insert(id, fields.to_vec());
    stream.last = id;
    if let Some(trim) = trim {
        trim.apply(stream);
    }
    keyspace.has_arrivals = true;
    Ok(Reply::bulk(id.to_string()))
}

/// The id that XADD asks for.
enum WantedId {
    Any,
    AnyWithin { milliseconds: u64 },
    Exact(StreamId),
}

impl WantedId {
    fn parse(text: &[u8]) -> Result<Self, Refusal> {
        if text == b"*" {
            return Ok(Self::Any);
        }
        match text.strip_suffix(b"-*") {
            Some(milliseconds) => Ok(Self::AnyWithin {
                milliseconds: StreamId::parse(milliseconds, 0)?.milliseconds,
            }),
            None => StreamId::parse(text, 0).map(Self::Exact),
        }
    }

    /// The id to give after `last`, at `now` milliseconds.
    fn after(&self, last: StreamId, now: u64) -> Result<StreamId, Refusal> {
        let too_small =
            || Refusal::err("The ID specified in XADD is equal or smaller than the target stream top item");
        match *self {
            Self::Exact(id) if id > last => Ok(id),
            Self::Exact(_) => Err(too_small()),
            // A clock that was set back must not take the stream's order with it.
            Self::Any if now > last.milliseconds => Ok(StreamId {
                milliseconds: now,
                sequence: 0,
            }),
            Self::Any => last.successor().ok_or_else(too_small),
            Self::AnyWithin { milliseconds } if milliseconds > last.milliseconds => Ok(StreamId {
                milliseconds,
                sequence: 0,
            }),
            Self::AnyWithin { milliseconds } => {
                let next = last.successor().filter(|next| next.milliseconds == milliseconds);
                next.ok_or_else(too_small)
            }
        }
    }
}

pub(in crate::double::commands) fn xtrim(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let mut rest = Arguments::of(arguments);
    let key = rest.next()?;
    let trim = TrimOption::read(&mut rest)?
        .filter(|_| rest.is_empty())
        .ok_or_else(Refusal::syntax)?;
    Ok(Reply::count(
        keyspace
            .get::<Stream>(key)?
            .map_or(0, |stream| trim.apply(stream)),
    ))
}
