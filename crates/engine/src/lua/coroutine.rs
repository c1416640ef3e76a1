//! `coroutine.resume`, which must not catch a stop, and what makes coroutines.

use std::ffi::c_int;

use mlua_sys::lua_State;

use super::base::call_stock;
use super::border::enter;
use super::hook::{pass_on_stop, spend};

/// Each coroutine counts its instructions on its own, so many short ones would never be looked at.
const WORK: usize = 20_000;

/// `coroutine.create` and `coroutine.wrap`.
pub(super) unsafe extern "C-unwind" fn create(state: *mut lua_State) -> c_int {
    enter(state, |state, context| spend(state, context, WORK).map(|()| 0));
    call_stock(state)
}

pub(super) unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    let results = call_stock(state);
    pass_on_stop(state);
    results
}
