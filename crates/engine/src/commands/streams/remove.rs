//! XDEL.
//!
//! Next: `keyspace/stream/log.rs`.

use super::ids;
use crate::arguments::Args;
use crate::context::Ctx;
use crate::keyspace::stream::Stream;
use crate::reply::{Answer, Reply};

pub(super) fn xdel(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    // Without the key not even the ids are looked at.
    let Some(stream) = ctx.write::<Stream>(key)? else {
        return Ok(Reply::Int(0));
    };
    let ids = ids(args.tail(2))?;
    let deleted = ids.into_iter().filter(|id| stream.delete(*id)).count();
    if deleted > 0 {
        ctx.touched(key);
    }
    Ok(Reply::count(deleted))
}
