//! `coroutine.resume`, which must not catch a stop.

use std::ffi::c_int;

use mlua_sys::lua_State;

use super::base::call_stock;
use super::hook::pass_on_stop;

pub(super) unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    let results = call_stock(state);
    pass_on_stop(state);
    results
}
