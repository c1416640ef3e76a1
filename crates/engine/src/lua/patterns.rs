//! The functions of the string library that could take the process down.
//!
//! Lua 5.1 matches patterns by recursion, one C frame for each repeated item or capture, and has no bound: a long
//! enough pattern overflows the C stack. Here such patterns are refused. So are calls from deep within callbacks of
//! `gsub`, whose frames are so large that those Lua admits fill a thread's stack. `string.rep` asks for all its memory at
//! once, so that a bomb is refused before it ticks.

use std::ffi::c_int;

use mlua_sys::{
    lua_State, lua_isnoneornil, lua_isnumber, lua_pushnil, lua_pushnumber, lua_toboolean, lua_tonumber,
};

use super::base::call_stock;
use super::border::{Outcome, complain, complain_plainly, enter, native};
use super::context::Context;
use super::hook::spend;
use super::stack::{expect_number, expect_text, push_bytes, string_at, truncated};

/// A frame takes about 100 bytes; this many fit into the smallest stacks programs use.
const MOST_FRAMES: usize = 5000;

/// Threads have 2 MiB and more. A frame of `gsub` takes 9 kB, and Lua admits 200 calls from C; all others are small.
const MOST_STACK: usize = 512 * 1024;

/// `match`, `gmatch`, `gfind`, `gsub`, and `find` for patterns.
pub(super) unsafe extern "C-unwind" fn bounded(state: *mut lua_State) -> c_int {
    if Context::of(state).stack_taken() > MOST_STACK {
        enter(state, |state, _| Err(complain_plainly(state, "C stack overflow")));
    }
    if let Some(pattern) = string_at(state, 2)
        && is_too_complex(pattern)
    {
        enter(state, |state, _| Err(complain(state, "pattern too complex")));
    }
    counted(state)
}

/// Nanoseconds a byte of the text takes, at least.
const WORK: usize = 1;

/// `lower`, `upper`, `reverse`, whose texts may be long.
pub(super) unsafe extern "C-unwind" fn counted(state: *mut lua_State) -> c_int {
    if let Some(text) = string_at(state, 1) {
        enter(state, |state, context| {
            spend(state, context, text.len() * WORK).map(|()| 0)
        });
    }
    call_stock(state)
}

/// `find`. A plain search takes linear time here; the original's is quadratic, and cannot be stopped.
pub(super) unsafe extern "C-unwind" fn find(state: *mut lua_State) -> c_int {
    if let (Some(text), Some(sought)) = (string_at(state, 1), string_at(state, 2))
        && (lua_isnoneornil(state, 3) != 0 || lua_isnumber(state, 3) != 0)
        && (lua_toboolean(state, 4) != 0 || !sought.iter().any(|byte| SPECIAL.contains(byte)))
    {
        return search(state, text, sought);
    }
    bounded(state)
}

/// What makes a pattern of a text.
const SPECIAL: &[u8] = b"^$*+?.([%-";

unsafe fn search(state: *mut lua_State, text: &[u8], sought: &[u8]) -> c_int {
    let start = start_of_search(state, text.len());
    let rest = text.get(start..).unwrap_or_default();
    let Some(found) = memchr::memmem::find(rest, sought) else {
        lua_pushnil(state);
        return 1;
    };
    let before = start + found;
    lua_pushnumber(state, (before + 1) as f64);
    lua_pushnumber(state, (before + sought.len()) as f64);
    2
}

/// The third argument, counted from 1 or from the end, as an offset within the text.
unsafe fn start_of_search(state: *mut lua_State, length: usize) -> usize {
    let number = if lua_isnoneornil(state, 3) != 0 {
        1
    } else {
        truncated(lua_tonumber(state, 3))
    };
    let from_end = if number < 0 { length as i64 + 1 } else { 0 };
    let offset = number.saturating_add(from_end).saturating_sub(1);
    usize::try_from(offset).unwrap_or(0).min(length)
}

fn is_too_complex(pattern: &[u8]) -> bool {
    if pattern.len() <= MOST_FRAMES {
        return false;
    }
    let recursing = |byte: &&u8| matches!(**byte, b'?' | b'*' | b'+' | b'-' | b'(' | b')');
    pattern.iter().filter(recursing).count() > MOST_FRAMES
}

native!(rep => repeat);

unsafe fn repeat(state: *mut lua_State, context: &Context) -> Outcome {
    let text = expect_text(state, 1)?;
    // Lua takes the count as a C int, so it wraps.
    let count = usize::try_from(truncated(expect_number(state, 2)?) as i32).unwrap_or_default();
    match text.len().checked_mul(count) {
        Some(length) if !context.memory.is_exhausted(length.saturating_mul(2)) => {}
        _ => return Err(complain_plainly(state, "not enough memory")),
    }
    spend(state, context, text.len().saturating_mul(count) / 4)?;
    let repeated = text.repeat(count);
    push_bytes(state, &repeated);
    Ok(1)
}
