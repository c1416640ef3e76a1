//! Commands on sorted sets.
//!
//! Next: `sorted_sets/write.rs` (adding, removing, popping), `sorted_sets/read.rs` (scores and ranges).

pub(super) mod read;
pub(super) mod write;

use crate::double::arguments::float;
use crate::double::reply::Refusal;
use crate::double::sorted_set::Limit;

/// One end of a range of scores: a number, or `(` and a number that does not belong to it.
fn limit(argument: &[u8]) -> Result<Limit, Refusal> {
    let (number, is_exclusive) = match argument {
        [b'(', number @ ..] => (number, true),
        number => (number, false),
    };
    Ok(Limit {
        score: float(number, "min or max is not a float")?,
        is_exclusive,
    })
}
