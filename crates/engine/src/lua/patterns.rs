//! The functions of the string library that could take the process down.
//!
//! Lua 5.1 matches patterns by recursion, one C frame for each repeated item or capture, and has no bound: a long
//! enough pattern overflows the C stack. Here such patterns are refused. So are calls from deep within callbacks of
//! `gsub`, whose frames are so large that those Lua admits fill a thread's stack. `string.rep` asks for all its memory at
//! once, so that a bomb is refused before it ticks.

use std::ffi::c_int;

use mlua_sys::lua_State;

use super::base::call_stock;
use super::border::{Outcome, complain, complain_plainly, enter, native};
use super::context::Context;
use super::hook::spend;
use super::stack::{expect_number, expect_text, push_bytes, string_at, truncated};

/// A frame takes about 100 bytes; this many fit into the smallest stacks programs use.
const MOST_FRAMES: usize = 5000;

/// Threads have 2 MiB and more. A frame of `gsub` takes 9 kB, and Lua admits 200 calls from C; all others are small.
const MOST_STACK: usize = 512 * 1024;

/// `find`, `match`, `gmatch`, `gfind` and `gsub`.
pub(super) unsafe extern "C-unwind" fn bounded(state: *mut lua_State) -> c_int {
    if Context::of(state).stack_taken() > MOST_STACK {
        enter(state, |state, _| Err(complain_plainly(state, "C stack overflow")));
    }
    if let Some(pattern) = string_at(state, 2)
        && is_too_complex(pattern)
    {
        enter(state, |state, _| Err(complain(state, "pattern too complex")));
    }
    call_stock(state)
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
