//! Stops scripts that run too long.
//!
//! Lua calls the hook every so many instructions, counted for each coroutine on its own. What takes long in few
//! instructions, and what makes coroutines, counts as work done ([`spend`]), which ends in the same look. A script that has run longer than its limit without writing is
//! stopped, and one whose kill flag is set. From then on the hook fires at every instruction, and everything that
//! catches errors (`pcall`, `xpcall`, `coroutine.resume`, `load`) passes the stop on, so no script survives by
//! catching it.

use std::ffi::c_int;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mlua_sys::{LUA_MASKCOUNT, lua_Debug, lua_State, lua_createtable, lua_rawset, lua_sethook};

use super::border::{Outcome, Thrown, enter};
use super::context::Context;
use super::stack::push_bytes;

/// About ten microseconds of simple instructions, for some take a hundred milliseconds each. A look costs nothing
/// beside so many.
const INTERVAL: c_int = 1000;
/// Nanoseconds of other work, as guessed, between two looks.
const LOT: usize = 1_000_000;

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its kill flag was set.
    Killed,
    /// It ran longer than its limit.
    Overran,
}

impl Stop {
    fn text(self, context: &Context) -> String {
        match self {
            Self::Killed => "ERR Script killed by user with SCRIPT KILL...".to_owned(),
            Self::Overran => format!(
                "ERR Script stopped after running longer than {} milliseconds without writing",
                context.clock.busy_after.get().as_millis()
            ),
        }
    }
}

/// Watches a thread and those it makes.
pub(super) unsafe fn watch(state: *mut lua_State) {
    lua_sethook(state, Some(on_count), LUA_MASKCOUNT, INTERVAL);
}

unsafe fn watch_every_instruction(state: *mut lua_State) {
    lua_sethook(state, Some(on_count), LUA_MASKCOUNT, 1);
}

unsafe extern "C-unwind" fn on_count(state: *mut lua_State, _: *mut lua_Debug) {
    enter(state, |state, context| inspect(state, context));
}

unsafe fn inspect(state: *mut lua_State, context: &Context) -> Outcome {
    let clock = &context.clock;
    if clock.stopped.get().is_none() {
        clock.stopped.set(reason_to_stop(context));
    }
    let Some(stop) = clock.stopped.get() else {
        return Ok(0);
    };
    watch_every_instruction(state);
    watch_every_instruction(context.main.get());
    push_stop(state, context, stop);
    Err(Thrown::Plain)
}

/// Counts work that instructions do not show, in nanoseconds about; a script that must stop is stopped here.
#[inline]
pub(super) unsafe fn spend(state: *mut lua_State, context: &Context, work: usize) -> Result<(), Thrown> {
    let done = context.clock.work.get().saturating_add(work);
    if done < LOT {
        context.clock.work.set(done);
        return Ok(());
    }
    context.clock.work.set(0);
    inspect(state, context).map(|_| ())
}

unsafe fn reason_to_stop(context: &Context) -> Option<Stop> {
    let clock = &context.clock;
    let kill = clock.kill.get();
    if !kill.is_null() && (*kill).load(Ordering::Relaxed) {
        return Some(Stop::Killed);
    }
    // The clock is read at the first look only, so that short scripts never pay for it.
    let Some(started) = clock.started.get() else {
        clock.started.set(Some(Instant::now()));
        return None;
    };
    let is_late = started.elapsed() >= clock.busy_after.get();
    let has_written = || unsafe { context.host() }.is_some_and(|host| host.has_written());
    (is_late && !has_written()).then_some(Stop::Overran)
}

unsafe fn push_stop(state: *mut lua_State, context: &Context, stop: Stop) {
    lua_createtable(state, 0, 1);
    push_bytes(state, b"err");
    push_bytes(state, stop.text(context).as_bytes());
    lua_rawset(state, -3);
}

/// Raises again if the run was stopped: whoever has just caught an error calls this. Owns nothing.
pub(super) unsafe fn pass_on_stop(state: *mut lua_State) {
    if Context::of(state).clock.stopped.get().is_some() {
        enter(state, |state, context| {
            if let Some(stop) = context.clock.stopped.get() {
                push_stop(state, context, stop);
            }
            Err(Thrown::Plain)
        });
    }
}
