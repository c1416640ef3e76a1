//! BITFIELD: integers of 1 to 64 bits anywhere in a string.
//!
//! All steps are read and checked before the first one runs. Steps that write make the string long enough even if
//! each of them fails on overflow, as Redis does.

use super::offset;
use crate::arguments::{Args, Options, is};
use crate::context::Ctx;
use crate::number;
use crate::reply::{Answer, Fault, Reply};

const BAD_TYPE: Fault = Fault::of(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// A signed or unsigned integer of some bits at some place.
#[derive(Clone, Copy, Debug)]
struct Field {
    is_signed: bool,
    bits: usize,
    offset: usize,
}

/// What happens to a number that does not fit.
#[derive(Clone, Copy, Debug)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy, Debug)]
struct Step {
    field: Field,
    verb: Verb,
    overflow: Overflow,
}

pub(super) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let key = args.at(1);
    let steps = read(args.options(2))?;
    let writes = || steps.iter().filter(|step| !matches!(step.verb, Verb::Get));
    let first = writes().map(|step| step.field.offset / 8).min();
    let end = writes()
        .map(|step| (step.field.offset + step.field.bits).div_ceil(8))
        .max();
    let Some((first, end)) = first.zip(end) else {
        return show(ctx, key, &steps);
    };
    let value = ctx.create::<Vec<u8>>(key)?;
    let mut is_changed = value.len() < end;
    if is_changed {
        value.resize(end, 0);
    }
    let replies = steps
        .iter()
        .map(|step| step.run(value, &mut is_changed))
        .collect();
    if is_changed {
        ctx.touched_bytes(key, first..end);
    }
    Ok(Reply::Array(replies))
}

pub(super) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Answer {
    let steps = read(args.options(2))?;
    if steps.iter().any(|step| !matches!(step.verb, Verb::Get)) {
        return Err(Fault::of("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    show(ctx, args.at(1), &steps)
}

fn show(ctx: &mut Ctx<'_>, key: &[u8], steps: &[Step]) -> Answer {
    let value = ctx.read::<Vec<u8>>(key)?.map(Vec::as_slice).unwrap_or_default();
    Ok(Reply::Array(
        steps
            .iter()
            .map(|step| step.field.reply(step.field.get(value)))
            .collect(),
    ))
}

fn read(mut options: Options<'_>) -> Result<Vec<Step>, Fault> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    while !options.is_empty() {
        if let Some(word) = options.take_with_value("OVERFLOW") {
            overflow = Overflow::read(word)?;
            continue;
        }
        let verb = options.next()?;
        let needed = if is(verb, "get") { 2 } else { 3 };
        let is_known = needed == 2 || is(verb, "set") || is(verb, "incrby");
        if !is_known || options.len() < needed {
            return Err(Fault::SYNTAX);
        }
        let field = Field::read(options.next()?, options.next()?)?;
        let verb = if needed == 2 {
            Verb::Get
        } else if is(verb, "set") {
            Verb::Set(options.next_int()?)
        } else {
            Verb::Add(options.next_int()?)
        };
        steps.push(Step {
            field,
            verb,
            overflow,
        });
    }
    Ok(steps)
}

impl Overflow {
    fn read(word: &[u8]) -> Result<Self, Fault> {
        if is(word, "wrap") {
            Ok(Self::Wrap)
        } else if is(word, "sat") {
            Ok(Self::Saturate)
        } else if is(word, "fail") {
            Ok(Self::Fail)
        } else {
            Err(Fault::of("ERR Invalid OVERFLOW type specified"))
        }
    }
}

impl Field {
    fn read(kind: &[u8], place: &[u8]) -> Result<Self, Fault> {
        let (is_signed, bits) = match kind.split_first() {
            Some((b'i', bits)) => (true, bits),
            Some((b'u', bits)) => (false, bits),
            _ => return Err(BAD_TYPE),
        };
        let most = if is_signed { 64 } else { 63 };
        let bits = number::parse_int(bits)
            .filter(|bits| (1..=most).contains(bits))
            .ok_or(BAD_TYPE)?;
        let place = match place.split_first() {
            // Counted in fields.
            Some((b'#', number)) => number::parse_int(number).and_then(|number| number.checked_mul(bits)),
            _ => number::parse_int(place),
        };
        Ok(Self {
            is_signed,
            bits: bits.unsigned_abs() as usize,
            offset: offset(place)?,
        })
    }

    /// The nine bytes the field lies in, as one number, and how far its last bit is from the end of it.
    fn window(self, value: &[u8]) -> (u128, usize) {
        let bytes = value.get(self.offset / 8..).unwrap_or_default().iter().copied();
        let window = bytes
            .chain(std::iter::repeat(0))
            .take(9)
            .fold(0, |window, byte| window << 8 | u128::from(byte));
        (window, 72 - self.offset % 8 - self.bits)
    }

    fn mask(self) -> u128 {
        (1 << self.bits) - 1
    }

    fn get(self, value: &[u8]) -> i128 {
        let (window, shift) = self.window(value);
        self.number(window >> shift & self.mask())
    }

    fn set(self, value: &mut [u8], number: i128) {
        let (window, shift) = self.window(value);
        let window = window & !(self.mask() << shift) | (number as u128 & self.mask()) << shift;
        let bytes = value.get_mut(self.offset / 8..).unwrap_or_default();
        let window = window << 56;
        bytes
            .iter_mut()
            .zip(window.to_be_bytes())
            .take(9)
            .for_each(|(byte, new)| *byte = new);
    }

    /// The number these bits mean.
    fn number(self, bits: u128) -> i128 {
        let sign = 1_u128 << (self.bits - 1);
        if self.is_signed && bits & sign != 0 {
            bits as i128 - (1 << self.bits)
        } else {
            bits as i128
        }
    }

    /// The number that is stored for one that may be too large; `None` when it is refused.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i128> {
        let (least, most) = if self.is_signed {
            (-(1_i128 << (self.bits - 1)), (1_i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1_i128 << self.bits) - 1)
        };
        if (least..=most).contains(&number) {
            return Some(number);
        }
        match overflow {
            Overflow::Wrap => Some(self.number(number as u128 & self.mask())),
            Overflow::Saturate => Some(number.clamp(least, most)),
            Overflow::Fail => None,
        }
    }

    /// What is to be stored for an argument of SET: an unsigned field takes its 64 bits as they are.
    fn argument(self, number: i64) -> i128 {
        if !self.is_signed {
            return i128::from(number as u64);
        }
        let (number, most) = (i128::from(number), (1_i128 << (self.bits - 1)) - 1);
        // Redis computes the distance to the largest number in 64 bits. Where that overflows, a number far too small
        // counts as too large; adding 2^64 says so and keeps the bits.
        let is_taken_for_large = self.bits < 64 && most - number > i128::from(i64::MAX);
        if is_taken_for_large {
            number + (1 << 64)
        } else {
            number
        }
    }

    fn reply(self, number: i128) -> Reply {
        // At most 64 bits signed or 63 unsigned.
        Reply::Int(number as i64)
    }
}

impl Step {
    fn run(self, value: &mut [u8], is_changed: &mut bool) -> Reply {
        let field = self.field;
        let old = field.get(value);
        let (new, answers_old) = match self.verb {
            Verb::Get => return field.reply(old),
            Verb::Set(number) => (field.argument(number), true),
            Verb::Add(number) => (old + i128::from(number), false),
        };
        let Some(new) = field.fit(new, self.overflow) else {
            return Reply::Nil;
        };
        if new != old {
            field.set(value, new);
            *is_changed = true;
        }
        field.reply(if answers_old { old } else { new })
    }
}
