//! Bits of strings.
//!
//! Bit 0 is the highest bit of the first byte; behind the end of a string all bits are 0.
//! Next: `count.rs` (BITCOUNT, BITPOS), `combine.rs` (BITOP), `field.rs` (BITFIELD).

mod combine;
mod count;
mod field;
#[cfg(test)]
mod tests;

use super::Command;
use super::strings::LONGEST;
use crate::arguments::{self, Args};
use crate::context::Ctx;
use crate::reply::{Answer, Fault, Reply};

pub(super) const COMMANDS: &[Command] = &[
    Command::write("setbit", 4, setbit).grows().key(),
    Command::read("getbit", 3, getbit).fast().key(),
    Command::read("bitcount", -2, count::bitcount).key(),
    Command::read("bitpos", -3, count::bitpos).key(),
    Command::write("bitop", -4, combine::bitop).grows().keys(2, -1, 1),
    Command::write("bitfield", -2, field::bitfield).grows().key(),
    Command::read("bitfield_ro", -2, field::bitfield_ro).fast().key(),
];

const BAD_OFFSET: Fault = Fault::of("ERR bit offset is not an integer or out of range");

/// A number of bits that a string may have before its last byte.
fn offset(number: Option<i64>) -> Result<usize, Fault> {
    let offset = number.and_then(|number| usize::try_from(number).ok());
    offset.filter(|offset| offset / 8 < LONGEST).ok_or(BAD_OFFSET)
}

fn mask(offset: usize) -> u8 {
    0x80 >> (offset % 8)
}

fn setbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let offset = offset(arguments::int(args.at(2)).ok())?;
    let is_set = match arguments::int(args.at(3)) {
        Ok(0) => false,
        Ok(1) => true,
        _ => return Err(Fault::of("ERR bit is not an integer or out of range")),
    };
    let value = ctx.create::<Vec<u8>>(key)?;
    let before = value.len();
    if value.len() <= offset / 8 {
        value.resize(offset / 8 + 1, 0);
    }
    let has_grown = value.len() > before;
    let mut was_set = false;
    if let Some(byte) = value.get_mut(offset / 8) {
        was_set = *byte & mask(offset) != 0;
        *byte = if is_set {
            *byte | mask(offset)
        } else {
            *byte & !mask(offset)
        };
    }
    if has_grown || was_set != is_set {
        ctx.touched_bytes(key, offset / 8..offset / 8 + 1);
    }
    Ok(Reply::flag(was_set))
}

fn getbit(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let offset = offset(arguments::int(args.at(2)).ok())?;
    let byte = ctx
        .read::<Vec<u8>>(args.at(1))?
        .and_then(|value| value.get(offset / 8));
    Ok(Reply::flag(byte.is_some_and(|byte| byte & mask(offset) != 0)))
}
