//! The operands of unions, intersections and differences: keys with sorted sets or plain sets, weights, options.
//!
//! Redis refuses a key of another type before it looks at the options, so the keys are looked up in between.

use crate::arguments::{Args, Options, int};
use crate::context::Ctx;
use crate::keyspace::{Set, SortedSet, Value};
use crate::number;
use crate::reply::Fault;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Answer,
    Store,
    Count,
}

/// How the scores of one member in several sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    pub(super) fn join(self, score: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs add up to nothing.
            Self::Sum => zero_if_nan(score + other),
            Self::Min => {
                if other < score {
                    other
                } else {
                    score
                }
            }
            Self::Max => {
                if other > score {
                    other
                } else {
                    score
                }
            }
        }
    }
}

/// Infinity times a weight of 0 counts as 0.
pub(super) fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// One operand while the keyspace stands still.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source<'a> {
    Absent,
    /// All members count as having the score 1.
    Plain(&'a Set),
    Scored(&'a SortedSet),
}

impl<'a> Source<'a> {
    pub(super) fn of(value: Option<&'a Value>) -> Result<Self, Fault> {
        match value {
            None => Ok(Self::Absent),
            Some(Value::Set(set)) => Ok(Self::Plain(set)),
            Some(Value::SortedSet(set)) => Ok(Self::Scored(set)),
            Some(_) => Err(Fault::WRONG_TYPE),
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Plain(set) => set.len(),
            Self::Scored(set) => set.len(),
        }
    }

    pub(super) fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Plain(set) => set.contains(member).then_some(1.0),
            Self::Scored(set) => set.score(member),
        }
    }

    /// Visits members until `visit` says false.
    pub(super) fn visit(self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        match self {
            Self::Absent => {}
            Self::Plain(set) => {
                let mut buffer = itoa::Buffer::new();
                let _ = set.iter().all(|member| visit(member.bytes(&mut buffer), 1.0));
            }
            Self::Scored(set) => {
                let _ = set.iter().all(|(member, score)| visit(member, score));
            }
        }
    }
}

/// The arguments, understood.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) keys: &'a [&'a [u8]],
    /// One for each key, or none at all.
    pub(super) weights: Vec<f64>,
    pub(super) aggregate: Aggregate,
    pub(super) with_scores: bool,
    pub(super) limit: Option<usize>,
}

impl<'a> Request<'a> {
    /// `command` is the name in lower case, `at` the position of numkeys.
    pub(super) fn read(
        ctx: &mut Ctx<'_>,
        args: Args<'a>,
        at: usize,
        command: &str,
        (operation, purpose): (Operation, Purpose),
    ) -> Result<Self, Fault> {
        let count = usize::try_from(args.int(at)?).ok().filter(|count| *count > 0);
        let count = count
            .ok_or_else(|| Fault::err(format!("at least 1 input key is needed for '{command}' command")))?;
        let keys = args.tail(at + 1).get(..count).ok_or(Fault::SYNTAX)?;
        for key in keys {
            Source::of(ctx.entry(key).map(|entry| &entry.value))?;
        }
        let mut request = Self {
            keys,
            weights: Vec::new(),
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: None,
        };
        let mut options = args.options(at + 1 + count);
        while !options.is_empty() {
            request.read_option(&mut options, operation, purpose)?;
        }
        Ok(request)
    }

    fn read_option(
        &mut self,
        options: &mut Options<'a>,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<(), Fault> {
        let is_weighted = operation != Operation::Difference && purpose != Purpose::Count;
        if is_weighted && options.len() > self.keys.len() && options.take("WEIGHTS") {
            self.weights.clear();
            for _ in self.keys {
                let weight = number::parse_float(options.next()?);
                self.weights
                    .push(weight.ok_or(Fault::of("ERR weight value is not a float"))?);
            }
        } else if is_weighted && let Some(word) = options.take_with_value("AGGREGATE") {
            self.aggregate = match word.to_ascii_lowercase().as_slice() {
                b"sum" => Aggregate::Sum,
                b"min" => Aggregate::Min,
                b"max" => Aggregate::Max,
                _ => return Err(Fault::SYNTAX),
            };
        } else if purpose == Purpose::Answer && options.take("WITHSCORES") {
            self.with_scores = true;
        } else if purpose == Purpose::Count
            && let Some(limit) = options.take_with_value("LIMIT")
        {
            let limit = int(limit).ok().and_then(|limit| usize::try_from(limit).ok());
            let limit = limit.ok_or(Fault::of("ERR LIMIT can't be negative"))?;
            self.limit = Some(limit).filter(|limit| *limit > 0);
        } else {
            return Err(Fault::SYNTAX);
        }
        Ok(())
    }
}
