//! `math.random` and `math.randomseed`: the generator of drand48, so equal seeds give the numbers of Redis on every
//! platform.
//!
//! As in 7.0 its state lives on from script to script.

use std::cell::Cell;

use mlua_sys::{lua_State, lua_gettop, lua_pushnumber};

use super::border::{Outcome, complain, complain_of, native};
use super::context::Context;
use super::stack::{expect_number, truncated};

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
const HIGHEST: i32 = i32::MAX;

/// 48 bits of state.
pub(super) struct Random(Cell<u64>);

impl Default for Random {
    fn default() -> Self {
        Self(Cell::new(0x1234_ABCD_330E))
    }
}

impl Random {
    fn seed(&self, seed: i32) {
        self.0.set((u64::from(seed.cast_unsigned()) << 16) | 0x330E);
    }

    /// 31 random bits.
    fn draw(&self) -> i32 {
        let state = self.0.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        self.0.set(state);
        (state >> 17) as i32
    }
}

native!(random => draw);
native!(randomseed => seed);

unsafe fn draw(state: *mut lua_State, context: &Context) -> Outcome {
    let share = f64::from(context.random.draw() % HIGHEST) / f64::from(HIGHEST);
    let (low, high) = match lua_gettop(state) {
        0 => {
            lua_pushnumber(state, share);
            return Ok(1);
        }
        1 => (1, truncated(expect_number(state, 1)?) as i32),
        2 => (
            truncated(expect_number(state, 1)?) as i32,
            truncated(expect_number(state, 2)?) as i32,
        ),
        _ => return Err(complain(state, "wrong number of arguments")),
    };
    if low > high {
        let argument = lua_gettop(state);
        return Err(complain_of(state, argument, "interval is empty"));
    }
    let width = f64::from(high.wrapping_sub(low).wrapping_add(1));
    lua_pushnumber(state, (share * width).floor() + f64::from(low));
    Ok(1)
}

unsafe fn seed(state: *mut lua_State, context: &Context) -> Outcome {
    context.random.seed(truncated(expect_number(state, 1)?) as i32);
    Ok(0)
}
