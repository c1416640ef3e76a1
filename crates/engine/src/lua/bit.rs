//! The library `bit`: operations on 32-bit integers, results signed.
//!
//! Numbers are taken modulo 2³², halves rounded to even, as the original does by adding 2⁵² + 2⁵¹ and reading the
//! low bits.

use mlua_sys::{lua_State, lua_gettop, lua_pushnumber};

use super::border::{Outcome, native};
use super::context::Context;
use super::stack::{expect_number, push_bytes, set_function};

/// Adds the functions to the table on top of the stack.
pub(super) unsafe fn fill(state: *mut lua_State) {
    set_function(state, "tobit", tobit);
    set_function(state, "bnot", bnot);
    set_function(state, "band", band);
    set_function(state, "bor", bor);
    set_function(state, "bxor", bxor);
    set_function(state, "lshift", lshift);
    set_function(state, "rshift", rshift);
    set_function(state, "arshift", arshift);
    set_function(state, "rol", rol);
    set_function(state, "ror", ror);
    set_function(state, "bswap", bswap);
    set_function(state, "tohex", tohex);
}

/// 2⁵² + 2⁵¹: a double this large has its unit in the lowest bit.
const SHIFT: f64 = 6_755_399_441_055_744.0;

unsafe fn bits(state: *mut lua_State, argument: i32) -> Result<u32, super::border::Thrown> {
    let number = expect_number(state, argument)?;
    Ok((number + SHIFT).to_bits() as u32)
}

unsafe fn push_bits(state: *mut lua_State, bits: u32) -> Outcome {
    lua_pushnumber(state, f64::from(bits.cast_signed()));
    Ok(1)
}

macro_rules! operation {
    ($name:ident, $body:ident, |$state:ident| $result:expr) => {
        native!($name => $body);
        unsafe fn $body($state: *mut lua_State, _: &Context) -> Outcome {
            let result = $result;
            push_bits($state, result)
        }
    };
}

operation!(tobit, to_bit, |state| bits(state, 1)?);
operation!(bnot, not, |state| !bits(state, 1)?);
operation!(bswap, swap, |state| bits(state, 1)?.swap_bytes());
operation!(band, and, |state| fold(state, |left, right| left & right)?);
operation!(bor, or, |state| fold(state, |left, right| left | right)?);
operation!(bxor, xor, |state| fold(state, |left, right| left ^ right)?);
operation!(lshift, shift_left, |state| bits(state, 1)?
    .wrapping_shl(bits(state, 2)?));
operation!(rshift, shift_right, |state| bits(state, 1)?
    .wrapping_shr(bits(state, 2)?));
operation!(arshift, shift_signed, |state| {
    bits(state, 1)?
        .cast_signed()
        .wrapping_shr(bits(state, 2)?)
        .cast_unsigned()
});
operation!(rol, rotate_left, |state| bits(state, 1)?
    .rotate_left(bits(state, 2)? & 31));
operation!(ror, rotate_right, |state| bits(state, 1)?
    .rotate_right(bits(state, 2)? & 31));

unsafe fn fold(
    state: *mut lua_State,
    combine: impl Fn(u32, u32) -> u32,
) -> Result<u32, super::border::Thrown> {
    let mut result = bits(state, 1)?;
    for argument in 2..=lua_gettop(state) {
        result = combine(result, bits(state, argument)?);
    }
    Ok(result)
}

native!(tohex => to_hex);

unsafe fn to_hex(state: *mut lua_State, _: &Context) -> Outcome {
    let value = bits(state, 1)?;
    let wanted = if lua_gettop(state) < 2 {
        8
    } else {
        bits(state, 2)?.cast_signed()
    };
    let digits = if wanted < 0 {
        format!("{value:08X}")
    } else {
        format!("{value:08x}")
    };
    let skipped = 8usize.saturating_sub(usize::try_from(wanted.unsigned_abs()).unwrap_or(8));
    let shown = digits.as_bytes().get(skipped..).unwrap_or_default();
    push_bytes(state, shown);
    Ok(1)
}
