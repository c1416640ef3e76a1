//! ZADD and ZINCRBY, which Redis reads with the same eyes: ZINCRBY is ZADD with INCR, odd inputs included.

use smallvec::SmallVec;

use crate::arguments::{self, Args, Options};
use crate::context::Ctx;
use crate::keyspace::SortedSet;
use crate::reply::{Answer, Fault, Reply};

const NX_AND_XX: Fault = Fault::of("ERR XX and NX options at the same time are not compatible");
const CONTRADICTORY: Fault = Fault::of("ERR GT, LT, and/or NX options at the same time are not compatible");
const SEVERAL_INCREMENTS: Fault = Fault::of("ERR INCR option supports a single increment-element pair");
const NOT_A_NUMBER: Fault = Fault::of("ERR resulting score is not a number (NaN)");

/// When a score is written, and what is answered.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    if_absent: bool,
    if_present: bool,
    if_greater: bool,
    if_less: bool,
    counts_changes: bool,
    increments: bool,
}

impl Rules {
    fn read(&mut self, options: &mut Options<'_>) {
        // Scores begin with a digit more often than not: one look saves six comparisons.
        while options
            .peek()
            .is_some_and(|word| word.first().is_some_and(u8::is_ascii_alphabetic))
        {
            let rule = match options {
                _ if options.take("NX") => &mut self.if_absent,
                _ if options.take("XX") => &mut self.if_present,
                _ if options.take("CH") => &mut self.counts_changes,
                _ if options.take("INCR") => &mut self.increments,
                _ if options.take("GT") => &mut self.if_greater,
                _ if options.take("LT") => &mut self.if_less,
                _ => return,
            };
            *rule = true;
        }
    }

    fn check(self, pairs: usize) -> Result<(), Fault> {
        if self.if_absent && self.if_present {
            return Err(NX_AND_XX);
        }
        if (self.if_absent && (self.if_greater || self.if_less)) || (self.if_greater && self.if_less) {
            return Err(CONTRADICTORY);
        }
        if self.increments && pairs > 1 {
            return Err(SEVERAL_INCREMENTS);
        }
        Ok(())
    }

    /// The score to write, if any; NaN where an increment has none.
    fn decide(self, present: Option<f64>, given: f64) -> Option<f64> {
        let Some(present) = present else {
            return (!self.if_present).then_some(given);
        };
        if self.if_absent {
            return None;
        }
        let score = if self.increments { present + given } else { given };
        let is_refused = (self.if_less && score >= present) || (self.if_greater && score <= present);
        (!is_refused).then_some(score)
    }
}

pub(super) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    add(ctx, args, Rules::default())
}

pub(super) fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    add(
        ctx,
        args,
        Rules {
            increments: true,
            ..Rules::default()
        },
    )
}

fn add(ctx: &mut Ctx<'_>, args: Args<'_>, mut rules: Rules) -> Answer {
    let mut options = args.options(2);
    rules.read(&mut options);
    if options.is_empty() || !options.len().is_multiple_of(2) {
        return Err(Fault::SYNTAX);
    }
    rules.check(options.len() / 2)?;
    let mut pairs = SmallVec::<[(f64, &[u8]); 4]>::with_capacity(options.len() / 2);
    while !options.is_empty() {
        pairs.push((arguments::float(options.next()?)?, options.next()?));
    }
    let key = args.at(1);
    let set = if rules.if_present {
        let Some(set) = ctx.write::<SortedSet>(key)? else {
            return Ok(nothing_done(rules));
        };
        set
    } else {
        ctx.create::<SortedSet>(key)?
    };
    let done = write(set, &pairs, rules);
    if done.added + done.changed > 0 {
        ctx.touched(key);
    }
    if !rules.increments {
        let counted = if rules.counts_changes {
            done.added + done.changed
        } else {
            done.added
        };
        return Ok(Reply::count(counted));
    }
    match done.last {
        Some(score) if score.is_nan() => Err(NOT_A_NUMBER),
        Some(score) => Ok(Reply::Double(score)),
        None => Ok(Reply::Nil),
    }
}

fn nothing_done(rules: Rules) -> Reply {
    if rules.increments {
        Reply::Nil
    } else {
        Reply::Int(0)
    }
}

#[derive(Debug, Default)]
struct Done {
    added: usize,
    changed: usize,
    /// The last score the rules allowed.
    last: Option<f64>,
}

fn write(set: &mut SortedSet, pairs: &[(f64, &[u8])], rules: Rules) -> Done {
    let mut done = Done::default();
    for (given, member) in pairs {
        let change = set.change(member, |present| {
            done.last = rules.decide(present, *given);
            done.last.filter(|score| !score.is_nan())
        });
        match (change.before, change.after) {
            (None, Some(_)) => done.added += 1,
            (Some(before), Some(after)) if before != after => done.changed += 1,
            _ => {}
        }
    }
    done
}
