//! HRANDFIELD: one field, some different ones, or so many draws.
use crate::arguments::{Args, is};
use crate::context::Ctx;
use crate::keyspace::Hash;
use crate::reply::{Answer, Fault, Reply};

/// How many to draw: up to so many different ones, or exactly so many with repetitions.
pub(in crate::commands) enum Draw {
    Different(usize),
    Repeating(usize),
}

impl Draw {
    /// Reads a count, whose sign tells which it is.
    pub(in crate::commands) fn read(count: i64) -> Result<Self, Fault> {
        if count == i64::MIN {
            return Err(Fault::of(
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ));
        }
        let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        Ok(if count < 0 {
            Self::Repeating(number)
        } else {
            Self::Different(number)
        })
    }
}

pub(super) fn hrandfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    if args.len() == 2 {
        let mut random = ctx.rng().fork();
        let field = ctx
            .read::<Hash>(args.at(1))?
            .and_then(|hash| hash.random(&mut random));
        return Ok(Reply::bulk_or_nil(field.map(|(field, _)| field)));
    }
    let count = args.int(2)?;
    let draw = Draw::read(count)?;
    let with_values = match args.tail(3) {
        [] => false,
        [word] if is(word, "withvalues") => true,
        _ => return Err(Fault::SYNTAX),
    };
    // Twice as many replies must still be a number of replies.
    if with_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(Fault::of("ERR value is out of range"));
    }

    let mut random = ctx.rng().fork();
    let Some(hash) = ctx.read::<Hash>(args.at(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    let drawn: Vec<(&[u8], &[u8])> = match draw {
        Draw::Different(count) => hash.sample(count, &mut random),
        Draw::Repeating(count) => (0..count).map_while(|_| hash.random(&mut random)).collect(),
    };
    let drawn = drawn.into_iter();
    Ok(if with_values {
        Reply::Pairs(
            drawn
                .map(|(field, value)| (Reply::bulk(field), Reply::bulk(value)))
                .collect(),
        )
    } else {
        Reply::bulks(drawn.map(|(field, _)| field))
    })
}
