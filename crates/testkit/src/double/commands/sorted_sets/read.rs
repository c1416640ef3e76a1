//! Commands that look at sorted sets.

use super::limit;
use crate::double::arguments::{Arguments, integer, span};
use crate::double::keyspace::Keyspace;
use crate::double::number;
use crate::double::reply::{Outcome, Refusal, Reply};
use crate::double::sorted_set::SortedSet;

pub(in crate::double::commands) fn zscore(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let set = keyspace.get::<SortedSet>(&arguments[1])?;
    Ok(score_or_nil(set.and_then(|set| set.score(&arguments[2]))))
}

pub(in crate::double::commands) fn zmscore(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let set = keyspace.get::<SortedSet>(&arguments[1])?.map(|set| &*set);
    let score = |member: &Vec<u8>| score_or_nil(set.and_then(|set| set.score(member)));
    Ok(Reply::Array(arguments[2..].iter().map(score).collect()))
}

fn score_or_nil(score: Option<f64>) -> Reply {
    score.map_or(Reply::Nil, |score| Reply::Bulk(number::score(score)))
}

pub(in crate::double::commands) fn zcard(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(
        keyspace
            .get::<SortedSet>(&arguments[1])?
            .map_or(0, |set| set.len()),
    ))
}

pub(in crate::double::commands) fn zcount(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (low, high) = (limit(&arguments[2])?, limit(&arguments[3])?);
    let set = keyspace.get::<SortedSet>(&arguments[1])?;
    Ok(Reply::count(set.map_or(0, |set| set.between(low, high).count())))
}

/// One question for a range of members.
struct Range<'a> {
    key: &'a [u8],
    start: &'a [u8],
    stop: &'a [u8],
    by_score: bool,
    reversed: bool,
    with_scores: bool,
    limit: Option<(i64, i64)>,
}

impl<'a> Range<'a> {
    fn read(arguments: &'a [Vec<u8>]) -> Result<(Self, Arguments<'a>), Refusal> {
        let mut rest = Arguments::of(arguments);
        let (key, start, stop) = (rest.next()?, rest.next()?, rest.next()?);
        let range = Self {
            key,
            start,
            stop,
            by_score: false,
            reversed: false,
            with_scores: false,
            limit: None,
        };
        Ok((range, rest))
    }

    /// Reads the options; `is_general` allows those of ZRANGE.
    fn read_options(&mut self, mut rest: Arguments<'_>, is_general: bool) -> Result<(), Refusal> {
        while !rest.is_empty() {
            if rest.take("WITHSCORES") {
                self.with_scores = true;
            } else if rest.take("LIMIT") {
                self.limit = Some((rest.next_integer()?, rest.next_integer()?));
            } else if is_general && rest.take("BYSCORE") {
                self.by_score = true;
            } else if is_general && rest.take("REV") {
                self.reversed = true;
            } else {
                return Err(Refusal::syntax());
            }
        }
        if self.limit.is_some() && !self.by_score {
            return Err(Refusal::err(
                "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        Ok(())
    }

    fn answer(&self, keyspace: &mut Keyspace) -> Outcome {
        let empty = SortedSet::default();
        let members = if self.by_score {
            // Reversed ranges name their higher end first.
            let (low, high) = if self.reversed {
                (self.stop, self.start)
            } else {
                (self.start, self.stop)
            };
            let (low, high) = (limit(low)?, limit(high)?);
            let set = keyspace.get::<SortedSet>(self.key)?.map_or(&empty, |set| &*set);
            self.page(self.directed(set.between(low, high)))
        } else {
            let (start, stop) = (integer(self.start)?, integer(self.stop)?);
            let set = keyspace.get::<SortedSet>(self.key)?.map_or(&empty, |set| &*set);
            let span = span(start, stop, set.len());
            self.directed(set.ascending())
                .skip(span.start)
                .take(span.len())
                .collect()
        };
        let mut reply = Vec::new();
        for (member, score) in members {
            reply.push(Reply::bulk(member.clone()));
            if self.with_scores {
                reply.push(Reply::Bulk(number::score(score)));
            }
        }
        Ok(Reply::Array(reply))
    }

    fn directed<'s>(
        &self,
        members: impl DoubleEndedIterator<Item = (&'s Vec<u8>, f64)> + 's,
    ) -> Box<dyn Iterator<Item = (&'s Vec<u8>, f64)> + 's> {
        if self.reversed {
            Box::new(members.rev())
        } else {
            Box::new(members)
        }
    }

    fn page<'s>(&self, members: impl Iterator<Item = (&'s Vec<u8>, f64)>) -> Vec<(&'s Vec<u8>, f64)> {
        let Some((offset, count)) = self.limit else {
            return members.collect();
        };
        // A negative offset selects nothing, a negative count everything.
        let Ok(offset) = usize::try_from(offset) else {
            return Vec::new();
        };
        members
            .skip(offset)
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .collect()
    }
}

pub(in crate::double::commands) fn zrange(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (mut range, options) = Range::read(arguments)?;
    range.read_options(options, true)?;
    range.answer(keyspace)
}

pub(in crate::double::commands) fn zrevrange(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (mut range, options) = Range::read(arguments)?;
    range.reversed = true;
    range.read_options(options, false)?;
    range.answer(keyspace)
}

pub(in crate::double::commands) fn zrangebyscore(keyspace: &mut Keyspace, arguments: &[Vec<u8>]) -> Outcome {
    let (mut range, options) = Range::read(arguments)?;
    range.by_score = true;
    range.read_options(options, false)?;
    range.answer(keyspace)
}

pub(in crate::double::commands) fn zrevrangebyscore(
    keyspace: &mut Keyspace,
    arguments: &[Vec<u8>],
) -> Outcome {
    let (mut range, options) = Range::read(arguments)?;
    (range.by_score, range.reversed) = (true, true);
    range.read_options(options, false)?;
    range.answer(keyspace)
}
